package fstreetest

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// checkErrors asks for what is not there and for what is not a directory: every
// reader says so by the sentinels of the standard library, which
// [os.IsNotExist] finds only where nothing but the PathError wraps them.
func checkErrors(t *testing.T, fsys fs.FS, records []Record) {
	t.Helper()
	for i := range records {
		r := &records[i]
		missing := path.Join(r.Path, "there is no such name")
		_, err := fs.Stat(fsys, missing)
		switch mode := fstree.UnixMode(r.Mode); {
		case r.Locked:
		case mode.IsDir() && !os.IsNotExist(err):
			t.Errorf("stat %q: %v, which os.IsNotExist does not match", missing, err)
			return
		case mode.IsRegular() && !errors.Is(err, fstree.ErrNotDir):
			t.Errorf("stat %q: %v, want %v", missing, err, fstree.ErrNotDir)
			return
		}
	}
}
