package imagefs

import (
	"errors"
	"fmt"
	"io"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/probe"
	"github.com/qedfs/qedfs/adapters/diskfs/lvm"
	"github.com/qedfs/qedfs/adapters/diskfs/partition"
	"github.com/qedfs/qedfs/qedfile"
)

// contents is what is found on a disk.
type contents struct {
	volumes []Volume
	table   *partition.Table // nil where there is none
	notes   []string
}

// explore looks for everything on a disk that can hold a filesystem: first
// what lies on the disk itself, then what is made of that.
func explore(d qedfile.Disk, sectorSize int64) (contents, error) {
	table, err := partition.Read(d, d.Size(), &partition.Options{SectorSize: sectorSize})
	if err != nil && !errors.Is(err, partition.ErrNoTable) {
		return contents{}, fmt.Errorf("imagefs: %w", err)
	}
	c := contents{table: table}
	whole := identify(Volume{Name: "disk", Kind: WholeDisk, Size: d.Size()}, d)
	// Beside a partition table only ISO 9660 fills the disk: discs made to
	// boot from a stick have both. Other signatures there are remains of
	// what the disk was used for before it was partitioned.
	if table == nil || whole.Filesystem == "iso9660" {
		c.volumes = append(c.volumes, whole)
	}
	if table != nil {
		c.notes = append(c.notes, table.Notes...)
		c.addPartitions(d)
	}
	c.addLogical()
	return c, nil
}

func (c *contents) addPartitions(d io.ReaderAt) {
	for i := range c.table.Partitions {
		p := &c.table.Partitions[i]
		v := Volume{
			Name: fmt.Sprintf("p%d", p.Number), Kind: Partition, Type: p.Type,
			Offset: p.Offset, Size: p.Size, Partition: p,
		}
		if p.Extended { // what it begins with is no filesystem
			v = place(v, d)
		} else {
			v = identify(v, d)
		}
		c.volumes = append(c.volumes, v)
	}
}

// addLogical adds the logical volumes of the groups whose physical volumes
// are among the volumes found so far, however many a group is spread over.
// Damage there is no reason not to show the rest; it is noted.
func (c *contents) addLogical() {
	var devices []lvm.Device
	for _, v := range c.volumes {
		if v.Filesystem == "LVM2_member" {
			devices = append(devices, lvm.Device{Name: v.Name, Reader: v.data, Size: v.Size})
		}
	}
	groups, err := lvm.Scan(devices)
	if err != nil {
		c.notes = append(c.notes, err.Error())
	}
	taken := make(map[string]bool)
	for _, g := range groups {
		for _, lv := range g.Volumes {
			name := fstree.EscapeName(lv.MapperName())
			if taken[name] {
				c.notes = append(c.notes, fmt.Sprintf("a second logical volume is named %s and left out", name))
				continue
			}
			taken[name] = true
			c.volumes = append(c.volumes, logicalVolume(name, lv))
		}
	}
}

// logicalVolume makes a Volume of a logical one. One that can't be read is
// listed too, and says why when it is.
func logicalVolume(name string, lv *lvm.Volume) Volume {
	v := Volume{Name: name, Kind: LogicalVolume, Offset: -1, Size: lv.Size}
	r, err := lv.Open()
	if err == nil {
		return identify(v, r)
	}
	v.data = unreadable{err}
	return v.without(err)
}

// unreadable is the bytes of a volume that can't be read.
type unreadable struct{ err error }

func (u unreadable) ReadAt([]byte, int64) (int, error) { return 0, u.err }

// without is a volume whose filesystem can't be opened.
func (v Volume) without(err error) Volume {
	v.open = &opened{err: fmt.Errorf("imagefs: volume %s: %w", v.Name, err)}
	v.open.once.Do(func() {})
	return v
}

// place lets a volume read its part of a device; one that does not say where
// it lies begins with the device.
func place(v Volume, device io.ReaderAt) Volume {
	v.data = io.NewSectionReader(device, max(v.Offset, 0), v.Size)
	v.open = &opened{}
	return v
}

// identify places a volume and adds what it holds.
func identify(v Volume, device io.ReaderAt) Volume {
	v = place(v, device)
	sig, err := probe.Identify(v.data, v.Size)
	if sig.Type == "" && err != nil {
		return v.without(err)
	}
	// A bad sector where something else could have been is no reason to
	// leave what was found.
	v.Filesystem, v.Label, v.UUID = sig.Type, sig.Label, sig.UUID
	return v
}
