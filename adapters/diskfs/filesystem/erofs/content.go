package erofs

import (
	"fmt"
	"io"
	"iter"
	"math"

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
	boxed         bool  // byte of the file of metadata
}

// runs is a file that is stored as it is.
type runs struct {
	e    *engine
	size int64
	find func(off int64) (run, error) // the run that holds a byte
	dir  bool
}

// read reads the volume. Directories are worth keeping.
func (c *runs) read(p []byte, off int64) (int, error) {
	if c.dir {
		return c.e.cache.ReadAt(p, off)
	}
	return c.e.cache.ReadData(p, off)
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
			if !x.Hole && !r.boxed {
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
	for n < len(p) && off < c.size {
		r, err := c.find(off)
		if err != nil {
			return n, err
		}
		part := p[n:]
		part = part[:min(int64(len(part)), r.start+r.length-off)]
		switch at := r.at + off - r.start; {
		case r.at < 0:
			clear(part)
		case r.boxed:
			b, err := c.e.box.read(at, int64(len(part)))
			if err != nil {
				return n, err
			}
			copy(part, b)
		default:
			if m, err := c.read(part, at); m < len(part) {
				return n + m, err
			}
		}
		n, off = n+len(part), off+int64(len(part))
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// byteOf is where a block lies. One that no volume has is past the end of all.
func (e *engine) byteOf(block uint64) int64 {
	return int64(min(block, math.MaxInt64>>1>>e.bits)) << e.bits
}

// stored checks that a run lies on the volume, or where a volume that is cut off
// would have it.
func (e *engine) stored(in *inode, r run) (run, error) {
	if r.boxed {
		return r, nil // reads are checked
	}
	if err := e.missing(r.at); err != nil {
		return run{}, err
	}
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
	body := run{start: 0, length: whole, at: -1}
	if whole > 0 && !in.hole {
		body.at = e.byteOf(in.where)
	}
	body, err := e.stored(in, body)
	if err != nil {
		return nil, err
	}
	tail, err := e.stored(in, run{whole, in.size - whole, in.end, in.slots.boxed})
	if err != nil {
		return nil, err
	}
	return &runs{e: e, size: in.size, dir: fstree.UnixMode(in.mode).IsDir(), find: func(off int64) (run, error) {
		if off < whole {
			return body, nil
		}
		return tail, nil
	}}, nil
}

// What the format of chunks says besides their size (EROFS_CHUNK_FORMAT_*).
const (
	chunksIndexed = 0x20
	chunks48Bit   = 0x40
)

// chunks is a file in chunks of one size, by a table after its inode.
func (e *engine) chunks(in *inode) (fstree.Content, error) {
	format := in.where & 0xffff
	if format&^0x7f != 0 {
		return nil, fmt.Errorf("erofs: inode %d: chunks of the format %#x: %w", in.nid, format, fstree.ErrUnsupported)
	}
	bits, width, none := e.bits+uint(format&0x1f), int64(4), uint64(1<<32-1)
	if format&chunksIndexed != 0 {
		width = 8
		if format&chunks48Bit != 0 {
			none = 1<<48 - 1
		}
	}
	if bits > 62 {
		return nil, damage("file of "+in.name(), -1, fmt.Sprintf("chunks of 2^%d bytes", bits))
	}
	size, err := in.slots.size()
	if err != nil {
		return nil, err
	}
	table := (in.end + width - 1) &^ (width - 1)
	if in.size > 0 && (in.size-1)>>bits >= (size-table)/width {
		return nil, damage("file of "+in.name(), -1, "its chunks are more than the volume can hold")
	}
	return &runs{e: e, size: in.size, dir: fstree.UnixMode(in.mode).IsDir(), find: func(off int64) (run, error) {
		n := off >> bits
		b, err := in.slots.Bytes(table+n*width, width)
		if err != nil {
			return run{}, fmt.Errorf("erofs: chunks of inode %d: %w", in.nid, err)
		}
		block, number := uint64(le.Uint32(b[width-4:])), 0
		if width == 8 {
			block |= uint64(le.Uint16(b)) << 32
			number = int(le.Uint16(b[2:]))
		}
		r := run{start: n << bits, length: min(1<<bits, in.size-n<<bits), at: -1}
		if block &= none; block == none {
			return r, nil
		}
		if r.at, err = e.onDevice(number, e.byteOf(block)); err != nil {
			return run{}, err
		}
		return e.stored(in, r)
	}}, nil
}
