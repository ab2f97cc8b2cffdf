package xfs

import (
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
	off, ok := v.sb.inodeOffset(id.Ino)
	if !ok {
		return nil
	}
	return []backend.Range{{Off: off, Len: int64(v.sb.inodeSize)}}
}

// EntriesAt implements [fstree.Placer]. A directory that is in its inode has
// none, and what a B+tree maps is not looked for.
func (v *volume) EntriesAt(dir fstree.ID) (ranges []backend.Range) {
	ino, err := v.directory(dir.Ino)
	if err != nil {
		return nil
	}
	f := ino.dataFork(v)
	if f.format != formatExtents {
		return nil
	}
	_ = f.extents(0, func(e extent) bool {
		if e.start<<v.sb.blockLog >= dirIndexStart {
			return false
		}
		ranges = append(ranges, backend.Range{Off: e.offset, Len: int64(e.length) << v.sb.blockLog})
		return len(ranges) < maxPlaces
	})
	return ranges
}
