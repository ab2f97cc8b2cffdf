package erofs

import (
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend"
)

// maxPlaces bounds what is told of one directory.
const maxPlaces = 256

var _ fstree.Placer = (*engine)(nil)

// Cache implements [fstree.Placer].
func (e *engine) Cache() *fstree.Cache { return e.cache }

// InodeAt implements [fstree.Placer]. What follows an inode in its block may be
// its attributes and the end of its contents, which is all of a small directory.
func (e *engine) InodeAt(id fstree.ID) []backend.Range {
	if id.Ino&boxed != 0 {
		return nil
	}
	at, err := e.slotsOf(id.Ino).at(id.Ino)
	if err != nil {
		return nil
	}
	block := e.info.BlockSize
	return []backend.Range{{Off: at, Len: block - at&(block-1)}}
}

// EntriesAt implements [fstree.Placer].
func (e *engine) EntriesAt(dir fstree.ID) (ranges []backend.Range) {
	in, err := e.inode(dir.Ino)
	if err != nil {
		return nil
	}
	c, err := e.content(in)
	if err != nil {
		return nil
	}
	for x, err := range c.Extents(0, in.size) {
		if err != nil || len(ranges) == maxPlaces {
			break
		}
		if x.Offset >= 0 {
			ranges = append(ranges, backend.Range{Off: x.Offset, Len: x.Length})
		}
	}
	return ranges
}
