package ufs

import (
	"fmt"
	"io"
	"iter"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// run is blocks of a file that lie together, or are a hole together.
type run struct {
	count int64 // blocks, at least one
	frag  int64 // of the volume where they begin, 0: a hole
}

// content is the contents of a file.
type content struct {
	e  *engine
	in *inode
}

func (e *engine) content(in *inode) fstree.Content { return &content{e, in} }

func (c *content) Size() int64 { return c.in.size }

// ReadAt implements [io.ReaderAt].
func (c *content) ReadAt(p []byte, off int64) (n int, err error) {
	for x, err := range c.Extents(off, int64(len(p))) {
		if err != nil {
			return n, err
		}
		part := p[n : n+int(x.Length)]
		if x.Hole {
			clear(part)
		} else if m, err := c.e.cache.ReadData(part, x.Offset); m < len(part) {
			return n + m, fmt.Errorf("ufs: inode %d: %w", c.in.num, err)
		}
		n += len(part)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Extents implements [fstree.Content]. Runs that follow each other on the volume are one.
func (c *content) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		if off < 0 || n <= 0 || off >= c.in.size {
			return
		}
		end := off + min(n, c.in.size-off)
		var last fstree.Extent
		for off < end {
			x, err := c.extent(off, end)
			switch {
			case err == nil && last.Length > 0 && last.Hole == x.Hole && (x.Hole || last.Offset+last.Length == x.Offset):
				last.Length += x.Length
				off += x.Length
				continue
			case last.Length > 0 && !yield(last, nil):
				return
			case err != nil:
				yield(fstree.Extent{}, err)
				return
			}
			last, off = x, off+x.Length
		}
		yield(last, nil)
	}
}

// extent is the run of bytes that begins at off, up to end at most.
func (c *content) extent(off, end int64) (fstree.Extent, error) {
	s := c.e.sb
	block := off / s.blockSize
	r, err := c.e.run(c.in, block)
	if err != nil {
		return fstree.Extent{}, err
	}
	x := fstree.Extent{Start: off, Length: end - off, Hole: r.frag == 0, Offset: -1}
	if left := (end-1)/s.blockSize + 1 - block; r.count < left {
		x.Length = (block+r.count)*s.blockSize - off
	}
	if x.Hole {
		return x, nil
	}
	x.Offset = r.frag*s.fragSize + off - block*s.blockSize
	// The last block may be of fewer fragments than others: the file's bytes count.
	if !s.holds(r.frag, (x.Offset+x.Length-1)/s.fragSize+1-r.frag) {
		return fstree.Extent{}, c.in.damaged("%d bytes at fragment %d of %d", x.Length, r.frag, s.size)
	}
	return x, nil
}

// run returns the run that begins with a block of a file.
func (e *engine) run(in *inode, block int64) (run, error) {
	s := e.sb
	if block < directBlocks {
		return s.along(in.addresses[:directBlocks*s.width()], block), nil
	}
	perBlock := s.blockSize / s.width()
	rest, span := block-directBlocks, int64(1)
	for level := range int64(3) {
		span *= perBlock
		if rest < span {
			return e.descend(in, s.address(in.addresses, directBlocks+level), rest, span)
		}
		rest -= span
	}
	return run{}, in.damaged("%d bytes are more than a file can have", in.size)
}

// descend follows an address of a tree that maps span blocks down to one of these.
func (e *engine) descend(in *inode, frag, rest, span int64) (run, error) {
	s := e.sb
	for {
		if frag == 0 {
			return run{count: span - rest}, nil
		}
		if !s.holds(frag, s.frags) {
			return run{}, in.damaged("addresses at fragment %d of %d", frag, s.size)
		}
		b, err := e.cache.Bytes(frag*s.fragSize, s.blockSize)
		if err != nil {
			return run{}, fmt.Errorf("ufs: inode %d: %w", in.num, err)
		}
		span /= s.blockSize / s.width()
		index := rest / span
		if span == 1 {
			return s.along(b, index), nil
		}
		frag, rest = s.address(b, index), rest%span
	}
}

// width is the length of an address in bytes.
func (s *superblock) width() int64 {
	if s.ufs2 {
		return 8
	}
	return 4
}

// address returns an address of a list of them. One that is too large for a volume stays so.
func (s *superblock) address(list []byte, n int64) int64 {
	if s.ufs2 {
		return int64(s.order.Uint64(list[8*n:]))
	}
	return int64(s.order.Uint32(list[4*n:]))
}

// along measures the run that begins with an address of data.
func (s *superblock) along(list []byte, n int64) run {
	r := run{count: 1, frag: s.address(list, n)}
	for most := int64(len(list)) / s.width(); n+r.count < most; r.count++ {
		next := s.address(list, n+r.count)
		if r.frag == 0 && next != 0 || r.frag != 0 && next != r.frag+r.count*s.frags {
			break
		}
	}
	return r
}
