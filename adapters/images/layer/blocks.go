package layer

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// Blocks is [Format.Run] for a disk that consists of blocks of size bytes. The
// function block describes the i-th block from the one at pos on, as a whole;
// its Length does not matter. It is called for the first n blocks at most, of
// which the first must exist.
//
// An error of the first block is that of the run; what is wrong with a later
// one is found when it is asked for.
func Blocks(pos, limit, size int64, n int, block func(i int) (Run, error)) (Run, error) {
	in := pos % size
	r, err := block(0)
	r.Length = min(size-in, limit)
	if err != nil {
		return r, err
	}
	r.At += in
	if r.Offset >= 0 {
		r.Offset += in
	}
	for i := 1; i < n && r.Length < limit; i++ {
		next, err := block(i)
		next.Length = min(size, limit-r.Length)
		if err != nil || !r.Precedes(&next) {
			break
		}
		r.Length += next.Length
	}
	return r, nil
}

// None is the run of a block that the image does not store, of a kind other
// than data.
func None(kind qedfile.Kind) Run { return Run{Kind: kind, Offset: -1} }

// A File is one file of an image. Its last sector is taken for whole, and a
// read that begins inside and reaches past the end is filled with zeroes:
// writers leave out the end of a last block.
type File struct {
	backend.Reader
	Bytes int64 // size of the file
	Index int   // tells apart the files of an image, as [qedfile.Extent] has it
	holes backend.DataFinder
}

// NewFile returns the file that r reads. Closing it closes r.
func NewFile(r backend.Reader) (*File, error) {
	size, err := r.Size()
	if err != nil {
		return nil, err
	}
	f := &File{Reader: r, Bytes: size}
	f.holes, _ = r.(backend.DataFinder)
	return f, nil
}

// Space implements [backend.SpaceTeller].
func (f *File) Space() (int64, error) { return backend.Space(f.Reader) }

// Holds reports whether n bytes from off on lie in the file.
func (f *File) Holds(off, n int64) bool { return off >= 0 && n >= 0 && n <= f.Bytes+sectorSize-1-off }

// ReadAt implements [io.ReaderAt].
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.Reader.ReadAt(p, off)
	if n == len(p) {
		return n, nil
	}
	if errors.Is(err, io.EOF) && (n > 0 || off < f.Bytes) && off+int64(n) == f.Bytes {
		clear(p[n:])
		return len(p), nil
	}
	return n, err
}

// Fill reads p from an offset on. What the file lacks of its last sector is
// zeroes; a longer lack is [io.ErrUnexpectedEOF].
func (f *File) Fill(p []byte, off int64) error {
	n, err := f.Reader.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if errors.Is(err, io.EOF) && f.Holds(off, int64(len(p))) {
		clear(p[n:])
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes at %d: %w", len(p), off, err)
}

// Header is Fill for what an image cannot be opened without. An image that ends
// before is not valid.
func (f *File) Header(format, what string, p []byte, off int64) error {
	err := f.Fill(p, off)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return Invalid(format, "%s: %w", what, err)
	case err != nil:
		return fmt.Errorf("%s: %s: %w", format, what, err)
	}
	return nil
}

// Block returns the run of a block that is stored at an offset, which must lie
// in the file.
func (f *File) Block(at int64) (Run, error) {
	if at < 0 || at >= f.Bytes {
		return None(qedfile.Data), fmt.Errorf("it is to be stored at %d, but the file ends at %d", at, f.Bytes)
	}
	return Run{Kind: qedfile.Data, File: f, At: at, Offset: at}, nil
}

// Flat returns the run of limit bytes that are stored from an offset on.
func (f *File) Flat(at, limit int64) (Run, error) {
	return Run{Kind: qedfile.Data, Length: limit, File: f, At: at, Offset: at, Sparse: true}, nil
}

// untilHole returns the part of a run of data before the next hole of the
// file, or the hole that it begins with.
func (f *File) untilHole(r Run) (Run, error) {
	if f.holes == nil {
		return r, nil
	}
	start, end, err := f.holes.NextData(r.At)
	switch {
	case err != nil:
		return r, fmt.Errorf("images: find data at %d: %w", r.At, err)
	case start >= end || start-r.At >= r.Length:
		r.Kind = qedfile.Zero
	case start > r.At:
		r.Kind, r.Length = qedfile.Zero, start-r.At
	default:
		r.Length = min(r.Length, end-r.At)
	}
	return r, nil
}

// parts yields a run of data in its parts: data, and holes of the file.
func (f *File) parts(pos int64, r Run, yield func(qedfile.Extent, error) bool) bool {
	for r.Length > 0 {
		part, err := f.untilHole(r)
		x := qedfile.Extent{Start: pos, Length: part.Length, Kind: part.Kind, Hole: part.Kind == qedfile.Zero, Offset: part.Offset, File: f.Index}
		if !yield(x, err) {
			return false
		}
		pos, r.At, r.Offset, r.Length = pos+part.Length, r.At+part.Length, r.Offset+part.Length, r.Length-part.Length
	}
	return true
}

// RoundUp is n, which is not negative, rounded up to a multiple of unit, or
// the largest number.
func RoundUp(n, unit int64) int64 {
	rest := n % unit
	if rest == 0 {
		return n
	}
	if n > math.MaxInt64-unit {
		return math.MaxInt64
	}
	return n - rest + unit
}

// DefaultCacheBytes is the budget for tables in memory where none is set.
const DefaultCacheBytes = 16 << 20
