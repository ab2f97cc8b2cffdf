package iso9660

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"iter"
	"sync/atomic"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// zisofs is the extension for compressed files: blocks of 32 KiB and more,
// each a zlib stream, after a table of where they begin (doc/zisofs_format.txt
// of libisofs).
type zisofs struct {
	header     int64 // bytes
	blockShift uint8
	size       int64 // bytes, of the file as it was
}

// maxBlockShift is 128 KiB, the largest block that the format has.
const maxBlockShift = 17

func (z *zisofs) open(e *engine, r record, stored *content) (fstree.Content, error) {
	if z.blockShift < 15 || z.blockShift > maxBlockShift || z.header < 16 {
		return nil, e.damage("zisofs file", r.off, "header or block size")
	}
	blocks := (z.size + 1<<z.blockShift - 1) >> z.blockShift
	if z.header+4*(blocks+1) > stored.size {
		return nil, e.damage("zisofs file", r.off, "its table is longer than the file")
	}
	return &zisofsContent{zisofs: *z, stored: stored, damage: func(why string) error { return e.damage("zisofs file", r.off, why) }}, nil
}

// zisofsContent is the contents of a compressed file.
type zisofsContent struct {
	zisofs
	stored *content
	damage func(why string) error
	last   atomic.Pointer[unpacked] // small reads in order are mostly in the same block
}

// unpacked is a block as it was.
type unpacked struct {
	index int64
	b     []byte
}

func (c *zisofsContent) Size() int64 { return c.size }

// Extents has one run, which is stored nowhere as it is.
func (c *zisofsContent) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		if n = min(n, c.size-off); n > 0 {
			yield(fstree.Extent{Start: off, Length: n, Offset: -1}, nil)
		}
	}
}

func (c *zisofsContent) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && off < c.size {
		block, err := c.block(off >> c.blockShift)
		if err != nil {
			return n, err
		}
		m := copy(p[n:], block[off&(1<<c.blockShift-1):])
		n, off = n+m, off+int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (c *zisofsContent) block(i int64) ([]byte, error) {
	if u := c.last.Load(); u != nil && u.index == i {
		return u.b, nil
	}
	b, err := c.unpack(i)
	if err == nil {
		c.last.Store(&unpacked{i, b})
	}
	return b, err
}

// unpack returns a block as it was. One that takes no room is zeroes.
func (c *zisofsContent) unpack(i int64) ([]byte, error) {
	var pointers [8]byte
	if _, err := c.stored.ReadAt(pointers[:], c.header+4*i); err != nil {
		return nil, err
	}
	from, to := int64(binary.LittleEndian.Uint32(pointers[:])), int64(binary.LittleEndian.Uint32(pointers[4:]))
	block := make([]byte, min(int64(1)<<c.blockShift, c.size-i<<c.blockShift))
	if from == to {
		return block, nil
	}
	if from > to || to > c.stored.size || to-from > 2<<c.blockShift {
		return nil, c.damage("a block lies outside the file")
	}
	packed := make([]byte, to-from)
	if _, err := c.stored.ReadAt(packed, from); err != nil {
		return nil, err
	}
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err == nil {
		_, err = io.ReadFull(z, block)
	}
	if err != nil {
		return nil, c.damage("a block does not decompress")
	}
	return block, nil
}
