package ext4

import (
	"fmt"
	"io"
	"iter"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Open implements [fstree.Engine].
func (e *engine) Open(id fstree.ID) (fstree.Content, error) {
	in, err := e.inode(id.Ino)
	if err != nil {
		return nil, err
	}
	if !in.isType(modeRegular) {
		return nil, in.damaged(-1, "mode %#o, not a regular file", in.mode)
	}
	if in.has(flagEncrypt) {
		return nil, in.encrypted()
	}
	c, err := e.content(in)
	if err == nil && fstree.MoreThanStored(c, int64(e.sb.blocks)<<e.sb.blockBits) {
		return nil, in.damaged(-1, "more blocks than the volume has")
	}
	return c, err
}

// content returns what an inode holds, whatever its type.
func (e *engine) content(in *inode) (fstree.Content, error) {
	if in.has(flagInlineData) {
		return e.inlineContent(in)
	}
	m, err := e.mapping(in)
	if err != nil {
		return nil, err
	}
	return &content{e: e, in: in, m: m}, nil
}

// content is a file whose bytes lie in blocks.
type content struct {
	e  *engine
	in *inode
	m  mapping
}

func (c *content) Size() int64 { return c.in.size }

// ReadAt implements [io.ReaderAt]: one read of the volume for blocks that lie
// together.
func (c *content) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("ext4: read at offset %d", off)
	}
	n := 0
	for n < len(p) && off < c.in.size {
		x, err := c.extent(off, min(int64(len(p)-n), c.in.size-off))
		if err != nil {
			return n, err
		}
		part := p[n:][:x.Length]
		if x.Hole {
			clear(part)
		} else if m, err := c.e.cache.ReadData(part, x.Offset); err != nil {
			return n + m, fmt.Errorf("ext4: inode %d: %w", c.in.num, err)
		}
		n += len(part)
		off += x.Length
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Extents implements [fstree.Content].
func (c *content) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		if off < 0 || n <= 0 || off >= c.in.size {
			return
		}
		for n = min(n, c.in.size-off); n > 0; {
			x, err := c.extent(off, n)
			if !yield(x, err) || err != nil {
				return
			}
			off += x.Length
			n -= x.Length
		}
	}
}

// extent returns the bytes at off that lie together or are a hole together,
// at most n of them; n is at least 1 and ends within the file.
func (c *content) extent(off, n int64) (fstree.Extent, error) {
	x := fstree.Extent{Start: off, Offset: -1}
	blockBits := c.e.sb.blockBits
	skip := off & (c.e.sb.blockSize - 1)
	for logical := uint64(off) >> blockBits; x.Length < n; {
		r, err := c.m.run(logical)
		if err != nil {
			if x.Length > 0 {
				return x, nil // the next call meets it again
			}
			return x, err
		}
		at := int64(r.physical)<<blockBits + skip
		switch {
		case x.Length == 0 && r.stored:
			x.Offset = at
		case x.Length == 0:
			x.Hole = true
		case x.Hole == r.stored, r.stored && at != x.Offset+x.Length:
			return x, nil
		}
		// Divided, not multiplied: a hole may be longer than int64 has bytes.
		if left := n - x.Length; r.count > uint64(left+skip)>>blockBits {
			x.Length = n
		} else {
			x.Length += min(left, int64(r.count)<<blockBits-skip)
		}
		logical += r.count
		skip = 0
	}
	return x, nil
}
