package fstreetest

import (
	"io/fs"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// checkIdentity sees to it that two names have one identity if the oracle shows
// one file, and only then.
func checkIdentity(t *testing.T, fsys fs.FS, records []Record) {
	t.Helper()
	byID, byIno := map[fstree.FileID]*Record{}, map[uint64]fstree.FileID{}
	for i := range records {
		r := &records[i]
		info, err := fs.Lstat(fsys, r.Path)
		if err != nil {
			continue // which the comparison reports
		}
		id := info.Sys().(*fstree.Stat).FileID()
		linked := r.Nlink > 1 && r.Ino != 0 && !info.IsDir()
		if other := byID[id]; other != nil && !(linked && other.Ino == r.Ino) {
			t.Errorf("%q has the identity of %q, %v", r.Path, other.Path, id)
			return
		}
		byID[id] = r
		if !linked {
			continue
		}
		if other, ok := byIno[r.Ino]; ok && other != id {
			t.Errorf("%q is %v, another name of it %v", r.Path, id, other)
			return
		}
		byIno[r.Ino] = id
	}
}
