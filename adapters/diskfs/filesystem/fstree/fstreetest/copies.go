package fstreetest

import (
	"io/fs"
	"reflect"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// NoCopy is an attribute of the trees that most filesystems have no room for.
// CompareCopy leaves it out.
const NoCopy = "user.larger"

// CompareCopy compares the manifest of a copy of a tree, on whatever
// filesystem, with that of the tree: all that a copy can keep. Sockets are
// nobody's to copy.
func CompareCopy(tb testing.TB, got, want []Record) {
	tb.Helper()
	copies := make(map[string]Record)
	for _, r := range got {
		copies[r.Path] = r
	}
	inodes := map[uint64]uint64{} // of the tree to those of the copy
	for _, w := range want {
		if fstree.UnixMode(w.Mode).Type() == fs.ModeSocket {
			continue
		}
		g, ok := copies[w.Path]
		if !ok {
			tb.Errorf("%q was not copied", w.Path)
			continue
		}
		delete(copies, w.Path)
		if ino, seen := inodes[w.Ino]; seen && ino != g.Ino {
			tb.Errorf("%q is no other name of the file that it was", w.Path)
		}
		inodes[w.Ino] = g.Ino
		holes := len(w.Data) > 0 && w.Data[0] != [2]int64{0, w.Size}
		if w.Blocks*512 < w.Size && holes && g.Blocks > 2*w.Blocks+1024 {
			tb.Errorf("%q: %d blocks, of %d: the holes were filled", w.Path, g.Blocks, w.Blocks)
		}
		g, w = g.kept(), w.kept()
		if !reflect.DeepEqual(g, w) {
			tb.Errorf("%q:\n got %+v %v %q\nwant %+v %v %q", w.Path, g, g.Mtime, g.Xattrs, w, w.Mtime, w.Xattrs)
		}
	}
	for name := range copies {
		tb.Errorf("%q should not be there", name)
	}
}

// kept is the part of a record that a copy keeps.
func (r Record) kept() Record {
	r.Ino, r.Blocks, r.Data, r.Atime, r.Ctime, r.Btime = 0, 0, nil, nil, nil, nil
	if fstree.UnixMode(r.Mode).IsDir() {
		r.Size, r.Nlink = 0, 0
	}
	xattrs := r.Xattrs
	r.Xattrs = nil
	for name, value := range xattrs {
		if name == NoCopy {
			continue
		}
		if r.Xattrs == nil {
			r.Xattrs = map[string][]byte{}
		}
		r.Xattrs[name] = value
	}
	if r.Size > wholeHash {
		r.SHA256 = "" // it covers what lies around the data alone
	}
	return r
}
