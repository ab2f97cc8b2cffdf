package fstree_test

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

func TestRootedBeginsAtAnotherDirectoryAndNothingLeadsOutOfIt(t *testing.T) {
	m := newMemory()
	sub := m.put(m.Root(), "sub", fs.ModeDir|0o755, "")
	m.put(m.Root(), "outside", 0o644, "out")
	m.put(sub, "inside", 0o644, "in")
	m.put(sub, "up", fs.ModeSymlink|0o777, "../../outside")
	m.put(sub, "absolute", fs.ModeSymlink|0o777, "/inside")
	whole := fstree.New(m)
	info, err := whole.Stat("sub")
	if err != nil {
		t.Fatal(err)
	}
	id := info.Sys().(*fstree.Stat).FileID()
	f, err := whole.Rooted(id.ID)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := f.ReadFile("absolute"); string(b) != "in" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := f.Stat("up"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link leads out: %v", err)
	}
	if info, err = f.Stat("."); err != nil || info.Sys().(*fstree.Stat).FileID() != id {
		t.Errorf("another identity: %v", err)
	}
	if info, err = f.Stat("inside"); err != nil {
		t.Fatal(err)
	}
	if _, err := whole.Rooted(info.Sys().(*fstree.Stat).FileID().ID); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file: %v", err)
	}
}
