package imagefs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/partition"
	"github.com/qedfs/qedfs/backend/errs"
	"github.com/qedfs/qedfs/qedfile"
)

// Stat is what the Sys method of every [fs.FileInfo] in every tree returns a
// pointer to.
type Stat = fstree.Stat

var (
	// ErrNoFilesystem is matched by the error of [Volume.FS] for a volume in
	// which no filesystem is recognised.
	ErrNoFilesystem = filesystem.ErrNoFilesystem

	// ErrNoFiles is matched by the error of [Volume.FS] for a volume that is
	// there for something else than files: swap, boot code, an extended
	// partition, a physical volume of a group, nothing but zeroes. Such a
	// volume is not in the tree. It matches [ErrNoFilesystem] and
	// [ErrUnsupported] as well.
	ErrNoFiles error = noFiles{}

	// ErrUnsupported is matched by the error of [Volume.FS] for a volume
	// that holds something that is recognised and can't be read. It matches
	// [errors.ErrUnsupported].
	ErrUnsupported = filesystem.ErrUnsupported
)

type noFiles struct{}

func (noFiles) Error() string { return "holds no files" }

func (noFiles) Is(target error) bool {
	return target == ErrNoFilesystem || target == ErrUnsupported || target == errors.ErrUnsupported
}

// VolumeError is why the filesystem of a volume can't be opened.
type VolumeError struct {
	Volume string // its name
	Err    error
}

func (e *VolumeError) Error() string { return "imagefs: volume " + e.Volume + ": " + e.Err.Error() }
func (e *VolumeError) Unwrap() error { return e.Err }

// Message is the error without the name of this package; see package errs.
func (e *VolumeError) Message() string { return "volume " + e.Volume + ": " + errs.Message(e.Err) }

// VolumeKind says what a volume is.
type VolumeKind string

const (
	WholeDisk       VolumeKind = "disk"      // a filesystem that fills the disk
	PartitionVolume VolumeKind = "partition" // of GPT or MBR
	LogicalVolume   VolumeKind = "lv"        // of LVM2
	ArrayVolume     VolumeKind = "raid"      // of Linux software RAID (md)
)

// Volume is a part of a disk that can hold a filesystem. It is a copy for the
// caller: changing its fields changes nothing for others.
type Volume struct {
	Name       string     `json:"name"`           // "p1", "vg-lv", "disk": its directory in the tree
	Kind       VolumeKind `json:"kind"`           //
	Disk       string     `json:"disk,omitempty"` // of several, the one it is on, or its first part
	Type       string     `json:"type"`           // of a partition: GPT's type GUID in upper case, or MBR's "0x83"
	Label      string     `json:"label"`          // of the filesystem
	UUID       string     `json:"uuid"`           // of the filesystem, as blkid prints it
	Offset     int64      `json:"offset"`         // bytes from the start of its disk, -1 if it does not lie there in one piece
	Size       int64      `json:"size"`           // bytes
	Filesystem string     `json:"filesystem"`     // what it holds as blkid names it: "ext4", "swap", "LVM2_member"; "" if not recognised

	// MemberOf is the name of the volume that has the files of a filesystem that
	// lies on both and on as many others, "" for that one itself and for
	// every volume that lies alone.
	MemberOf string `json:"member_of,omitempty"`

	// Encryption says how the volume was encrypted. Then the label, the UUID, the
	// size and the filesystem are those of what is inside, and so are its bytes.
	Encryption *Encryption `json:"encryption,omitempty"`

	// Partition is the entry in the partition table, nil for other kinds.
	Partition *partition.Partition `json:"-"`

	*content
}

// content is what all the copies of a Volume share.
type content struct {
	data io.ReaderAt
	size int64
	name string
	kind string                     // of filesystem
	zone *time.Location             // of times without one
	err  error                      // why there is nothing to open, if that is known
	open func() (*fstree.FS, error) // opens what lies on other volumes too, or nil

	remarks []string        // notes of what it was made of
	beneath func() []string // and those that reading it may add to; may be nil
	outer   []io.Closer     // what is closed with it
	disk    qedfile.Disk    // in which it lies in one piece, or nil
	index   int             // of that disk

	mu     sync.Mutex
	opened bool
	fsys   *fstree.FS
	failed error
	closed bool
}

// Reader returns the volume's bytes. Each reader has an offset of its own.
func (v *Volume) Reader() *io.SectionReader {
	if v.content == nil {
		return io.NewSectionReader(unreadable{fs.ErrInvalid}, 0, 0)
	}
	return io.NewSectionReader(v.data, 0, v.size)
}

// OnDisk returns the disk in which the volume lies in one piece, at Offset, and
// its number from 0 among the disks that were opened. It is nil for a volume
// that is put together from others.
func (v *Volume) OnDisk() (disk qedfile.Disk, number int) {
	if v.content == nil || v.Offset < 0 {
		return nil, 0
	}
	return v.disk, v.index
}

// FS returns the volume's filesystem. It is opened once and shared. Every error
// is a [*VolumeError]. It matches [ErrNoFiles] where the volume is there for
// something else, [ErrNoFilesystem] where nothing is recognised,
// [ErrUnsupported] where what is recognised can't be read, and [fs.ErrClosed]
// once the disk is closed; everything else is damage, or a failure to read.
func (v *Volume) FS() (*fstree.FS, error) {
	c := v.content
	if c == nil {
		return nil, &VolumeError{v.Name, fmt.Errorf("not a volume of a disk: %w", fs.ErrInvalid)}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, &VolumeError{c.name, fs.ErrClosed}
	}
	if !c.opened {
		c.opened = true
		var err error
		if c.fsys, err = c.openFS(); err != nil {
			c.failed = &VolumeError{c.name, err}
		}
	}
	return c.fsys, c.failed
}

func (c *content) openFS() (*fstree.FS, error) {
	if c.err != nil {
		return nil, c.err
	}
	if c.kind == "" && allZero(c.data, c.size) {
		return nil, fmt.Errorf("nothing but zeroes: %w", ErrNoFiles)
	}
	if c.open != nil {
		return c.open()
	}
	return filesystem.OpenTypeWith(c.kind, c.data, c.size, &filesystem.Options{Zone: c.zone})
}

// allZero reports whether the begin of a volume is zeroes, as that of one that
// was never used. Every signature of a filesystem lies in it.
func allZero(r io.ReaderAt, size int64) bool {
	b := make([]byte, min(size, 1<<20))
	if n, err := r.ReadAt(b, 0); n < len(b) || err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// inTree reports whether the volume is one of the top directories.
func (v *Volume) inTree() bool {
	_, err := v.FS()
	return !errors.Is(err, ErrNoFiles)
}

// notes are those of the filesystem, if it has been opened.
func (c *content) notes() (notes []Note) {
	c.mu.Lock()
	defer c.mu.Unlock()
	add := func(missing string, texts []string) {
		for _, text := range texts {
			notes = append(notes, Note{Volume: c.name, Text: text, Missing: text == missing})
		}
	}
	add("", c.remarks)
	if c.beneath != nil {
		add("", c.beneath())
	}
	if c.fsys != nil {
		info := c.fsys.Info()
		add(info.Missing, info.Notes)
	}
	return notes
}

func (c *content) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.fsys != nil {
		_ = c.fsys.Close()
	}
	for _, o := range c.outer {
		_ = o.Close()
	}
}

// unreadable is the bytes of a volume that can't be read.
type unreadable struct{ err error }

func (u unreadable) ReadAt([]byte, int64) (int, error) { return 0, u.err }
