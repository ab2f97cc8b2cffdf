package qeddiskfs

import (
	"github.com/diskfs/go-diskfs/disk"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/qedfile"
)

// What package imagefs has is found here too, for a program that uses
// go-diskfs beside it.
type (
	Options = imagefs.Options
	Format  = imagefs.Format
	Volume  = imagefs.Volume
	Tree    = imagefs.Tree
	Stat    = imagefs.Stat

	NamedDisk = imagefs.NamedDisk
)

const (
	FormatAuto = imagefs.FormatAuto
	FormatQED  = imagefs.FormatQED
	FormatRaw  = imagefs.FormatRaw
)

var (
	ErrNoFilesystem = imagefs.ErrNoFilesystem
	ErrUnsupported  = imagefs.ErrUnsupported
)

// Disk is an [imagefs.Disk] that go-diskfs can work on, too. It is safe for
// concurrent use.
type Disk struct {
	*imagefs.Disk

	storage StorageOptions
	sectors int64 // bytes, as told
}

// Open opens a disk by the name of its file. With Options.Image.Writable set,
// what [Disk.GoDisk] returns can be written.
func Open(name string, opts *Options) (*Disk, error) {
	d, err := imagefs.Open(name, opts)
	if err != nil {
		return nil, err
	}
	return newDisk(d, name, opts), nil
}

// OpenDisk opens a disk that is already there, such as an image that the
// caller has opened. Of opts it uses SectorSize, and Image.Writable for
// [Disk.GoDisk]. Closing the Disk closes d.
func OpenDisk(d qedfile.Disk, opts *Options) (*Disk, error) {
	disk, err := imagefs.OpenDisk(d, opts)
	if err != nil {
		return nil, err
	}
	return newDisk(disk, "", opts), nil
}

// OpenDisks opens the disks of one machine as a whole, as [imagefs.OpenDisks]
// does. What go-diskfs works on is the first.
func OpenDisks(disks []NamedDisk, opts *Options) (*Disk, error) {
	disk, err := imagefs.OpenDisks(disks, opts)
	if err != nil {
		return nil, err
	}
	return newDisk(disk, "", opts), nil
}

func newDisk(d *imagefs.Disk, name string, opts *Options) *Disk {
	if opts == nil {
		opts = &Options{}
	}
	writable := opts.Image != nil && opts.Image.Writable
	return &Disk{Disk: d, storage: StorageOptions{Name: name, Writable: writable}, sectors: opts.SectorSize}
}

// GoDisk returns the disk as go-diskfs's own, for writing where the disk was
// opened for it. What is written through it is seen by volumes and trees that
// are opened afterwards from a new Disk. Its partition table has the logical
// partitions too, under the numbers that the kernel gives them; it is nil where
// the disk has none.
func (d *Disk) GoDisk() *disk.Disk {
	sector := int64(512)
	if d.sectors != 0 {
		sector = d.sectors
	}
	g := &disk.Disk{
		Backend:           NewStorage(d.Bytes(), &d.storage),
		Size:              d.Size(),
		LogicalBlocksize:  sector,
		PhysicalBlocksize: sector,
		DefaultBlocks:     sector == 512,
	}
	table, err := d.PartitionTable()
	if err != nil {
		return g
	}
	g.LogicalBlocksize, g.PhysicalBlocksize = table.SectorSize, table.SectorSize
	if t := table.GoTable(); t != nil {
		g.Table = t
	}
	return g
}
