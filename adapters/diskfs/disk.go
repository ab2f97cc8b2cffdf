package qeddiskfs

import (
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/diskfs/go-diskfs/disk"

	"github.com/qedfs/qedfs/adapters/diskfs/partition"
	"github.com/qedfs/qedfs/qedfile"
)

// Options say how a disk is opened. The zero value, or nil, opens a QED image
// for reading.
type Options struct {
	// SectorSize is the disk's logical sector size, 512 or 4096 bytes. 0
	// has it found out by where the partition table and what it leads to lie.
	SectorSize int64
}

// Disk is an open disk. It is safe for concurrent use.
type Disk struct {
	disk       qedfile.Disk
	name       string
	sectorSize int64 // as told

	once  sync.Once // guards what follows
	found contents
	err   error
}

// OpenDisk opens a disk that is already there, such as an image that the
// caller has opened with other options. Closing the Disk closes d.
func OpenDisk(d qedfile.Disk, opts *Options) (*Disk, error) {
	if opts == nil {
		opts = &Options{}
	}
	switch opts.SectorSize {
	case 0, 512, 4096:
	default:
		return nil, fmt.Errorf("qeddiskfs: sector size %d: %w", opts.SectorSize, fs.ErrInvalid)
	}
	return &Disk{disk: d, sectorSize: opts.SectorSize}, nil
}

// Close closes the disk beneath.
func (d *Disk) Close() error { return d.disk.Close() }

// Size is the disk's size in bytes.
func (d *Disk) Size() int64 { return d.disk.Size() }

// find looks for the volumes, once.
func (d *Disk) find() error {
	d.once.Do(func() { d.found, d.err = explore(d.disk, d.sectorSize) })
	return d.err
}

// Volumes lists what on the disk can hold a filesystem, in the order of the
// partition table. The disk is looked through once.
func (d *Disk) Volumes() ([]Volume, error) {
	if err := d.find(); err != nil {
		return nil, err
	}
	return slices.Clone(d.found.volumes), nil
}

// Volume returns the volume of a name, with [fs.ErrNotExist] if there is none.
func (d *Disk) Volume(name string) (*Volume, error) {
	if err := d.find(); err != nil {
		return nil, err
	}
	for i := range d.found.volumes {
		if d.found.volumes[i].Name == name {
			return &d.found.volumes[i], nil
		}
	}
	return nil, fmt.Errorf("qeddiskfs: volume %s: %w", name, fs.ErrNotExist)
}

// PartitionTable returns the disk's partition table, or an error that matches
// [partition.ErrNoTable].
func (d *Disk) PartitionTable() (*partition.Table, error) {
	if err := d.find(); err != nil {
		return nil, err
	}
	if d.found.table == nil {
		return nil, fmt.Errorf("qeddiskfs: %w", partition.ErrNoTable)
	}
	return d.found.table, nil
}

// Notes are what a user should know of the disk besides: that the backup of a
// damaged partition table was used, that a volume group is incomplete.
func (d *Disk) Notes() ([]string, error) {
	if err := d.find(); err != nil {
		return nil, err
	}
	return slices.Clone(d.found.notes), nil
}

// FS returns the tree of the whole disk. Its top directories are the volumes.
func (d *Disk) FS() *Tree { return &Tree{disk: d} }

// GoDisk returns the disk as go-diskfs's own, for reading. Its partition
// table has the logical partitions too, under the numbers that the kernel
// gives them; it is nil where the disk has none.
func (d *Disk) GoDisk() *disk.Disk {
	g := &disk.Disk{
		Backend:           NewStorage(d.disk, &StorageOptions{Name: d.name}),
		Size:              d.disk.Size(),
		LogicalBlocksize:  512,
		PhysicalBlocksize: 512,
		DefaultBlocks:     true,
	}
	if err := d.find(); err != nil || d.found.table == nil {
		return g
	}
	g.LogicalBlocksize, g.PhysicalBlocksize = d.found.table.SectorSize, d.found.table.SectorSize
	if t := d.found.table.GoTable(); t != nil {
		g.Table = t
	}
	return g
}
