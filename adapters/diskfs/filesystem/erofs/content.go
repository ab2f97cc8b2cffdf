package erofs

import (
	"fmt"
	"io"
	"iter"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// content returns how the contents of a file are read.
func (e *engine) content(in *inode) (fstree.Content, error) {
	switch in.layout {
	case layoutPlain, layoutInline:
		return e.flat(in)
	case layoutChunks:
		return e.chunks(in)
	}
	return e.compressed(in)
}

// run is bytes of a file that lie together on the volume.
type run struct {
	start, length int64
	at            int64 // byte of the volume, or -1: a hole
}

// runs is a file that is stored as it is.
type runs struct {
	e    *engine
	size int64
	find func(off int64) (run, error) // the run that holds a byte
}

func (c *runs) Size() int64 { return c.size }

func (c *runs) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		if off < 0 || n <= 0 || off >= c.size {
			return
		}
		for end := off + min(n, c.size-off); off < end; {
			r, err := c.find(off)
			if err != nil {
				yield(fstree.Extent{}, err)
				return
			}
			x := fstree.Extent{Start: off, Length: min(r.start+r.length, end) - off, Hole: r.at < 0, Offset: -1}
			if !x.Hole {
				x.Offset = r.at + off - r.start
			}
			if !yield(x, nil) {
				return
			}
			off += x.Length
		}
	}
}

func (c *runs) ReadAt(p []byte, off int64) (n int, err error) {
	for x, err := range c.Extents(off, int64(len(p))) {
		if err != nil {
			return n, err
		}
		part := p[n : n+int(x.Length)]
		if x.Hole {
			clear(part)
		} else if m, err := c.e.cache.ReadAt(part, x.Offset); m < len(part) {
			return n + m, err
		}
		n += len(part)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// stored checks that a run lies on the volume, or where a volume that is cut off
// would have it.
func (e *engine) stored(in *inode, r run) (run, error) {
	end := max(e.size, e.info.Size)
	if r.at >= 0 && (r.length > end || r.at > end-r.length) {
		return run{}, damage("file of "+in.name(), r.at>>e.bits, fmt.Sprintf("%d bytes at byte %d of %d", r.length, r.at, end))
	}
	return r, nil
}

// flat is a file in one piece, but for its last block if that is inline.
func (e *engine) flat(in *inode) (fstree.Content, error) {
	whole := in.size
	if in.layout == layoutInline {
		whole = max(in.size-1, 0) &^ (e.info.BlockSize - 1)
		if tail := in.size - whole; in.end&(e.info.BlockSize-1)+tail > e.info.BlockSize {
			return nil, damage("file of "+in.name(), in.end>>e.bits, "its end leaves the block of its inode")
		}
	}
	body, err := e.stored(in, run{0, whole, int64(in.where) << e.bits})
	if err != nil && whole > 0 {
		return nil, err
	}
	tail, err := e.stored(in, run{whole, in.size - whole, in.end})
	if err != nil {
		return nil, err
	}
	return &runs{e, in.size, func(off int64) (run, error) {
		if off < whole {
			return body, nil
		}
		return tail, nil
	}}, nil
}

// chunks is a file in chunks of one size, by a table after its inode.
func (e *engine) chunks(in *inode) (fstree.Content, error) {
	format := in.where & 0xffff
	if format&^0x3f != 0 {
		return nil, fmt.Errorf("erofs: inode %d: chunks of the format %#x: %w", in.nid, format, fstree.ErrUnsupported)
	}
	bits, width := e.bits+uint(format&0x1f), int64(4)
	if format&0x20 != 0 {
		width = 8
	}
	if bits > 62 {
		return nil, damage("file of "+in.name(), -1, fmt.Sprintf("chunks of 2^%d bytes", bits))
	}
	table := (in.end + width - 1) &^ (width - 1)
	if in.size > 0 && (in.size-1)>>bits >= (e.size-table)/width {
		return nil, damage("file of "+in.name(), -1, "its chunks are more than the volume can hold")
	}
	return &runs{e, in.size, func(off int64) (run, error) {
		n := off >> bits
		b, err := e.cache.Bytes(table+n*width, width)
		if err != nil {
			return run{}, fmt.Errorf("erofs: chunks of inode %d: %w", in.nid, err)
		}
		block := le.Uint32(b[width-4:])
		if width == 8 && le.Uint16(b[2:]) != 0 {
			return run{}, fmt.Errorf("erofs: a chunk on another device: %w", fstree.ErrUnsupported)
		}
		r := run{n << bits, min(1<<bits, in.size-n<<bits), int64(block) << e.bits}
		if block == 1<<32-1 {
			r.at = -1
		}
		return e.stored(in, r)
	}}, nil
}
