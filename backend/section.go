package backend

import (
	"io"
	"io/fs"
	"sync/atomic"
)

// Section is a read-only view of n bytes of something that can be read, from
// an offset on: a partition of a disk, or an image inside another file. It
// makes a [Reader] of any [io.ReaderAt] whose size is known.
//
// Closing it ends the view and leaves what it shows open. It is safe for
// concurrent use where the reader beneath is.
type Section struct {
	r      io.ReaderAt
	data   DataFinder // nil where r does not know its holes
	base   int64
	size   int64
	closed atomic.Bool
}

var (
	_ Reader     = (*Section)(nil)
	_ DataFinder = (*Section)(nil)
)

// NewSection returns a view of r from byte off, size bytes long. The section
// promises its size: where r ends earlier, reads fail with
// [io.ErrUnexpectedEOF]. An error means that off or size is negative or that
// off+size is beyond the largest offset.
func NewSection(r io.ReaderAt, off, size int64) (*Section, error) {
	if off < 0 || size < 0 || off > maxOffset-size {
		return nil, invalid("no section of %d bytes at offset %d", size, off)
	}
	data, _ := r.(DataFinder)
	return &Section{r: r, data: data, base: off, size: size}, nil
}

// Size returns the length of the view in bytes.
func (s *Section) Size() (int64, error) {
	if s.closed.Load() {
		return 0, fs.ErrClosed
	}
	return s.size, nil
}

// ReadAt implements [io.ReaderAt]; off counts from the start of the view.
func (s *Section) ReadAt(p []byte, off int64) (int, error) {
	if s.closed.Load() {
		return 0, fs.ErrClosed
	}
	if err := checkRange("read", off, 0); err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if off >= s.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), s.size-off)]
	n, err := ReadFull(s.r, want, s.base+off)
	if err != nil {
		return n, err
	}
	if len(want) < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// NextData implements [DataFinder]. All of the view is data where the reader
// beneath does not know its holes.
func (s *Section) NextData(off int64) (start, end int64, err error) {
	if s.closed.Load() {
		return 0, 0, fs.ErrClosed
	}
	if err := checkRange("look for data", off, 0); err != nil {
		return 0, 0, err
	}
	if off >= s.size {
		return s.size, s.size, nil
	}
	if s.data == nil {
		return off, s.size, nil
	}
	start, end, err = s.data.NextData(s.base + off)
	if err != nil {
		return 0, 0, err
	}
	return min(max(start-s.base, off), s.size), min(max(end-s.base, off), s.size), nil
}

// Close ends the view. What it shows stays open.
func (s *Section) Close() error {
	if s.closed.Swap(true) {
		return fs.ErrClosed
	}
	return nil
}

// Prefetch implements [Prefetcher].
func (s *Section) Prefetch(ranges []Range) {
	Prefetch(s.r, within(ranges, s.base, s.size))
}

// Prefetches implements [Prefetcher].
func (s *Section) Prefetches() bool { return Prefetches(s.r) }
