package fstreetest

import (
	"errors"
	"io"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// ReadAll is the body of a fuzz target: it asks everything of a volume of
// size bytes that may hold anything. The reader may refuse whatever it likes,
// but no file can have more bytes stored than the volume.
func ReadAll(t *testing.T, fsys *fstree.FS, size int64) {
	t.Helper()
	fsys.Info()
	files := 0
	for e, err := range fsys.Walk(t.Context(), ".", nil) {
		if files++; files > 1000 {
			return // directories may share blocks, and their number explode
		}
		if err != nil || e.IsDir() {
			continue
		}
		if _, err := e.Stat(); err != nil {
			continue
		}
		if _, err := fsys.Lstat(e.Path); err != nil && errors.Is(err, fstree.ErrDamaged) {
			continue
		}
		if err := readStored(fsys, e.Path, size); err != nil {
			t.Errorf("%q: %v", e.Path, err)
		}
	}
}

// readStored reads what is no hole of a file, and up to 1 MiB of the whole.
func readStored(fsys *fstree.FS, name string, size int64) error {
	opened, err := fsys.Open(name)
	if err != nil {
		return nil
	}
	defer opened.Close()
	f, ok := opened.(fstree.File)
	if !ok {
		return nil // a damaged directory may have two files of one name
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(f, 1<<20))
	stored := int64(0)
	for x, err := range f.Extents(0, 1<<40) {
		if err != nil {
			break
		}
		if x.Length < 1 {
			return errors.New("an extent without length")
		}
		if x.Offset >= 0 && x.Offset+x.Length > size {
			break // the volume is cut off
		}
		if !x.Hole && x.Offset >= 0 {
			stored += x.Length
		}
	}
	if stored > size {
		return errors.New("more bytes stored than the volume has")
	}
	return nil
}

// FirstFile returns the name and the number of the inode of the first regular file
// of a tree, for tests that change one on the volume.
func FirstFile(t *testing.T, fsys *fstree.FS) (name string, ino uint64) {
	t.Helper()
	for e, err := range fsys.Walk(t.Context(), ".", nil) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type().IsRegular() {
			return e.Path, e.FileID().ID.Ino
		}
	}
	t.Fatal("no regular file")
	return "", 0
}
