package imagefs

import (
	"errors"
	"fmt"
	"io"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/probe"
	"github.com/qedfs/qedfs/adapters/diskfs/lvm"
	"github.com/qedfs/qedfs/adapters/diskfs/partition"
	"github.com/qedfs/qedfs/backend/errs"
	"github.com/qedfs/qedfs/qedfile"
)

// contents is what is found on a disk.
type contents struct {
	volumes  []Volume
	table    *partition.Table // nil where there is none
	notes    []string
	problems []error // why there may be volumes that are not among these
	opts     *Options
}

// explore looks for everything on a disk that can hold a filesystem: first
// what lies on the disk itself, then what is made of that.
func explore(d qedfile.Disk, opts *Options) (contents, error) {
	table, err := partition.Read(d, d.Size(), &partition.Options{SectorSize: opts.SectorSize})
	if err != nil && !errors.Is(err, partition.ErrNoTable) {
		return contents{}, err
	}
	c := contents{table: table, opts: opts}
	whole := c.identify(Volume{Name: "disk", Kind: WholeDisk, Size: d.Size()}, d)
	// Beside a partition table only ISO 9660 fills the disk: discs made to
	// boot from a stick have both. Other signatures there are remains of
	// what the disk was used for before it was partitioned.
	if table == nil || whole.Filesystem == "iso9660" {
		c.volumes = append(c.volumes, whole)
	}
	if table != nil {
		c.notes = append(c.notes, table.Notes...)
		c.problems = append(c.problems, table.Problems...)
		c.addPartitions(d)
	}
	c.addLogical()
	return c, nil
}

func (c *contents) addPartitions(d io.ReaderAt) {
	for i := range c.table.Partitions {
		p := &c.table.Partitions[i]
		v := Volume{
			Name: fmt.Sprintf("p%d", p.Number), Kind: PartitionVolume, Type: p.Type,
			Offset: p.Offset, Size: p.Size, Partition: p,
		}
		if why, ok := reserved(p); ok { // what it begins with is no filesystem
			v = v.holding(d, fmt.Errorf("%s: %w", why, ErrNoFiles))
		} else {
			v = c.identify(v, d)
		}
		c.volumes = append(c.volumes, v)
	}
}

// addLogical adds the logical volumes of the groups whose physical volumes
// are among the volumes found so far, however many a group is spread over.
// Damage there is no reason not to show the rest; it is one of the problems.
func (c *contents) addLogical() {
	var devices []lvm.Device
	for _, v := range c.volumes {
		if v.Filesystem == "LVM2_member" {
			devices = append(devices, lvm.Device{Name: v.Name, Reader: v.data, Size: v.Size})
		}
	}
	groups, err := lvm.Scan(devices)
	if err != nil {
		c.problems = append(c.problems, err)
	}
	taken := make(map[string]bool)
	for _, g := range groups {
		for _, lv := range g.Volumes {
			name := fstree.EscapeName(lv.MapperName())
			if taken[name] {
				c.problems = append(c.problems, errs.Errorf("imagefs", "a second logical volume is named %s", name))
				continue
			}
			taken[name] = true
			c.volumes = append(c.volumes, c.logicalVolume(name, lv))
		}
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

// logicalVolume makes a Volume of a logical one. One that can't be read is
// listed too, and says why when it is.
func (c *contents) logicalVolume(name string, lv *lvm.Volume) Volume {
	v := Volume{Name: name, Kind: LogicalVolume, Offset: -1, Size: lv.Size}
	r, err := lv.Open()
	if err == nil {
		return c.identify(v, r)
	}
	if errors.Is(err, lvm.ErrPool) {
		return v.holding(unreadable{err}, fmt.Errorf("a pool of logical volumes: %w", ErrNoFiles))
	}
	return v.holding(unreadable{err}, err)
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
	return c.unlock(recognise(v, device))
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
	}
	return v.holding(device, nil)
}
