package imagefs

import (
	"fmt"
	"io"
	"sync"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/partition"
)

// Stat is what the Sys method of every [fs.FileInfo] in every tree returns a
// pointer to.
type Stat = fstree.Stat

var (
	// ErrNoFilesystem is returned by [Volume.FS] for a volume in which
	// nothing is recognised.
	ErrNoFilesystem = filesystem.ErrNoFilesystem

	// ErrUnsupported is matched by the error of [Volume.FS] for a volume
	// that holds something that is recognised and can't be read.
	ErrUnsupported = fstree.ErrUnsupported
)

// Kind says what a volume is.
type Kind string

const (
	WholeDisk     Kind = "disk"      // a filesystem that fills the disk
	Partition     Kind = "partition" // of GPT or MBR
	LogicalVolume Kind = "lv"        // of LVM2
)

// Volume is a part of a disk that can hold a filesystem.
type Volume struct {
	Name       string `json:"name"`       // "p1", "vg-lv", "disk": its directory in the tree
	Kind       Kind   `json:"kind"`       //
	Type       string `json:"type"`       // of a partition: GPT's type GUID in upper case, or MBR's "0x83"
	Label      string `json:"label"`      // of the filesystem
	UUID       string `json:"uuid"`       // of the filesystem, as blkid prints it
	Offset     int64  `json:"offset"`     // bytes from the start of the disk, -1 if it does not lie there in one piece
	Size       int64  `json:"size"`       // bytes
	Filesystem string `json:"filesystem"` // what it holds as blkid names it: "ext4", "swap", "LVM2_member"; "" if not recognised

	// Partition is the entry in the partition table, nil for other kinds.
	Partition *partition.Partition `json:"-"`

	data io.ReaderAt
	open *opened // shared by the copies of a Volume
}

// opened is a filesystem that is opened when it is first asked for.
type opened struct {
	once sync.Once
	fsys *fstree.FS
	err  error
}

// Reader returns the volume's bytes. Each reader has an offset of its own.
func (v *Volume) Reader() *io.SectionReader { return io.NewSectionReader(v.data, 0, v.Size) }

// FS returns the volume's filesystem. It is opened once and shared. The error
// matches [ErrNoFilesystem] where nothing is recognised, [ErrUnsupported]
// where what is recognised can't be read.
func (v *Volume) FS() (*fstree.FS, error) {
	v.open.once.Do(func() {
		v.open.fsys, v.open.err = filesystem.OpenType(v.Filesystem, v.data, v.Size)
		if v.open.err != nil {
			v.open.err = fmt.Errorf("imagefs: volume %s: %w", v.Name, v.open.err)
		}
	})
	return v.open.fsys, v.open.err
}
