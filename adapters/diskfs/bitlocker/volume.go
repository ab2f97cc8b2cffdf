package bitlocker

import (
	"errors"
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
	place  placement
	cipher atomic.Pointer[decrypter] // nil once closed
	reader aligned.Reader
}

var _ io.ReaderAt = (*Volume)(nil)

func newVolume(c *Container, key []byte) (*Volume, error) {
	d, err := c.mode.newDecrypter(key, c.place.sector)
	if err != nil {
		return nil, err
	}
	v := &Volume{data: c.data, place: c.place}
	v.reader = aligned.Reader{Size: c.place.size, Sector: c.place.sector, Sectors: v.sectors}
	v.cipher.Store(&d)
	return v, nil
}

// Size is the number of bytes.
func (v *Volume) Size() int64 { return v.place.size }

// Close forgets the key. Reads fail with [fs.ErrClosed] from then on.
func (v *Volume) Close() error {
	if v.cipher.Swap(nil) == nil {
		return errs.Wrap("bitlocker", "close", fs.ErrClosed)
	}
	return nil
}

// ReadAt reads and decrypts.
func (v *Volume) ReadAt(p []byte, off int64) (int, error) {
	if v.cipher.Load() == nil {
		return 0, errs.Wrap("bitlocker", "read", fs.ErrClosed)
	}
	if off < 0 {
		return 0, errs.Invalidf("bitlocker", "read at byte %d", off)
	}
	return v.reader.ReadAt(p, off)
}

// sectors reads whole sectors, one piece after another.
func (v *Volume) sectors(b []byte, off int64) (n int, err error) {
	d := v.cipher.Load()
	if d == nil {
		return 0, errs.Wrap("bitlocker", "read", fs.ErrClosed)
	}
	for n < len(b) && err == nil {
		from, length := v.place.at(off + int64(n))
		part := b[n:]
		part = part[:min(int64(len(part)), length)]
		m := len(part)
		if from < 0 {
			clear(part)
		} else {
			m, err = v.stored(*d, part, from)
		}
		n += m
	}
	return n, err
}

// stored reads sectors from where they are stored.
func (v *Volume) stored(d decrypter, b []byte, from int64) (int, error) {
	sector := int(v.place.sector)
	n, err := v.data.ReadAt(b, from)
	n = max(0, min(n, len(b))) &^ (sector - 1) // a part of a sector can't be decrypted
	for at := 0; at < n; at += sector {
		d(b[at:at+sector], from+int64(at))
	}
	if n == len(b) {
		return n, nil
	}
	clear(b[n:])
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, fmt.Errorf("bitlocker: %w", err)
}

// at says where the sectors from a byte on are stored, and how many bytes of them
// together. Those of the metadata are nowhere (-1): they are zeroes.
func (p *placement) at(off int64) (from, length int64) {
	if off < p.header.size {
		return p.header.offset + off, p.header.size - off
	}
	length = p.size - off
	hidden := [4]span{p.header}
	for i, at := range p.metadata {
		hidden[i+1] = span{at, metadataSize}
	}
	for _, s := range hidden {
		switch {
		case off >= s.offset && off-s.offset < s.size:
			return -1, s.size - (off - s.offset)
		case off < s.offset:
			length = min(length, s.offset-off)
		}
	}
	return off, length
}
