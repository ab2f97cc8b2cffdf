package iso9660

import (
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend"
)

var _ fstree.Placer = (*engine)(nil)

// Cache implements [fstree.Placer].
func (e *engine) Cache() *fstree.Cache { return e.cache }

// InodeAt implements [fstree.Placer]. A file's record was read with the
// directory that it is in; a directory's is its first.
func (e *engine) InodeAt(id fstree.ID) []backend.Range {
	return []backend.Range{{Off: int64(id.Ino) &^ (e.block - 1), Len: e.block}}
}

// EntriesAt implements [fstree.Placer].
func (e *engine) EntriesAt(dir fstree.ID) []backend.Range {
	self, err := e.self(dir)
	if err != nil {
		return nil
	}
	return []backend.Range{{Off: self.extent * e.block, Len: self.size}}
}
