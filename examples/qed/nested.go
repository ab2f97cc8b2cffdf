package main

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/examples/qed/internal/imagespec"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/qedfile"
)

// diskReader is a disk as what another image lies in. Closing it closes the
// disk.
type diskReader struct{ disk *disk }

var _ backend.DataFinder = diskReader{}

func (r diskReader) Size() (int64, error)                    { return r.disk.Size(), nil }
func (r diskReader) Close() error                            { return r.disk.Close() }
func (r diskReader) ReadAt(p []byte, off int64) (int, error) { return r.disk.Disk.ReadAt(p, off) }

// NextData implements [backend.DataFinder].
func (r diskReader) NextData(off int64) (start, end int64, err error) {
	size := r.disk.Size()
	for e, err := range extentsOf(r.disk.Disk, off, max(0, size-off)) {
		if err != nil {
			return 0, 0, err
		}
		if e.Kind == qedfile.Data {
			return e.Start, e.Start + e.Length, nil
		}
	}
	return size, size, nil
}

// diskStorage is diskReader for a disk that is open for writing.
type diskStorage struct{ diskReader }

var _ backend.Storage = diskStorage{}

// WriteAt implements [io.WriterAt]. The disk becomes larger where it ends
// before what is written.
func (s diskStorage) WriteAt(p []byte, off int64) (int, error) {
	if end := off + int64(len(p)); end > s.disk.Size() {
		if err := s.Truncate(end); err != nil {
			return 0, err
		}
	}
	return s.disk.writable().WriteAt(p, off)
}

func (s diskStorage) Truncate(size int64) error { return s.disk.writable().Resize(roundUp(size)) }
func (s diskStorage) Sync() error               { return s.disk.writable().Sync() }

// partOf is the part of a file that a raw disk was described to be, or the
// file. The part owns the file.
func partOf(f backend.Reader, spec *imagespec.Spec) (backend.Reader, error) {
	if spec.Offset == 0 && !spec.Sized {
		return f, nil
	}
	size, err := f.Size()
	switch {
	case err != nil:
		return nil, err
	case spec.Offset > size:
		return nil, qemutext.Errorf("Offset (%d) cannot be greater than size of the containing file (%d)", spec.Offset, size)
	case spec.Sized && spec.Size > size-spec.Offset:
		return nil, qemutext.Errorf("The sum of offset (%d) and size (%d) has to be smaller or equal to the  actual size of the containing file (%d)", spec.Offset, spec.Size, size)
	case spec.Size%512 != 0:
		return nil, qemutext.Errorf("Specified size is not multiple of 512")
	}
	p := &part{file: f, off: spec.Offset, fixed: spec.Sized}
	p.size.Store(size - spec.Offset)
	if spec.Sized {
		p.size.Store(spec.Size)
	}
	if s, ok := f.(backend.Storage); ok {
		return &writablePart{part: p, storage: s}, nil
	}
	return p, nil
}

// part is a part of a file: to its end, or of a fixed size.
type part struct {
	file  backend.Reader
	off   int64
	size  atomic.Int64
	fixed bool
}

var _ backend.DataFinder = (*part)(nil)

func (p *part) Size() (int64, error) { return p.size.Load(), nil }
func (p *part) Close() error         { return p.file.Close() }

// ReadAt implements [io.ReaderAt].
func (p *part) ReadAt(b []byte, off int64) (int, error) {
	s, err := p.section()
	if err != nil {
		return 0, err
	}
	return s.ReadAt(b, off)
}

// NextData implements [backend.DataFinder].
func (p *part) NextData(off int64) (start, end int64, err error) {
	s, err := p.section()
	if err != nil {
		return 0, 0, err
	}
	return s.NextData(off)
}

func (p *part) section() (*backend.Section, error) {
	return backend.NewSection(p.file, p.off, p.size.Load())
}

// writablePart is a part of a file that is open for writing.
type writablePart struct {
	*part
	storage backend.Storage
	mu      sync.Mutex // held while the size changes
}

var _ backend.Storage = (*writablePart)(nil)

// WriteAt implements [io.WriterAt]. Nothing outside the part is written.
func (p *writablePart) WriteAt(b []byte, off int64) (int, error) {
	end := off + int64(len(b))
	if off < 0 || end < off || p.fixed && end > p.size.Load() {
		return 0, errors.New("outside the part of the file")
	}
	n, err := p.storage.WriteAt(b, p.off+off)
	if err == nil {
		p.grow(end)
	}
	return n, err
}

// grow notes that the part reaches up to end.
func (p *writablePart) grow(end int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size.Store(max(end, p.size.Load()))
}

// Truncate implements [backend.Storage].
func (p *writablePart) Truncate(size int64) error {
	switch {
	case p.fixed:
		return qemutext.Errorf("Cannot resize fixed-size raw disks")
	case size+p.off < size:
		return qemutext.Errorf("Disk size too large for the chosen offset")
	}
	if err := p.storage.Truncate(p.off + size); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size.Store(size)
	return nil
}

func (p *writablePart) Sync() error { return p.storage.Sync() }

// PunchHole implements [backend.HolePuncher].
func (p *writablePart) PunchHole(off, n int64) error {
	return backend.PunchHole(p.storage, p.off+off, n)
}

// nullDisk is a disk that reads as zeroes and keeps nothing of what is written,
// for measurements.
type nullDisk struct {
	size   int64
	zeroes bool // it says that it has no data
}

var (
	_ backend.Storage    = (*nullDisk)(nil)
	_ backend.DataFinder = (*nullDisk)(nil)
)

func (d *nullDisk) Size() (int64, error)                   { return d.size, nil }
func (d *nullDisk) Close() error                           { return nil }
func (d *nullDisk) Sync() error                            { return nil }
func (d *nullDisk) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (d *nullDisk) Truncate(int64) error                   { return errors.ErrUnsupported }

// ReadAt implements [io.ReaderAt].
func (d *nullDisk) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), max(0, d.size-off)))
	clear(p[:n])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// NextData implements [backend.DataFinder].
func (d *nullDisk) NextData(off int64) (start, end int64, err error) {
	if d.zeroes {
		return d.size, d.size, nil
	}
	return min(off, d.size), d.size, nil
}
