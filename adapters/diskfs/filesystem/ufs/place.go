package ufs

import (
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend"
)

// maxPlaces bounds what is told of one directory.
const maxPlaces = 256

var _ fstree.Placer = (*engine)(nil)

// Cache implements [fstree.Placer].
func (e *engine) Cache() *fstree.Cache { return e.cache }

// InodeAt implements [fstree.Placer].
func (e *engine) InodeAt(id fstree.ID) []backend.Range {
	at, err := e.sb.inodeAt(id.Ino)
	if err != nil {
		return nil
	}
	return []backend.Range{{Off: at, Len: e.sb.inodeSize()}}
}

// EntriesAt implements [fstree.Placer].
func (e *engine) EntriesAt(dir fstree.ID) (ranges []backend.Range) {
	in, err := e.inode(dir.Ino)
	if err != nil {
		return nil
	}
	for x, err := range e.content(in).Extents(0, in.size) {
		if err != nil || len(ranges) == maxPlaces {
			break
		}
		if x.Offset >= 0 {
			ranges = append(ranges, backend.Range{Off: x.Offset, Len: x.Length})
		}
	}
	return ranges
}
