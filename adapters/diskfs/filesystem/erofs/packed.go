package erofs

import (
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"sort"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// packed is the contents of a compressed file.
type packed struct {
	e    *engine
	in   *inode
	list func() ([]cluster, error)
}

func (c *packed) Size() int64 { return c.in.size }

// Extents says nothing of where compressed contents lie.
func (c *packed) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		if off >= 0 && n > 0 && off < c.in.size {
			yield(fstree.Extent{Start: off, Length: min(n, c.in.size-off), Offset: -1}, nil)
		}
	}
}

func (c *packed) ReadAt(p []byte, off int64) (n int, err error) {
	list, err := c.list()
	if err != nil {
		return 0, err
	}
	for n < len(p) && off < c.in.size {
		i := sort.Search(len(list), func(i int) bool { return list[i].start > off }) - 1
		if i < 0 {
			return n, damage("file of "+c.in.name(), -1, "begins with no cluster")
		}
		end := c.in.size
		if i+1 < len(list) {
			end = min(end, list[i+1].start)
		}
		part := p[n:]
		part = part[:min(int64(len(part)), end-off)]
		if err := c.read(part, off, list[i], end-list[i].start); err != nil {
			return n, err
		}
		n, off = n+len(part), off+int64(len(part))
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// read reads bytes out of a cluster that holds so many of the file.
func (c *packed) read(p []byte, off int64, from cluster, length int64) error {
	within := off - from.start
	switch from.how {
	case storedHole:
		clear(p)
		return nil
	case storedFragment:
		if c.in.nid == c.e.packed.nid {
			return damage(c.e.packed.what, -1, "holds a fragment of itself")
		}
		if from.at > math.MaxInt64-within {
			return damage("file of "+c.in.name(), -1, fmt.Sprintf("a fragment at byte %d", from.at))
		}
		b, err := c.e.packed.read(from.at+within, int64(len(p)))
		if err != nil {
			return fmt.Errorf("erofs: file of inode %d: %w", c.in.nid, err)
		}
		copy(p, b)
		return nil
	}
	b, err := c.e.expand(c, from, length)
	if err != nil {
		return err
	}
	copy(p, b[within:])
	return nil
}

// expand returns the bytes of the file that a cluster holds.
func (e *engine) expand(c *packed, from cluster, length int64) ([]byte, error) {
	broken := func(why string) error {
		return damage("file of "+c.in.name(), from.at>>e.bits, fmt.Sprintf("the cluster of byte %d: %s", from.start, why))
	}
	compressed := from.how < storedPlain
	if compressed && (from.how >= len(algorithms) || e.algorithms>>from.how&1 == 0) {
		return nil, fmt.Errorf("erofs: file of inode %d: compressed by %s, which the superblock does not announce: %w", c.in.nid, algorithm(from.how), fstree.ErrUnsupported)
	}
	key := uint64(from.at)<<4 | uint64(from.how)
	if from.boxed {
		key |= 1 << 3
	}
	if b := e.clusters.Get(key); compressed && int64(len(b)) >= length {
		return b[:length], nil // files may share a cluster, and one end within it
	}
	if from.stored > maxCluster || length > maxExtent || from.how == storedLZ4 && length > from.stored*256 {
		return nil, broken(fmt.Sprintf("%d bytes in %d", length, from.stored))
	}
	src, err := e.source(c, from)
	if err != nil {
		return nil, err
	}
	if !compressed {
		if length > int64(len(src)) {
			return nil, broken(fmt.Sprintf("%d bytes in %d that are not compressed", length, len(src)))
		}
		if shift := from.start & (e.info.BlockSize - 1); from.how == storedInterlaced && shift != 0 && from.stored == e.info.BlockSize {
			src = slices.Concat(src[shift:], src[:shift])
		}
		return src[:length], nil
	}
	b, err := e.unpack(from.how, src, int(length))
	if err != nil {
		return nil, broken(err.Error())
	}
	if length <= maxKept {
		e.clusters.Put(key, b)
	}
	return b, nil
}

// source returns what is stored of a cluster. A volume that is cut off may have
// less of it than it should.
func (e *engine) source(c *packed, from cluster) (src []byte, err error) {
	if from.boxed {
		src, err = e.box.read(from.at, from.stored)
	} else if err = e.missing(from.at); err == nil {
		src, err = e.cache.Bytes(from.at, min(from.stored, max(e.size-from.at, 0)))
	}
	if err != nil {
		return nil, fmt.Errorf("erofs: file of inode %d: %w", c.in.nid, err)
	}
	return src, nil
}
