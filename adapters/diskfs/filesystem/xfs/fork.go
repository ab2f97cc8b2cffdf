package xfs

import (
	"encoding/binary"
	"fmt"
	"sort"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	bmapMagicV4 = 0x424d4150 // "BMAP"
	bmapMagicV5 = 0x424d4133 // "BMA3"
	bmapHeadV4  = 24         // bytes
	recordSize  = 16         // of an extent, and of a key with its pointer
)

// fork maps a file's blocks to the volume's, for contents or for attributes.
// Nothing of it is decoded before it is asked for: raw holds either the
// contents (local), a list of extents, or the root of a B+tree of them, in
// which each search starts anew from cached blocks.
type fork struct {
	v      *volume
	owner  uint64 // inode number
	block  int64  // where the inode is
	attr   bool
	format uint8
	count  uint64 // extents
	raw    []byte
	mended []extent // in place of all that; nil for most
}

// extent is a run of blocks. All numbers are in filesystem blocks.
type extent struct {
	start     uint64 // in the file
	length    uint64
	offset    int64 // bytes on the volume
	unwritten bool  // reads as zeroes
}

func (f *fork) damage(block int64, format string, args ...any) error {
	name := "data fork"
	if f.attr {
		name = "attribute fork"
	}
	return &fstree.DamageError{FS: "xfs", Structure: fmt.Sprintf("%s of inode %d", name, f.owner), Block: block, Why: fmt.Sprintf(format, args...)}
}

// extents calls visit for each extent that ends after a block of the file,
// in order, until it returns false.
func (f *fork) extents(from uint64, visit func(extent) bool) error {
	if f.mended != nil {
		i := sort.Search(len(f.mended), func(i int) bool { return f.mended[i].start+f.mended[i].length > from })
		for ; i < len(f.mended) && visit(f.mended[i]); i++ {
		}
		return nil
	}
	w := walk{fork: f, from: from, visit: visit}
	switch f.format {
	case formatExtents:
		if f.count > uint64(len(f.raw)/recordSize) {
			return f.damage(f.block, "%d extents in %d bytes", f.count, len(f.raw))
		}
		_, err := w.records(f.raw[:f.count*recordSize], f.block)
		return err
	case formatBtree:
		return w.root()
	}
	return f.damage(f.block, "format %d", f.format)
}

// find returns the extent that holds a block of the file; ok is false in a hole.
func (f *fork) find(block uint64) (found extent, ok bool, err error) {
	err = f.extents(block, func(e extent) bool {
		found, ok = e, e.start <= block
		return false
	})
	return found, ok, err
}

// walk is one search through a fork. Extents must come in ascending order,
// which also ends a walk over a tree that leads in circles: each leaf has to
// lie after the one before it.
type walk struct {
	fork  *fork
	from  uint64
	next  uint64 // the least block of the file at which an extent may start
	visit func(extent) bool
}

// records visits the extents of a leaf or of the inode itself.
func (w *walk) records(recs []byte, block int64) (more bool, err error) {
	n := len(recs) / recordSize
	first := sort.Search(n, func(i int) bool {
		e := decodeExtent(recs[i*recordSize:])
		return e.start+e.length > w.from
	})
	for i := first; i < n; i++ {
		rec := recs[i*recordSize:]
		e := decodeExtent(rec)
		off, ok := w.fork.v.sb.blockOffset(binary.BigEndian.Uint64(rec)&0x1ff<<43|binary.BigEndian.Uint64(rec[8:])>>21, e.length)
		if !ok || e.length == 0 || e.start < w.next {
			return false, w.fork.damage(block, "extent %d: %d blocks at block %d of the file", i, e.length, e.start)
		}
		e.offset = off
		w.next = e.start + e.length
		if !w.visit(e) {
			return false, nil
		}
	}
	return true, nil
}

// leaf visits a leaf of the tree, which must lie after the leaf before it even
// where the search skips all its extents.
func (w *walk) leaf(recs []byte, block int64) (more bool, err error) {
	last := decodeExtent(recs[len(recs)-recordSize:])
	if last.start < w.next {
		return false, w.fork.damage(block, "the B+tree leads backwards to block %d of the file", last.start)
	}
	more, err = w.records(recs, block)
	w.next = max(w.next, last.start+1)
	return more, err
}

// decodeExtent unpacks what an extent's 128 bits say of the file: a flag,
// 54 bits of file block, 52 bits of volume block, 21 bits of length.
func decodeExtent(rec []byte) extent {
	high, low := binary.BigEndian.Uint64(rec), binary.BigEndian.Uint64(rec[8:])
	return extent{start: high << 1 >> 10, length: low & (1<<21 - 1), unwritten: high>>63 != 0}
}

// root begins at the tree's root, which lies in the inode without a header.
func (w *walk) root() error {
	f := w.fork
	if len(f.raw) < 4 {
		return f.damage(f.block, "no room for a B+tree")
	}
	level, n := int(binary.BigEndian.Uint16(f.raw)), int(binary.BigEndian.Uint16(f.raw[2:]))
	room := (len(f.raw) - 4) / recordSize
	if level == 0 || level > maxBmapLevels || n == 0 || n > room {
		return f.damage(f.block, "a B+tree root of level %d with %d pointers", level, n)
	}
	_, err := w.children(f.raw[4:4+8*n], f.raw[4+8*room:], level, f.block)
	return err
}

// children visits the nodes beneath one. keys holds the first block of the
// file that each leads to.
func (w *walk) children(keys, pointers []byte, level int, block int64) (more bool, err error) {
	n := len(keys) / 8
	be := binary.BigEndian
	first := sort.Search(n, func(i int) bool { return be.Uint64(keys[8*i:]) > w.from })
	for i := max(first-1, 0); i < n; i++ {
		more, err := w.node(be.Uint64(pointers[8*i:]), level-1, block)
		if !more || err != nil {
			return false, err
		}
	}
	return true, nil
}

// node reads a block of the tree.
func (w *walk) node(number uint64, level int, parent int64) (more bool, err error) {
	f, sb := w.fork, &w.fork.v.sb
	off, ok := sb.blockOffset(number, 1)
	if !ok {
		return false, f.damage(parent, "its B+tree leads to block %d", number)
	}
	b, err := f.v.cache.Bytes(off, int64(sb.blockSize))
	if err != nil {
		return false, f.v.readError(err, off, "a B+tree of inode %d", f.owner)
	}
	block := f.v.blockOf(off)
	magic, head := uint32(bmapMagicV4), bmapHeadV4
	if sb.v5 {
		magic, head = bmapMagicV5, bmapLayout().size
		if why := f.v.verify(b, off, f.owner, bmapLayout()); why != "" {
			return false, f.damage(block, "%s", why)
		}
	}
	n, room := int(binary.BigEndian.Uint16(b[6:])), (len(b)-head)/recordSize
	if binary.BigEndian.Uint32(b) != magic || int(binary.BigEndian.Uint16(b[4:])) != level || n == 0 || n > room {
		return false, f.damage(block, "not a B+tree node of level %d", level)
	}
	if level == 0 {
		return w.leaf(b[head:head+n*recordSize], block)
	}
	return w.children(b[head:head+8*n], b[head+8*room:], level, block)
}
