package fstree_test

import (
	"testing"
	"testing/fstest"

	"io/fs"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

func tree() *memory {
	m := newMemory()
	root := m.Root()
	m.put(root, "hello.txt", 0o644, "hello\n")
	m.put(root, "empty", 0o600, "")
	etc := m.put(root, "etc", fs.ModeDir|0o755, "")
	m.put(etc, "passwd", 0o644, "root:x:0:0\n")
	m.put(root, "link", fs.ModeSymlink|0o777, "/etc/passwd")
	m.put(etc, "up", fs.ModeSymlink|0o777, "../../../hello.txt")
	m.put(root, "\xff\xfe/a", 0o644, "odd name")
	m.put(root, "dir link", fs.ModeSymlink|0o777, "etc/")
	m.put(root, "null", fs.ModeDevice|fs.ModeCharDevice|0o666, "")
	for i := range 5 {
		m.put(etc, string(rune('a'+i)), 0o644, "x")
	}
	return m
}

func TestTreeIsAFilesystemByTheStandardLibrarysTest(t *testing.T) {
	for _, untyped := range []bool{false, true} {
		m := tree()
		m.untyped = untyped
		if err := fstest.TestFS(fstree.New(m), "hello.txt", "etc/passwd", "link", "etc/up"); err != nil {
			t.Error(err)
		}
	}
}

func TestUnixBitsUndoesUnixMode(t *testing.T) {
	for _, kind := range []uint32{0o010000, 0o020000, 0o040000, 0o060000, 0o100000, 0o120000, 0o140000} {
		for perm := range uint32(0o10000) {
			if got := fstree.UnixBits(fstree.UnixMode(kind | perm)); got != kind|perm {
				t.Fatalf("mode %o comes back as %o", kind|perm, got)
			}
		}
	}
}
