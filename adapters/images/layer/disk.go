package layer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"sync/atomic"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

const sectorSize = 512

// A Run is a part of a disk that one image stores in one piece.
type Run struct {
	Kind   qedfile.Kind // Unallocated is what the image does not store itself
	Length int64        // bytes
	File   io.ReaderAt  // what holds a Data run; its type must be comparable
	At     int64        // where a Data run begins in File
	Offset int64        // what the map shows as the place in the image's file; -1 for none

	// Sparse says that the map shows holes of File, a [File], as zeroes.
	Sparse bool
}

// Format says where an image stores its disk.
type Format interface {
	// Run returns the run at pos, a byte offset inside the disk, for at least
	// 1 and at most limit bytes. With an error the Length is that of the part
	// that cannot be read for it; 0 means all of limit.
	//
	// Run must be safe for concurrent use and should not allocate.
	Run(pos, limit int64) (Run, error)
}

// HoleFormat is a [Format] whose map shows holes of the files not for every
// image.
type HoleFormat interface {
	Format
	// ShowsHoles reports whether runs that are Sparse are shown as such. It is
	// asked for each of them.
	ShowsHoles() bool
}

// Disk is a [qedfile.Disk] whose parts a Format finds.
type Disk struct {
	format      Format
	size        int64
	backing     qedfile.Disk
	backingSize int64 // bytes, rounded up to a sector
	files       []io.Closer
	closed      atomic.Bool
}

var (
	_ qedfile.Mapper = (*Disk)(nil)
	_ qedfile.Layer  = (*Disk)(nil)
)

// New returns the disk of size bytes that the format describes, over a backing
// file, which may be nil. The disk owns the backing file and closes it, and
// files, when it is closed.
func New(format Format, size int64, backing qedfile.Disk, files ...io.Closer) *Disk {
	d := &Disk{format: format, size: size, backing: backing, files: files}
	if backing != nil {
		d.backingSize = (backing.Size() + sectorSize - 1) &^ (sectorSize - 1)
	}
	return d
}

// Size returns the size of the disk in bytes.
func (d *Disk) Size() int64 { return d.size }

// Backing implements [qedfile.Layer].
func (d *Disk) Backing() qedfile.Disk { return d.backing }

// Space returns how many bytes of the host's disk the files of the image take.
// The error matches [errors.ErrUnsupported] where one does not tell.
func (d *Disk) Space() (int64, error) {
	total := int64(0)
	for _, f := range d.files {
		r, ok := f.(backend.Reader)
		if !ok {
			continue
		}
		n, err := backend.Space(r)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// Close closes the files and the backing chain. Calls after the first return
// [fs.ErrClosed].
func (d *Disk) Close() error {
	if d.closed.Swap(true) {
		return fs.ErrClosed
	}
	var err error
	for _, f := range d.files {
		err = errors.Join(err, f.Close())
	}
	if d.backing != nil {
		err = errors.Join(err, d.backing.Close())
	}
	return err
}

// Usable returns [fs.ErrClosed] once the disk is closed, and nil before.
func (d *Disk) Usable() error {
	if d.closed.Load() {
		return fs.ErrClosed
	}
	return nil
}

// ReadAt implements [io.ReaderAt], through the backing chain. Where a part of
// the image is damaged it returns what comes before and an error; the rest of
// the disk stays readable.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	if d.closed.Load() {
		return 0, fs.ErrClosed
	}
	if off < 0 {
		return 0, fmt.Errorf("images: %w: negative offset %d", fs.ErrInvalid, off)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if off >= d.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), d.size-off)]
	for done := 0; done < len(want); {
		n, err := d.readRun(want[done:], off+int64(done))
		done += n
		if err != nil {
			return done, err
		}
	}
	if len(want) < len(p) {
		return len(want), io.EOF
	}
	return len(want), nil
}

// readRun reads the run at off, or as much of it as p takes.
func (d *Disk) readRun(p []byte, off int64) (int, error) {
	r, err := d.run(off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	p = p[:r.Length]
	switch r.Kind {
	case qedfile.Data:
		return backend.ReadFull(r.File, p, r.At)
	case qedfile.Unallocated:
		return d.readBacking(p, off)
	}
	clear(p)
	return len(p), nil
}

// maxJoined is how many runs of a Format one of the map is made of at most; see
// [qedfile.ChainExtents] for the rest.
const maxJoined = 1024

// run joins runs that follow each other in the file, too.
func (d *Disk) run(pos, limit int64) (Run, error) {
	r, err := d.format.Run(pos, limit)
	if err != nil {
		if r.Length <= 0 || r.Length > limit {
			r.Length = limit
		}
		return r, err
	}
	for i := 0; i < maxJoined && r.Length < limit; i++ {
		next, err := d.format.Run(pos+r.Length, limit-r.Length)
		if err != nil || !r.Precedes(&next) {
			break // what is wrong there is found when it is asked for
		}
		r.Length += next.Length
	}
	return r, nil
}

// Precedes reports whether next, which follows r on the disk, goes on where it
// ends in the file.
func (r *Run) Precedes(next *Run) bool {
	if r.Kind != next.Kind {
		return false
	}
	if r.Kind == qedfile.Data && (r.File != next.File || r.At+r.Length != next.At) {
		return false
	}
	if r.Offset < 0 || next.Offset < 0 {
		return r.Offset < 0 && next.Offset < 0
	}
	return r.Offset+r.Length == next.Offset
}

// readBacking reads what the image does not store. Without a backing file, and
// past its end, that is zeroes.
func (d *Disk) readBacking(p []byte, off int64) (int, error) {
	below := p[:max(0, min(int64(len(p)), d.backingSize-off))]
	if len(below) > 0 {
		n, err := backend.ReadFull(d.backing, below, off)
		// The last sector of a backing file may be incomplete.
		if err != nil && (err != io.ErrUnexpectedEOF || d.backingSize-off-int64(n) >= sectorSize) {
			return n, err
		}
		clear(below[n:])
	}
	clear(p[len(below):])
	return len(p), nil
}

// Extents implements [qedfile.Mapper], through the whole chain. The part of the
// range past the end of the disk is left out. A damaged part comes as an error
// with its Start and Length; the caller may go on to the rest.
func (d *Disk) Extents(off, n int64) iter.Seq2[qedfile.Extent, error] {
	return qedfile.ChainExtents(d.OwnExtents(off, n), d.backing)
}

func (d *Disk) showsHoles() bool {
	f, ok := d.format.(HoleFormat)
	return !ok || f.ShowsHoles()
}

// OwnExtents implements [qedfile.Layer].
func (d *Disk) OwnExtents(off, n int64) iter.Seq2[qedfile.Extent, error] {
	return func(yield func(qedfile.Extent, error) bool) {
		if d.closed.Load() {
			yield(qedfile.Extent{Start: off, Offset: -1}, fs.ErrClosed)
			return
		}
		if off < 0 || n < 0 {
			yield(qedfile.Extent{Start: off, Offset: -1}, fmt.Errorf("images: %w: no extents of %d bytes at %d", fs.ErrInvalid, n, off))
			return
		}
		for pos, end := off, off+min(n, max(0, d.size-off)); pos < end; {
			r, err := d.run(pos, end-pos)
			length, index := r.Length, 0
			f, ok := r.File.(*File)
			if ok {
				index = f.Index
			}
			if ok && r.Sparse && err == nil && d.showsHoles() {
				if !f.parts(pos, r, yield) {
					return
				}
			} else if !yield(qedfile.Extent{Start: pos, Length: length, Kind: r.Kind, Offset: r.Offset, File: index}, err) {
				return
			}
			pos += length
		}
	}
}
