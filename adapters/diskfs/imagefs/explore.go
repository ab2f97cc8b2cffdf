package imagefs

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/probe"
	"github.com/qedfs/qedfs/adapters/diskfs/mdraid"
	"github.com/qedfs/qedfs/adapters/diskfs/partition"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/errs"
)

// contents is what is found on the disks.
type contents struct {
	volumes  []Volume
	table    *partition.Table // of the first disk, nil where there is none
	notes    []string
	beneath  []source
	problems []error // why there may be volumes that are not among these
	opts     *Options
	unlocked map[string]Volume // those that were encrypted
}

// source is where more notes may come from as the disk is read.
type source struct {
	name  string
	notes func() []string
}

// explore looks for everything on the disks that can hold a filesystem: first
// what lies on a disk itself, then what is made of that.
func explore(disks []NamedDisk, opts *Options) (contents, error) {
	c := contents{opts: opts, unlocked: make(map[string]Volume)}
	for i, nd := range disks {
		table, err := c.addDisk(nd, i)
		if err != nil {
			return contents{}, nd.about(err)
		}
		if i == 0 {
			c.table = table
		}
	}
	c = c.assemble()
	c.spread()
	for _, h := range opts.Headers {
		if !c.has(h.Volume) {
			c.problems = append(c.problems, errs.Errorf("imagefs", "there is no volume %s, for which a LUKS header was given", h.Volume))
		}
	}
	return c, nil
}

// addDisk adds what lies on one disk.
func (c *contents) addDisk(nd NamedDisk, index int) (*partition.Table, error) {
	d := nd.Disk
	backend.Prefetch(d, probe.Places(0, d.Size()))
	whole := c.recognise(Volume{Name: "disk", Kind: WholeDisk, Disk: nd.Name, Size: d.Size()}, d)
	var table *partition.Table
	if whole.Filesystem != "linux_raid_member" || !mdraid.IsMember(d, d.Size()) { // else it is the array's, and is read there
		var err error
		table, err = partition.Read(d, d.Size(), &partition.Options{SectorSize: c.opts.SectorSize})
		if err != nil && !errors.Is(err, partition.ErrNoTable) {
			return nil, err
		}
	}
	if whole.Filesystem == "isw_raid_member" || whole.Filesystem == "ddf_raid_member" {
		c.problems = append(c.problems, nd.about(errs.Errorf("imagefs",
			"the disk is a member of an array of firmware (%s), which is not put together: its partitions may be one member's part", whole.Filesystem)))
	}
	// Beside a partition table only ISO 9660 fills the disk: discs made to
	// boot from a stick have both. Other signatures there are remains of
	// what the disk was used for before it was partitioned.
	if table == nil || whole.Filesystem == "iso9660" {
		c.add(whole, c.unlock)
	}
	if table != nil {
		for _, note := range table.Notes {
			if nd.Name != "" {
				note = nd.Name + ": " + note
			}
			c.notes = append(c.notes, note)
		}
		for _, p := range table.Problems {
			c.problems = append(c.problems, nd.about(p))
		}
		c.addPartitions(table, Volume{Disk: nd.Name}, "p", d)
	}
	for i := range c.volumes {
		if v := &c.volumes[i]; v.Disk == nd.Name {
			v.content.disk, v.content.index = d, index
		}
	}
	return table, nil
}

// add adds a volume under its name, or, if another has that, under that of its
// disk too. With that name fill finds out what it holds.
func (c *contents) add(v Volume, fill func(Volume) Volume) {
	if c.has(v.Name) && v.Disk != "" {
		v.Name = v.Disk + "." + v.Name
	}
	if c.has(v.Name) {
		c.problems = append(c.problems, errs.Errorf("imagefs", "a second volume is named %s", v.Name))
		return
	}
	v = fill(v)
	v.content.name = v.Name
	c.volumes = append(c.volumes, v)
}

func (c *contents) has(name string) bool {
	return slices.ContainsFunc(c.volumes, func(v Volume) bool { return v.Name == name })
}

// addPartitions adds the partitions of a device: of a disk, or of something
// that is made of disks, in which nothing has an offset on a disk.
func (c *contents) addPartitions(table *partition.Table, on Volume, prefix string, device io.ReaderAt) {
	var places []backend.Range
	for _, p := range table.Partitions {
		places = append(places, probe.Places(p.Offset, p.Size)...)
	}
	backend.Prefetch(device, places)
	for i := range table.Partitions {
		p := &table.Partitions[i]
		v := Volume{
			Name: fmt.Sprintf("%s%d", prefix, p.Number), Kind: PartitionVolume, Type: p.Type, Disk: on.Disk,
			Offset: p.Offset, Size: p.Size, Partition: p,
		}
		c.add(v, func(v Volume) Volume {
			if why, ok := reserved(p); ok { // what it begins with is no filesystem
				v = v.holding(device, fmt.Errorf("%s: %w", why, ErrNoFiles))
			} else {
				v = c.identify(v, device)
			}
			if on.Offset < 0 {
				v.Offset = -1
			}
			return v
		})
	}
}

// reserved says what a partition is for that holds no files by its type.
func reserved(p *partition.Partition) (why string, ok bool) {
	if p.Extended {
		return "an extended partition", true
	}
	switch p.Type {
	case "21686148-6449-6E6F-744E-656564454649":
		return "boot code (BIOS boot)", true
	case "9E1A2D38-C612-4316-AA26-8B49521E5A8B", "0x41":
		return "boot code (PReP)", true
	case "E3C9E316-0B5C-4DB8-817D-F92DF00215AE":
		return "reserved by Windows", true
	}
	return "", false
}

// holding gives a volume its part of a device; one that does not say where it
// lies begins with the device. err says why it has no filesystem, if that is
// known.
func (v Volume) holding(device io.ReaderAt, err error) Volume {
	data := io.NewSectionReader(device, max(v.Offset, 0), v.Size)
	v.content = &content{data: data, size: v.Size, name: v.Name, kind: v.Filesystem, err: err}
	return v
}

// identify adds what a volume holds; of an encrypted one that is what is
// inside, if there is a key.
func (c *contents) identify(v Volume, device io.ReaderAt) Volume {
	return c.unlock(c.recognise(v, device))
}

func (c *contents) recognise(v Volume, device io.ReaderAt) Volume {
	v = recognise(v, device)
	v.content.zone = c.opts.Zone
	return v
}

func recognise(v Volume, device io.ReaderAt) Volume {
	sig, err := probe.Identify(io.NewSectionReader(device, max(v.Offset, 0), v.Size), v.Size)
	// A bad sector where something else could have been is no reason to
	// leave what was found.
	v.Filesystem, v.Label, v.UUID = sig.Type, sig.Label, sig.UUID
	switch sig.Type {
	case "":
		return v.holding(device, err)
	case "swap", "swsuspend":
		return v.holding(device, fmt.Errorf("swap space: %w", ErrNoFiles))
	case "LVM2_member":
		return v.holding(device, fmt.Errorf("a physical volume of LVM: %w", ErrNoFiles))
	case "linux_raid_member":
		return v.holding(device, fmt.Errorf("a member of an array: %w", ErrNoFiles))
	}
	return v.holding(device, nil)
}
