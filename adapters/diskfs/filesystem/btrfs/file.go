package btrfs

import (
	"fmt"
	"io"
	"iter"
	"math"
	"sync/atomic"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	extentHeader = 21 // bytes of an extent item before inline data or addresses
	extentSize   = 53

	kindInline   = 0
	kindRegular  = 1
	kindPrealloc = 2
)

// Open returns a file's contents. Nothing of its extents is read before it is
// asked for.
func (v *volume) Open(id fstree.ID) (fstree.Content, error) {
	t, err := v.subvolume(id.Tree)
	if err != nil {
		return nil, err
	}
	b, err := v.inode(id)
	if err != nil {
		return nil, err
	}
	size, err := inodeBytes(id, b)
	if err != nil {
		return nil, err
	}
	sums := le.Uint64(b[64:])&noChecksum == 0 && !v.opts.IgnoreDataChecksums
	return &content{v: v, t: t, id: id, size: size, sums: sums}, nil
}

type content struct {
	v      *volume
	t      tree
	id     fstree.ID
	size   int64
	sums   bool                   // whether its data have checksums that count
	last   atomic.Pointer[extent] // where the last read ended; the next is mostly in it too
	inline atomic.Pointer[[]byte] // the inline extent, once it was decompressed
}

func (c *content) Size() int64 { return c.size }

// extent is a run of a file as an item describes it.
type extent struct {
	start, length int64 // bytes of the file
	hole          bool
	compression   uint8
	inline        []byte // as stored; nil for others
	logical       uint64 // where the extent lies
	stored        int64  // bytes there
	skip          int64  // bytes of it, decompressed, before the run
	whole         int64  // bytes of it, decompressed
}

func (c *content) damaged(format string, args ...any) error {
	return damaged("extents of "+inodeName(c.id), -1, format, args...)
}

// runs yields the extents that make up the file from off up to end, gaps as
// holes. It begins with the extent that holds off.
func (c *content) runs(off, end int64) iter.Seq2[extent, error] {
	return func(yield func(extent, error) bool) {
		end = min(end, c.size)
		if off >= end {
			return
		}
		if e := c.last.Load(); e != nil && off >= e.start && end <= e.start+e.length {
			yield(e.cut(off, end), nil)
			return
		}
		from := key{c.id.Ino, extentData, uint64(off)}
		first, ok, err := c.v.floor(c.t, key{c.id.Ino, extentData, 0}, from)
		if err != nil {
			yield(extent{}, err)
			return
		}
		if ok {
			from = first.key
		}
		at := off
		for it, err := range c.v.scan(c.t, from, key{c.id.Ino, extentData, uint64(end - 1)}) {
			var e extent
			if err == nil {
				e, err = c.parse(it)
			}
			if err != nil {
				yield(e, err)
				return
			}
			if e.start+e.length <= at {
				continue
			}
			if e.start > at && !yield(extent{start: at, length: e.start - at, hole: true}, nil) {
				return
			}
			whole := e // e changes, and other reads look at what is stored
			c.last.Store(&whole)
			e = e.cut(at, end)
			if at = e.start + e.length; !yield(e, nil) {
				return
			}
		}
		if at < end {
			yield(extent{start: at, length: end - at, hole: true}, nil)
		}
	}
}

// cut limits an extent to [from, to).
func (e extent) cut(from, to int64) extent {
	if n := from - e.start; n > 0 {
		e.start, e.length, e.skip = e.start+n, e.length-n, e.skip+n
	}
	e.length = min(e.length, to-e.start)
	return e
}

func (c *content) parse(it item) (extent, error) {
	b := it.data
	if len(b) < extentHeader || it.key.offset > math.MaxInt64-maxExtent {
		return extent{}, c.damaged("the one at byte %d has %d bytes", it.key.offset, len(b))
	}
	e := extent{start: int64(it.key.offset), compression: b[16]}
	if b[17] != 0 || le.Uint16(b[18:]) != 0 {
		return e, unsupported("encryption %d, encoding %d of an extent", b[17], le.Uint16(b[18:]))
	}
	ram := le.Uint64(b[8:])
	if b[20] == kindInline {
		e.inline = b[extentHeader:]
		if ram > maxUnpacked || e.compression == 0 && ram > uint64(len(e.inline)) {
			return e, c.damaged("inline data of %d bytes at byte %d", ram, e.start)
		}
		// It stands for whole sectors, with zeroes after the data.
		e.whole = int64(ram)
		e.length = (e.whole + c.v.sb.sectorSize - 1) / c.v.sb.sectorSize * c.v.sb.sectorSize
		return e, nil
	}
	if len(b) < extentSize || b[20] > kindPrealloc {
		return e, c.damaged("the one at byte %d is of type %d", e.start, b[20])
	}
	e.logical = le.Uint64(b[21:])
	stored, skip, length := le.Uint64(b[29:]), le.Uint64(b[37:]), le.Uint64(b[45:])
	limit := uint64(math.MaxInt64 - e.start)
	if length == 0 || length > limit || skip > limit || stored > limit || ram > limit {
		return e, c.damaged("the one at byte %d has %d bytes", e.start, length)
	}
	e.length, e.stored, e.skip, e.whole = int64(length), int64(stored), int64(skip), int64(ram)
	e.hole = e.logical == 0 || b[20] == kindPrealloc
	return e, nil
}

// Extents yields the runs of the file; compressed and inline ones have no
// place on the volume where their bytes lie as they are.
func (c *content) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		if off < 0 || n <= 0 || off >= c.size {
			return
		}
		for e, err := range c.runs(off, off+min(n, c.size-off)) {
			out := fstree.Extent{Start: e.start, Length: e.length, Hole: e.hole, Offset: -1}
			if err == nil && !e.hole && e.inline == nil && e.compression == 0 {
				out.Offset, err = c.place(e)
			}
			if !yield(out, err) || err != nil {
				return
			}
		}
	}
}

// place returns where an extent that is stored as it is lies on the volume, -1
// where that is spread over several devices.
func (c *content) place(e extent) (int64, error) {
	at := e.logical + uint64(e.skip)
	if err := c.mapped(e, at, e.length); err != nil {
		return 0, err
	}
	chunk, off, _ := c.v.chunks.find(at)
	i, on, n, ok := chunk.array.Locate(off)
	if !ok || n < e.length || len(c.v.items) > 1 {
		return -1, nil
	}
	return chunk.stripes[i].base + on, nil
}

// mapped fails where no chunk maps n bytes of an extent at a logical address.
func (c *content) mapped(e extent, at uint64, n int64) error {
	if chunk, off, ok := c.v.chunks.find(at); !ok || chunk.length-off < n {
		return c.damaged("no chunk maps the one at byte %d", e.start)
	}
	return nil
}

// at says at which byte of the file something could not be read.
func (c *content) at(off int64, err error) error {
	return fmt.Errorf("%s: byte %d: %w", inodeName(c.id), off, err)
}

func (c *content) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, c.damaged("a read at %d", off)
	}
	if off >= c.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), c.size-off)]
	r := pending{c: c}
	for e, err := range c.runs(off, off+int64(len(want))) {
		if err == nil {
			err = c.read(&r, want[e.start-off:e.start-off+e.length], e)
		}
		if err != nil {
			// What was gathered before the damage is still good.
			if flushed := r.flush(); flushed != nil {
				return int(r.done - off), flushed
			}
			return int(e.start - off), err
		}
	}
	if err := r.flush(); err != nil {
		return int(max(r.done-off, 0)), err
	}
	if len(want) < len(p) {
		return len(want), io.EOF
	}
	return len(want), nil
}

func (c *content) read(r *pending, p []byte, e extent) error {
	switch {
	case e.hole:
		clear(p)
		return nil
	case e.compression != 0:
		b, err := c.unpack(e)
		if err == nil {
			clear(p[copy(p, b[min(e.skip, int64(len(b))):]):])
		}
		return err
	case e.inline != nil:
		data := e.inline[:e.whole]
		clear(p[copy(p, data[min(e.skip, e.whole):]):])
		return nil
	}
	at := e.logical + uint64(e.skip)
	if err := c.mapped(e, at, e.length); err != nil {
		return err
	}
	return r.add(p, at, e.start)
}

// pending gathers pieces that lie together in the file and in logical
// addresses, so that they are one read.
type pending struct {
	c    *content
	p    []byte
	at   uint64 // logical address
	done int64  // byte of the file where p begins
}

func (r *pending) add(p []byte, at uint64, start int64) error {
	if n := len(r.p); n > 0 && r.at+uint64(n) == at && r.done+int64(n) == start {
		r.p = r.p[:n+len(p)] // both are parts of the caller's buffer
		return nil
	}
	err := r.flush()
	r.p, r.at, r.done = p, at, start
	return err
}

func (r *pending) flush() error {
	p := r.p
	r.p = nil
	if len(p) == 0 {
		return nil
	}
	n, err := r.c.v.readData(p, r.at, r.c.sums)
	r.done += int64(n)
	if n == len(p) {
		return nil
	}
	return r.c.at(r.done, err)
}
