package clusters

import (
	"fmt"
	"io"
	"iter"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// cachedSize is the largest file that is read through the cache, in bytes:
// small files lie close together, and one read serves several of them.
const cachedSize = 1 << 20

// Content is a file's bytes.
type Content struct {
	chain Chain
	size  int64
	valid int64 // bytes that were written; the rest reads as zeroes
}

var _ fstree.Content = (*Content)(nil)

// NewContent returns size bytes of a chain. Those from valid on were
// never written. A chain that is too short gives errors where it is read.
func NewContent(structure string, chain Chain, size, valid int64) *Content {
	have := chain.len << chain.v.Bits
	if chain.err == nil && have < size {
		last := uint32(0)
		if n := len(chain.runs); n > 0 {
			last = chain.runs[n-1].cluster + uint32(chain.len) - 1 - chain.runs[n-1].index
		}
		chain.err = chain.v.damage(structure, last, "the chain ends after %d bytes of %d", have, size)
	}
	return &Content{chain: chain, size: size, valid: min(valid, size)}
}

// Size is in bytes.
func (c *Content) Size() int64 { return c.size }

// ReadAt reads file bytes.
func (c *Content) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("%s: negative offset", c.chain.v.Type)
	}
	read := c.chain.v.Cache.ReadData
	if c.size > cachedSize {
		read = c.chain.v.Cache.ReadDirect
	}
	for n < len(p) && off < c.size {
		x := c.extent(off, int64(len(p)-n))
		if x.Length == 0 {
			return n, c.chain.err
		}
		part := p[n : n+int(x.Length)]
		m := len(part)
		if x.Hole {
			clear(part)
		} else {
			m, err = read(part, x.Offset)
		}
		n += m
		off += int64(m)
		if err != nil {
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// extent returns the run at off, up to n bytes of it. It has no length where
// the chain ends too early: what was never written needs clusters too.
func (c *Content) extent(off, n int64) fstree.Extent {
	pos, have := c.chain.at(off)
	x := fstree.Extent{Start: off, Length: min(n, have, c.size-off), Offset: pos}
	if off < c.valid {
		x.Length = min(x.Length, c.valid-off)
	} else {
		x.Hole, x.Offset = true, -1
	}
	return x
}

// Extents yields the runs of [off, off+n).
func (c *Content) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		stop := c.size
		if n < c.size-off {
			stop = off + n
		}
		for at := off; at < stop; {
			x := c.extent(at, stop-at)
			if x.Length == 0 {
				yield(fstree.Extent{}, c.chain.err)
				return
			}
			if !yield(x, nil) {
				return
			}
			at += x.Length
		}
	}
}
