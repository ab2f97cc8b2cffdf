package fat

import (
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend"
)

var _ fstree.Placer = (*engine)(nil)

// Cache implements [fstree.Placer].
func (e *engine) Cache() *fstree.Cache { return e.vol.Cache }

// InodeAt implements [fstree.Placer]. A file's slot was read with the directory
// that it is in; of a directory the entries are counted.
func (e *engine) InodeAt(id fstree.ID) []backend.Range {
	if s, err := e.slot(id); err == nil && s.isDir() {
		return e.EntriesAt(id)
	}
	return nil
}

// EntriesAt implements [fstree.Placer].
func (e *engine) EntriesAt(dir fstree.ID) []backend.Range {
	d, err := e.directory(dir)
	if err != nil {
		return nil
	}
	if d.fixed {
		return []backend.Range{{Off: e.geo.root, Len: e.geo.rootSize}}
	}
	return d.chain.Places()
}
