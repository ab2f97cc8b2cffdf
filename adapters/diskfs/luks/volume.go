package luks

import (
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/qedfs/qedfs/backend/errs"
)

// chunk is how many bytes are decrypted in memory of their own at a time.
const chunk = 128 << 10

// Volume is what an encrypted volume holds, in the clear.
type Volume struct {
	data         io.ReaderAt
	offset, size int64
	sector       int64
	tweak        uint64
	cipher       atomic.Pointer[decrypter] // nil once closed
	buffers      sync.Pool                 // *[chunk]byte
}

var _ io.ReaderAt = (*Volume)(nil)

func newVolume(c *Container, key []byte) (*Volume, error) {
	d, err := newDecrypter(c.info.Cipher, key, int(c.info.SectorSize))
	if err != nil {
		return nil, err
	}
	v := &Volume{data: c.data, offset: c.info.Offset, size: c.info.Size, sector: c.info.SectorSize, tweak: c.ivTweak}
	v.cipher.Store(d)
	return v, nil
}

// Size is the number of bytes.
func (v *Volume) Size() int64 { return v.size }

// Close forgets the key. Reads fail with [fs.ErrClosed] from then on.
func (v *Volume) Close() error {
	if v.cipher.Swap(nil) == nil {
		return errs.Wrap("luks", "close", fs.ErrClosed)
	}
	return nil
}

// ReadAt reads and decrypts.
func (v *Volume) ReadAt(p []byte, off int64) (n int, err error) {
	d := v.cipher.Load()
	if d == nil {
		return 0, errs.Wrap("luks", "read", fs.ErrClosed)
	}
	if off < 0 {
		return 0, errs.Invalidf("luks", "read at byte %d", off)
	}
	if off >= v.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > v.size-off
	if short {
		p = p[:v.size-off]
	}
	for n < len(p) && err == nil {
		var m int
		m, err = v.some(d, p[n:], off+int64(n))
		n += m
	}
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

// some reads a part of p, at least a byte. Whole sectors are decrypted where
// they are wanted; a read that begins or ends within one takes them together in
// one request, and copies.
func (v *Volume) some(d *decrypter, p []byte, off int64) (int, error) {
	mask := v.sector - 1
	if off&mask == 0 && int64(len(p))&mask == 0 {
		return v.sectors(d, p, off)
	}
	buf, _ := v.buffers.Get().(*[chunk]byte)
	if buf == nil {
		buf = new([chunk]byte)
	}
	defer v.buffers.Put(buf)
	begin := off &^ mask
	end := min((off+int64(len(p))+mask)&^mask, begin+chunk)
	got, err := v.sectors(d, buf[:end-begin], begin)
	n := copy(p, buf[min(int64(got), off-begin):got])
	if n == len(p) {
		err = nil
	}
	return n, err
}

// sectors reads whole sectors.
func (v *Volume) sectors(d *decrypter, b []byte, off int64) (int, error) {
	n, err := v.data.ReadAt(b, v.offset+off)
	n = max(0, min(n, len(b))) &^ int(v.sector-1) // a part of a sector can't be decrypted
	d.decrypt(b[:n], v.tweak+uint64(off/512))
	if n == len(b) {
		return n, nil
	}
	clear(b[n:])
	return n, fmt.Errorf("luks: %w", noEOF(err))
}
