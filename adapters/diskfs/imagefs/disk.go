package imagefs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/luks"
	"github.com/qedfs/qedfs/adapters/diskfs/partition"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/errs"
	"github.com/qedfs/qedfs/qedfile"
)

// Format is how a disk is stored in a file.
type Format string

const (
	// FormatAuto opens a QED image and refuses everything else. A raw disk
	// is never guessed: its first bytes belong to whoever uses the disk, who
	// could make it look like an image with a backing file of their choice.
	FormatAuto Format = ""
	FormatQED  Format = "qed"
	FormatRaw  Format = "raw"
)

// Options say how a disk is opened. The zero value, or nil, opens a QED image
// without a backing file for reading.
type Options struct {
	// Format of the file that [Open] opens.
	Format Format

	// Image says how a QED image is opened; what it says of sharing and
	// writing holds for a raw disk as well.
	Image *qedfile.Options

	// SectorSize is the disk's logical sector size, 512 or 4096 bytes. 0
	// detects it from the partition table and what it leads to.
	SectorSize int64

	// Key returns the passphrase of an encrypted volume, or the bytes of its
	// key file, which are overwritten once they have been tried. While they
	// open no key slot it is called again. An error that matches [ErrLocked]
	// leaves the volume as it is; another one is the volume's error. With nil no
	// encrypted volume is opened. The function must not use the Disk.
	//
	// An encrypted volume that is open is shown as what is inside it: a
	// filesystem, or a physical volume whose logical volumes are listed.
	Key func(KeyRequest) ([]byte, error)

	// Zone is where the clock of the guest stood, for the times of FAT and exFAT,
	// which are local times. nil is UTC.
	Zone *time.Location

	// Headers are LUKS headers that are not on their volumes.
	Headers []Header

	// LUKS bounds what deriving a key may cost.
	LUKS luks.Options

	// IgnoreDataChecksums has the contents of files read whatever their
	// checksums say, where there are any; see package btrfs.
	IgnoreDataChecksums bool
}

// Disk is an open disk. It is safe for concurrent use.
type Disk struct {
	disks []NamedDisk // at least one; without a name if it is the only one
	opts  Options

	mu     sync.Mutex // guards what follows
	looked bool
	found  contents
	err    error
	closed bool
}

// Note is what a user should know of a disk, or of one of its filesystems, and
// what hides nothing.
type Note struct {
	Volume string // its name, "" where the note is about the disk
	Text   string // "journal replayed in memory", ...

	// Missing says that a disk was not given on which more of the volume lies;
	// see [OpenDisks].
	Missing bool
}

// Open opens a disk by the name of its file.
func Open(name string, opts *Options) (*Disk, error) {
	if opts == nil {
		opts = &Options{}
	}
	d, err := openFile(name, opts)
	if err != nil {
		return nil, err
	}
	disk, err := OpenDisk(d, opts)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return disk, nil
}

func openFile(name string, opts *Options) (qedfile.Disk, error) {
	image := opts.Image
	if image == nil {
		image = &qedfile.Options{}
	}
	flag := os.O_RDONLY
	if image.Writable {
		flag = os.O_RDWR
	}
	switch opts.Format {
	case FormatAuto, FormatQED:
		m, err := qedfile.Open(name, image)
		if err != nil {
			return nil, explain(err, opts)
		}
		return m, nil
	case FormatRaw:
		f, err := backend.OpenFile(name, flag, &backend.FileOptions{ForceShare: image.ForceShare})
		if err != nil {
			return nil, err
		}
		raw, err := qedfile.NewRaw(f)
		if err != nil {
			_ = f.Close()
			return nil, err
		}
		return raw, nil
	}
	return nil, errs.Invalidf("imagefs", "format %q", opts.Format)
}

// NewReader opens the disk image of size bytes that r holds, in Options.Format,
// for reading: bytes in memory, a member of an archive, a file at a URL.
// Closing the Disk leaves r open.
func NewReader(r io.ReaderAt, size int64, opts *Options) (*Disk, error) {
	if opts == nil {
		opts = &Options{}
	}
	d, err := openReader(r, size, opts)
	if err != nil {
		return nil, err
	}
	disk, err := OpenDisk(d, opts)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return disk, nil
}

func openReader(r io.ReaderAt, size int64, opts *Options) (qedfile.Disk, error) {
	switch opts.Format {
	case FormatAuto, FormatQED:
		m, err := qedfile.NewReader(r, size, opts.Image)
		return m, explain(err, opts)
	case FormatRaw:
		section, err := backend.NewSection(r, 0, size)
		if err != nil {
			return nil, err
		}
		return qedfile.NewRaw(section)
	}
	return nil, errs.Invalidf("imagefs", "format %q", opts.Format)
}

// explain adds to the error of what is no QED image how others are opened.
func explain(err error, opts *Options) error {
	if errors.Is(err, qedfile.ErrFormat) && opts.Format == FormatAuto {
		return fmt.Errorf("%w; a raw disk is opened by its format", err)
	}
	return err
}

// OpenDisk opens a disk that is already there, such as an image that the
// caller has opened. Of opts it uses what is not about
// the file: SectorSize, Key, Zone, Headers, LUKS and IgnoreDataChecksums. Closing
// the Disk closes d.
func OpenDisk(d qedfile.Disk, opts *Options) (*Disk, error) {
	return OpenDisks([]NamedDisk{{Disk: d}}, opts)
}

// Close closes the disks beneath. Whatever is asked of its volumes, trees and
// open files afterwards fails with [fs.ErrClosed].
func (d *Disk) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for i := range d.found.volumes {
		d.found.volumes[i].close()
	}
	return d.closeDisks()
}

// Bytes is the disk itself, the first of several.
func (d *Disk) Bytes() qedfile.Disk { return d.disks[0].Disk }

// Size is the disk's size in bytes, that of the first of several.
func (d *Disk) Size() int64 { return d.Bytes().Size() }

// find looks for the volumes, once.
func (d *Disk) find() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return fs.ErrClosed
	}
	if !d.looked {
		d.looked = true
		d.found, d.err = explore(d.disks, &d.opts)
	}
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
	for _, v := range d.found.volumes {
		if v.Name == name {
			return &v, nil
		}
	}
	return nil, &VolumeError{name, fs.ErrNotExist}
}

// PartitionTable returns the disk's partition table, that of the first of several
// disks, or an error that matches [partition.ErrNoTable].
func (d *Disk) PartitionTable() (*partition.Table, error) {
	if err := d.find(); err != nil {
		return nil, err
	}
	if d.found.table == nil {
		return nil, errs.Wrap("imagefs", "", partition.ErrNoTable)
	}
	return d.found.table, nil
}

// Problems say why there may be volumes on the disk that [Disk.Volumes] does
// not list: a partition that begins past the end of the disk, a damaged
// description of a volume group. Listing the root of the tree gives them as its
// error.
func (d *Disk) Problems() ([]error, error) {
	if err := d.find(); err != nil {
		return nil, err
	}
	return slices.Clone(d.found.problems), nil
}

// Notes are what a user should know of the disk and of those of its
// filesystems that have been opened: that the backup of a damaged partition
// table was used, that a journal was replayed in memory. Nothing is left out
// for what is noted.
func (d *Disk) Notes() ([]Note, error) {
	if err := d.find(); err != nil {
		return nil, err
	}
	var notes []Note
	for _, text := range d.found.notes {
		notes = append(notes, Note{Text: text})
	}
	for _, s := range d.found.beneath {
		for _, text := range s.notes() {
			notes = append(notes, Note{Text: s.name + ": " + text})
		}
	}
	for i := range d.found.volumes {
		notes = append(notes, d.found.volumes[i].notes()...)
	}
	return notes, nil
}

// FS returns the tree of the whole disk. Its top directories are the volumes.
func (d *Disk) FS() *Tree { return &Tree{disk: d} }
