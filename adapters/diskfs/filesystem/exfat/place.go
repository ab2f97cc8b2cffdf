package exfat

import (
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend"
)

var _ fstree.Placer = (*engine)(nil)

// Cache implements [fstree.Placer].
func (e *engine) Cache() *fstree.Cache { return e.vol.Cache }

// InodeAt implements [fstree.Placer]. A file's entries were read with the
// directory that it is in; of a directory the links are counted.
func (e *engine) InodeAt(id fstree.ID) []backend.Range {
	if file, _, err := e.file(id); err == nil && file.isDir() {
		return e.EntriesAt(id)
	}
	return nil
}

// EntriesAt implements [fstree.Placer].
func (e *engine) EntriesAt(dir fstree.ID) []backend.Range {
	chain, err := e.directory(dir)
	if err != nil {
		return nil
	}
	return chain.Places()
}
