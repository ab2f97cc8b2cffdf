package ntfs

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
	number := id.Ino & refNumber
	off := int64(number) * v.boot.record
	if off > v.mft.size-v.boot.record {
		return nil
	}
	return v.mft.places(off, off+v.boot.record)
}

// EntriesAt implements [fstree.Placer].
func (v *volume) EntriesAt(dir fstree.ID) []backend.Range {
	x, err := v.index(dir.Ino)
	if err != nil || x.alloc == nil {
		return nil
	}
	return x.alloc.places(0, x.alloc.size)
}

// places is where the bytes of a stream lie.
func (s *stream) places(off, end int64) (ranges []backend.Range) {
	for p := range s.pieces(off, end) {
		if p.at >= 0 {
			ranges = append(ranges, backend.Range{Off: p.at, Len: p.length})
		}
		if len(ranges) == maxPlaces {
			break
		}
	}
	return ranges
}
