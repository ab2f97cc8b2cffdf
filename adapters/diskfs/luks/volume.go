package luks

import (
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"

	"github.com/qedfs/qedfs/adapters/diskfs/internal/aligned"
	"github.com/qedfs/qedfs/backend/errs"
)

// Volume is what an encrypted volume holds, in the clear.
type Volume struct {
	data   io.ReaderAt
	offset int64
	tweak  uint64
	cipher atomic.Pointer[decrypter] // nil once closed
	reader aligned.Reader
}

var _ io.ReaderAt = (*Volume)(nil)

func newVolume(c *Container, key []byte) (*Volume, error) {
	d, err := newDecrypter(c.info.Cipher, key, int(c.info.SectorSize))
	if err != nil {
		return nil, err
	}
	v := &Volume{data: c.data, offset: c.info.Offset, tweak: c.ivTweak}
	v.reader = aligned.Reader{Size: c.info.Size, Sector: c.info.SectorSize, Sectors: v.sectors}
	v.cipher.Store(d)
	return v, nil
}

// Size is the number of bytes.
func (v *Volume) Size() int64 { return v.reader.Size }

// Close forgets the key. Reads fail with [fs.ErrClosed] from then on.
func (v *Volume) Close() error {
	if v.cipher.Swap(nil) == nil {
		return errs.Wrap("luks", "close", fs.ErrClosed)
	}
	return nil
}

// ReadAt reads and decrypts.
func (v *Volume) ReadAt(p []byte, off int64) (int, error) {
	if v.cipher.Load() == nil {
		return 0, errs.Wrap("luks", "read", fs.ErrClosed)
	}
	if off < 0 {
		return 0, errs.Invalidf("luks", "read at byte %d", off)
	}
	return v.reader.ReadAt(p, off)
}

// sectors reads whole sectors.
func (v *Volume) sectors(b []byte, off int64) (int, error) {
	d := v.cipher.Load()
	if d == nil {
		return 0, errs.Wrap("luks", "read", fs.ErrClosed)
	}
	n, err := v.data.ReadAt(b, v.offset+off)
	n = max(0, min(n, len(b))) &^ int(v.reader.Sector-1) // a part of a sector can't be decrypted
	d.decrypt(b[:n], v.tweak+uint64(off/512))
	if n == len(b) {
		return n, nil
	}
	clear(b[n:])
	return n, fmt.Errorf("luks: %w", noEOF(err))
}
