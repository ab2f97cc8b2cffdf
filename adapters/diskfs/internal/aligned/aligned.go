// Package aligned reads any bytes of what can be read in whole sectors alone.
package aligned

import (
	"io"
	"sync"
)

// chunk is how many bytes are read into memory of their own at a time.
const chunk = 128 << 10

// Reader reads by a function that reads whole sectors.
type Reader struct {
	Size   int64 // bytes, whole sectors
	Sector int64 // bytes, a power of two, at most 4096

	// Sectors reads sectors that are within Size, whose first byte is off. It
	// returns how many bytes are good, and an error if these are not all.
	Sectors func(b []byte, off int64) (int, error)

	buffers sync.Pool // *[chunk]byte
}

// ReadAt reads from an offset that is not negative.
func (r *Reader) ReadAt(p []byte, off int64) (n int, err error) {
	if off >= r.Size {
		return 0, io.EOF
	}
	short := int64(len(p)) > r.Size-off
	if short {
		p = p[:r.Size-off]
	}
	for n < len(p) && err == nil {
		var m int
		m, err = r.some(p[n:], off+int64(n))
		n += m
	}
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

// some reads a part of p, at least a byte. Whole sectors are read to where they
// are wanted; a read that begins or ends within one takes them together in one
// request, and copies.
func (r *Reader) some(p []byte, off int64) (int, error) {
	mask := r.Sector - 1
	if off&mask == 0 && int64(len(p))&mask == 0 {
		return r.Sectors(p, off)
	}
	buf, _ := r.buffers.Get().(*[chunk]byte)
	if buf == nil {
		buf = new([chunk]byte)
	}
	defer r.buffers.Put(buf)
	begin := off &^ mask
	end := min((off+int64(len(p))+mask)&^mask, begin+chunk)
	got, err := r.Sectors(buf[:end-begin], begin)
	n := copy(p, buf[min(int64(got), off-begin):got])
	if n == len(p) {
		err = nil
	}
	return n, err
}
