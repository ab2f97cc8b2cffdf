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
	v.leavesBelow(t.root, t.level, 0, from, to, &ranges)
	return ranges
}

func (v *volume) leavesBelow(at uint64, level uint8, generation uint64, from, to key, ranges *[]backend.Range) {
	if level == 0 {
		if c, off, ok := v.chunks.find(at); ok && len(c.copies) > 0 {
			*ranges = append(*ranges, backend.Range{Off: c.copies[0] + off, Len: v.sb.nodeSize})
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
