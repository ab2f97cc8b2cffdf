package ext4

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
	off, err := e.inodeOffset(id.Ino)
	if err != nil {
		return nil
	}
	return []backend.Range{{Off: off, Len: int64(e.sb.inodeSize)}}
}

// EntriesAt implements [fstree.Placer].
func (e *engine) EntriesAt(dir fstree.ID) (ranges []backend.Range) {
	in, err := e.directory(dir)
	if err != nil || in.has(flagInlineData) {
		return nil
	}
	m, err := e.mapping(in)
	if err != nil {
		return nil
	}
	end := (uint64(in.size) + uint64(e.sb.blockSize) - 1) >> e.sb.blockBits
	for block := uint64(0); block < end && len(ranges) < maxPlaces; {
		r, err := m.run(block)
		if err != nil {
			return ranges
		}
		r.count = min(r.count, end-block)
		if r.stored {
			ranges = append(ranges, backend.Range{Off: int64(r.physical) << e.sb.blockBits, Len: int64(r.count) << e.sb.blockBits})
		}
		block += r.count
	}
	return ranges
}
