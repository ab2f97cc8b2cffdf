package btrfs

import (
	"sort"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend"
)

// maxPlaces bounds what is told of one directory.
const maxPlaces = 256

var _ fstree.Placer = (*volume)(nil)

// Cache implements [fstree.Placer].
func (v *volume) Cache() *fstree.Cache { return v.cache }

// InodeAt implements [fstree.Placer].
func (v *volume) InodeAt(id fstree.ID) []backend.Range {
	k := key{id.Ino, inodeItem, 0}
	return v.leaves(id, k, k)
}

// EntriesAt implements [fstree.Placer].
func (v *volume) EntriesAt(dir fstree.ID) []backend.Range {
	return v.leaves(dir, key{dir.Ino, dirIndex, 0}, key{dir.Ino, dirIndex, ^uint64(0)})
}

// leaves is where the leaves lie that may have the items from one key up to
// another. The nodes above them are read.
func (v *volume) leaves(id fstree.ID, from, to key) (ranges []backend.Range) {
	if isStub(id) {
		return nil
	}
	t, err := v.subvolume(id.Tree)
	if err != nil {
		return nil
	}
	v.leavesBelow(t.root, t.level, t.generation, from, to, &ranges)
	return ranges
}

// StoredAt implements [fstree.Placed]: where the bytes of a file lie, compressed
// or not, and their checksums.
func (c *content) StoredAt(off, n int64) (ranges []backend.Range) {
	for e, err := range c.runs(off, off+min(n, c.size-off)) {
		if err != nil || len(ranges) >= maxPlaces {
			break
		}
		if e.hole || e.inline != nil || e.logical >= logicalSize {
			continue
		}
		from, length := int64(e.logical), e.stored
		if e.compression == 0 {
			from, length = from+e.skip, e.length
		}
		ranges = append(ranges, backend.Range{Off: from, Len: length})
		if c.sums {
			ranges = append(ranges, c.v.sumsAt(from, length)...)
		}
	}
	return ranges
}

// sumsAt is where the checksums of some data lie.
func (v *volume) sumsAt(from, n int64) (ranges []backend.Range) {
	if t, err := v.subvolume(sumTree); err == nil {
		v.leavesBelow(t.root, t.level, t.generation, key{sumObject, sumItem, uint64(from)}, key{sumObject, sumItem, uint64(from + n)}, &ranges)
	}
	return ranges
}

func (v *volume) leavesBelow(at uint64, level uint8, generation uint64, from, to key, ranges *[]backend.Range) {
	if level == 0 {
		if at < logicalSize {
			*ranges = append(*ranges, backend.Range{Off: int64(at), Len: v.sb.nodeSize})
		}
		return
	}
	n, err := v.node(at, level, generation)
	if err != nil {
		return
	}
	i := max(0, sort.Search(n.count, func(i int) bool { return from.less(n.key(i)) })-1)
	for ; i < n.count && !to.less(n.key(i)) && len(*ranges) < maxPlaces; i++ {
		at, generation := n.child(i)
		v.leavesBelow(at, n.level-1, generation, from, to, ranges)
	}
}
