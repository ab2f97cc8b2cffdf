package fstree_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// sparse is a tree with a file of data and a hole behind it.
func sparse(data string, size int64) *fstree.FS {
	m := newMemory()
	id := m.put(m.Root(), "file", 0o644, data)
	m.nodes[id.Ino].stat.Size = size
	return fstree.New(m)
}

func openFile(t *testing.T, fsys fs.FS, name string) fstree.File {
	t.Helper()
	f, err := fsys.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return f.(fstree.File)
}

func TestFilesReadAsTheStandardLibraryWantsThem(t *testing.T) {
	data := strings.Repeat("0123456789abcdef", 40_000)
	f := openFile(t, sparse(data, 800_000), "file")
	want := append([]byte(data), make([]byte, 800_000-len(data))...)
	if err := iotest.TestReader(f, want); err != nil {
		t.Error(err)
	}
	if _, err := f.Seek(-300_000, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if n, err := f.WriteTo(&out); n != 300_000 || err != nil || !bytes.Equal(out.Bytes(), want[500_000:]) {
		t.Errorf("wrote %d bytes, %v", n, err)
	}
	if n, err := f.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if _, err := f.Seek(-1, io.SeekStart); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("seek to -1: %v", err)
	}
	if n, err := f.ReadAt(make([]byte, 10), 799_995); n != 5 || err != io.EOF {
		t.Errorf("over the end: %d, %v", n, err)
	}
}

func TestExtentsOfAFile(t *testing.T) {
	f := openFile(t, sparse("data", 1000), "file")
	var runs []string
	for x, err := range f.Extents(2, 500) {
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, fmt.Sprint(x.Start, x.Length, x.Hole))
	}
	if want := []string{"2 2 false", "4 498 true"}; !slices.Equal(runs, want) {
		t.Errorf("%q, want %q", runs, want)
	}
	for _, err := range f.Extents(-1, 5) {
		if !errors.Is(err, fs.ErrInvalid) {
			t.Error(err)
		}
	}
}

func TestWhatIsClosedStaysClosed(t *testing.T) {
	fsys := fstree.New(tree())
	for _, name := range []string{"hello.txt", "etc"} {
		f, err := fsys.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		_, statErr := f.Stat()
		_, readErr := f.Read(make([]byte, 1))
		for _, err := range []error{f.Close(), statErr, readErr} {
			if !errors.Is(err, fs.ErrClosed) && name == "hello.txt" {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestAFileOverOneGiBIsNotReadWhole(t *testing.T) {
	fsys := sparse("data", 1<<50)
	if _, err := fsys.ReadFile("file"); !errors.Is(err, fstree.ErrTooLarge) {
		t.Error(err)
	}
	f := openFile(t, fsys, "file")
	if n, err := f.ReadAt(make([]byte, 10), 1<<49); n != 10 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestAnErrorInADirectoryDoesNotHideTheRest(t *testing.T) {
	m := newMemory()
	for i := range 10 {
		m.put(m.Root(), fmt.Sprint("file ", i), 0o644, "")
	}
	m.put(m.Root(), "", 0o644, "") // a name that cannot be
	broken := &fstree.DamageError{FS: "memfs", Structure: "leaf", Block: 7, Why: "torn"}
	m.nodes[0].broken = broken
	fsys := fstree.New(m)
	entries, err := fsys.ReadDir(".")
	if len(entries) != 10 || !errors.Is(err, broken) {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	f, err := fsys.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n, errs := 0, 0
	for {
		some, err := f.(fs.ReadDirFile).ReadDir(3)
		n += len(some)
		if err == io.EOF {
			break
		}
		if err != nil {
			errs++
		}
	}
	if n != 10 || errs != 2 {
		t.Errorf("in parts: %d entries and %d errors", n, errs)
	}
	walked, failed := 0, 0
	for _, err := range fsys.Walk(t.Context(), ".", nil) {
		if err != nil {
			failed++
		} else {
			walked++
		}
	}
	if walked != 11 || failed != 1 {
		t.Errorf("walked over %d files with %d errors", walked, failed)
	}
}

func TestAPanicInAReaderIsAnErrorThatNamesIt(t *testing.T) {
	m := tree()
	bad := m.put(m.Root(), "bad file", 0o644, "")
	dir := m.put(m.Root(), "bad dir", fs.ModeDir|0o755, "")
	m.nodes[bad.Ino].panics, m.nodes[dir.Ino].panics = true, true
	fsys := fstree.New(m)
	_, openErr := fsys.Open("bad file")
	_, statErr := fsys.Stat("bad file")
	_, dirErr := fsys.ReadDir("bad dir")
	f, err := fsys.Open("bad dir")
	if err != nil {
		t.Fatal(err)
	}
	_, partErr := f.(fs.ReadDirFile).ReadDir(1)
	for _, err := range []error{openErr, statErr, dirErr, partErr} {
		if !errors.Is(err, fstree.ErrDamaged) || !strings.Contains(err.Error(), "memfs") {
			t.Errorf("%v", err)
		}
	}
	n := 0
	for range fsys.Walk(t.Context(), ".", nil) {
		n++
	}
	if n < 10 {
		t.Errorf("the walk ended after %d files", n)
	}
}

func TestManyGoroutinesShareATree(t *testing.T) {
	fsys := fstree.New(tree())
	shared := openFile(t, fsys, "hello.txt")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if b, err := fsys.ReadFile("link"); string(b) != "root:x:0:0\n" || err != nil {
					t.Errorf("%q, %v", b, err)
				}
				b := make([]byte, 5)
				if _, err := shared.ReadAt(b, 0); string(b) != "hello" || err != nil {
					t.Errorf("%q, %v", b, err)
				}
				if entries, err := fsys.ReadDir("etc"); len(entries) != 7 || err != nil {
					t.Errorf("%d, %v", len(entries), err)
				}
			}
		})
	}
	wg.Wait()
}

func TestALargeDirectoryIsReadInParts(t *testing.T) {
	m := newMemory()
	for i := range 10_000 {
		m.put(m.Root(), fmt.Sprint(i), 0o644, "")
	}
	f, err := fstree.New(m).Open(".")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := f.(fs.ReadDirFile)
	first, err := d.ReadDir(10)
	if err != nil {
		t.Fatal(err)
	}
	rest, err := d.ReadDir(-1)
	if err != nil {
		t.Fatal(err)
	}
	if names := sortedNames(append(first, rest...)); len(names) != 10_000 || len(slices.Compact(names)) != 10_000 {
		t.Errorf("%d and %d entries", len(first), len(rest))
	}
}
