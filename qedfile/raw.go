package qedfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"sync/atomic"

	"github.com/qedfs/qedfs/backend"
)

// Raw is a raw disk: its bytes are those of the storage, one for one.
//
// The size of the disk is that of the storage rounded up to 512 bytes, as
// qemu sees a raw file; what the storage lacks of the last sector reads as
// zeroes. Raw is as safe for concurrent use as the storage beneath it.
type Raw struct {
	r    backend.Reader
	s    backend.Storage // nil when the disk cannot be written
	size atomic.Int64    // bytes, a multiple of 512

	changed atomic.Bool // since the last Sync
	closed  atomic.Bool
}

var (
	_ WritableDisk = (*Raw)(nil)
	_ Mapper       = (*Raw)(nil)
)

// NewRaw returns the raw disk in r. It can be written where r is a
// [backend.Storage]. Closing the disk closes r.
func NewRaw(r backend.Reader) (*Raw, error) {
	size, err := r.Size()
	if err != nil {
		return nil, err
	}
	d := &Raw{r: r}
	d.s, _ = r.(backend.Storage)
	if size, err = roundToSector(size); err != nil {
		return nil, err
	}
	d.size.Store(size)
	return d, nil
}

// roundToSector rounds a size in bytes up to a whole sector.
func roundToSector(size int64) (int64, error) {
	if size < 0 || size > math.MaxInt64-sectorSize {
		return 0, invalid("a disk of %d bytes is not possible", size)
	}
	return (size + sectorSize - 1) / sectorSize * sectorSize, nil
}

// Size returns the size of the disk in bytes.
func (d *Raw) Size() int64 { return d.size.Load() }

// Close closes the storage. Where the disk was changed it first does what Sync
// does.
func (d *Raw) Close() error {
	if d.closed.Swap(true) {
		return fs.ErrClosed
	}
	var err error
	if d.changed.Load() {
		err = d.Sync()
	}
	return errors.Join(err, d.r.Close())
}

// ReadAt implements [io.ReaderAt].
func (d *Raw) ReadAt(p []byte, off int64) (int, error) {
	if d.closed.Load() {
		return 0, fs.ErrClosed
	}
	if off < 0 {
		return 0, errNegativeOffset
	}
	left := d.size.Load() - off
	if left <= 0 {
		return 0, io.EOF
	}
	short := int64(len(p)) > left
	if short {
		p = p[:left]
	}
	if n, err := d.readStorage(p, off); err != nil {
		return n, err
	}
	if short {
		return len(p), io.EOF
	}
	return len(p), nil
}

// readStorage reads p, which lies on the disk; what the storage lacks of the
// last sector is zeroes.
func (d *Raw) readStorage(p []byte, off int64) (int, error) {
	n, err := d.r.ReadAt(p, off)
	if n == len(p) {
		return n, nil
	}
	if err != io.EOF || d.size.Load()-off-int64(n) >= sectorSize {
		return n, unexpectedEOF(err)
	}
	clear(p[n:])
	return len(p), nil
}

// WriteAt implements [io.WriterAt]. A write that would leave the disk fails
// as a whole.
func (d *Raw) WriteAt(p []byte, off int64) (int, error) {
	if err := d.checkWrite(off, int64(len(p))); err != nil {
		return 0, err
	}
	d.changed.Store(true)
	return d.s.WriteAt(p, off)
}

// WriteZeroes makes n bytes from off on read as zeroes. Holes of the storage
// stay holes.
func (d *Raw) WriteZeroes(off, n int64) error {
	if err := d.checkWrite(off, n); err != nil {
		return err
	}
	d.changed.Store(true)
	var zeroes []byte
	for e, err := range d.Extents(off, n) {
		if err != nil {
			return err
		}
		if e.Kind != Data {
			continue
		}
		if zeroes == nil {
			zeroes = make([]byte, min(n, copyPiece))
		}
		for pos, end := e.Start, e.Start+e.Length; pos < end; {
			k, err := d.s.WriteAt(zeroes[:min(end-pos, int64(len(zeroes)))], pos)
			if err != nil {
				return err
			}
			pos += int64(k)
		}
	}
	return nil
}

// Resize sets the size of the disk in bytes; what is gained reads as zeroes.
func (d *Raw) Resize(size int64) error {
	rounded, err := roundToSector(size)
	if err != nil {
		return err
	}
	if d.s == nil {
		return ErrReadOnly
	}
	d.changed.Store(true)
	if err := d.s.Truncate(size); err != nil {
		return err
	}
	d.size.Store(rounded)
	return nil
}

// Allocate takes the space of n bytes from off on from the host, as
// [backend.Allocate] does; they keep what they hold.
func (d *Raw) Allocate(off, n int64) error {
	if err := d.checkWrite(off, n); err != nil {
		return err
	}
	d.changed.Store(true)
	return backend.Allocate(d.s, off, n)
}

// PunchHole makes n bytes from off on read as zeroes and gives their space back
// to the host, as [backend.PunchHole] does.
func (d *Raw) PunchHole(off, n int64) error {
	if err := d.checkWrite(off, n); err != nil {
		return err
	}
	d.changed.Store(true)
	return backend.PunchHole(d.s, off, n)
}

// Sync makes what was written durable.
func (d *Raw) Sync() error {
	if d.s == nil {
		return ErrReadOnly
	}
	d.changed.Store(false)
	if err := d.s.Sync(); err != nil {
		d.changed.Store(true)
		return err
	}
	return nil
}

func (d *Raw) checkWrite(off, n int64) error {
	if d.s == nil {
		return ErrReadOnly
	}
	if off < 0 || n < 0 || off > d.size.Load()-n {
		return fmt.Errorf("%w: %d bytes at %d of %d", ErrRange, n, off, d.size.Load())
	}
	return nil
}

// Extents implements [Mapper] for the part of [off, off+n) that lies on the
// disk: what the storage holds is Data; its holes, and what it lacks of the
// last sector, are Zero.
func (d *Raw) Extents(off, n int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		if off < 0 || n < 0 {
			yield(Extent{}, errNegativeOffset)
			return
		}
		size := d.size.Load()
		end := size
		if n < size-off {
			end = off + n
		}
		for pos := off; pos < end; {
			start, stop, err := d.nextData(pos, size)
			if err != nil {
				yield(Extent{}, err)
				return
			}
			e := Extent{Start: pos, Length: min(start, end) - pos, Kind: Zero, Offset: pos}
			if e.Length > 0 && !yield(e, nil) {
				return
			}
			e = Extent{Start: start, Length: min(stop, end) - start, Kind: Data, Offset: start}
			if e.Length > 0 && !yield(e, nil) {
				return
			}
			pos = stop
		}
	}
}

// nextData is backend.NextData inside the disk. With no data left it returns
// the size twice.
func (d *Raw) nextData(pos, size int64) (start, end int64, err error) {
	if start, end, err = backend.NextData(d.r, pos); err != nil {
		return 0, 0, err
	}
	if start >= end || start >= size {
		return size, size, nil
	}
	return max(pos, start), min(end, size), nil
}
