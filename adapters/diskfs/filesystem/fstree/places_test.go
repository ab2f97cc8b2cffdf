package fstree_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// A walk is what goes through a whole tree: [fstree.FS.Walk], and whatever
// lists one path after the other.
var walks = map[string]func(*testing.T, *fstree.FS) (paths []string, damaged int){
	"Walk": func(t *testing.T, fsys *fstree.FS) (paths []string, damaged int) {
		for e, err := range fsys.Walk(t.Context(), ".", nil) {
			switch {
			case errors.Is(err, fstree.ErrDamaged):
				damaged++
			case err != nil:
				t.Fatal(err)
			default:
				paths = append(paths, e.Path)
			}
		}
		return paths, damaged
	},
	"WalkDir": func(t *testing.T, fsys *fstree.FS) (paths []string, damaged int) {
		err := fs.WalkDir(fsys, ".", func(name string, _ fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fstree.ErrDamaged):
				damaged++
			case err != nil:
				t.Fatal(err)
			default:
				paths = append(paths, name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return paths, damaged
	},
}

func TestADirectoryWithTwoPlacesIsShownAtBoth(t *testing.T) {
	for name, walk := range walks {
		t.Run(name, func(t *testing.T) {
			m := newMemory()
			a := m.put(m.Root(), "a", fs.ModeDir|0o755, "")
			b := m.put(a, "b", fs.ModeDir|0o755, "")
			moved := m.put(m.Root(), ".moved", fs.ModeDir|0o755, "")
			m.link(moved, "b", b)
			m.put(b, "file", 0o644, "x")
			fsys := fstree.New(m)
			for range 2 {
				paths, damaged := walk(t, fsys)
				slices.Sort(paths)
				want := ". .moved .moved/b .moved/b/file a a/b a/b/file"
				if got := strings.Join(paths, " "); got != want || damaged != 0 {
					t.Errorf("got %s, %d errors; want %s", got, damaged, want)
				}
			}
		})
	}
}

func TestTheWorkInAGraphOfDirectoriesIsBounded(t *testing.T) {
	for name, walk := range walks {
		t.Run(name, func(t *testing.T) {
			// Each of 40 levels has the next one twice: 2^40 paths.
			m := newMemory()
			dir := m.Root()
			for range 40 {
				next := m.put(dir, "a", fs.ModeDir|0o755, "")
				m.link(dir, "b", next)
				dir = next
			}
			paths, damaged := walk(t, fstree.New(m))
			if len(paths) > 200_000 || damaged == 0 {
				t.Errorf("%d entries, %d errors", len(paths), damaged)
			}
			if !slices.Contains(paths, strings.Repeat("a/", 39)+"a") {
				t.Error("the innermost directory is not shown")
			}
		})
	}
}

func TestManyGraphsTogetherAreBoundedToo(t *testing.T) {
	// 6,000 directories, each with 30 places.
	m := newMemory()
	var parents []fstree.ID
	for i := range 30 {
		parents = append(parents, m.put(m.Root(), "p"+string(rune('A'+i)), fs.ModeDir|0o755, ""))
	}
	for i := range 6000 {
		d := m.put(parents[0], "d"+string(rune(0x4e00+i)), fs.ModeDir|0o755, "")
		for _, p := range parents[1:] {
			m.link(p, "d"+string(rune(0x4e00+i)), d)
		}
	}
	entered, refused := 0, 0
	for e, err := range fstree.New(m).Walk(t.Context(), ".", nil) {
		if err != nil {
			refused++
		} else if strings.Contains(e.Path, "/") {
			entered++
		}
	}
	if entered != 180_000 || entered-refused > 6000+1<<16 || refused == 0 {
		t.Errorf("%d entries, %d of them not entered", entered, refused)
	}
}

func TestADirectoryOfAnotherTypeThanItsEntrySaysIsEntered(t *testing.T) {
	for name, walk := range walks {
		t.Run(name, func(t *testing.T) {
			paths, damaged := walk(t, fstree.New(counting{lying()}))
			if got := strings.Join(paths, " "); got != ". dir dir/below file link" || damaged != 1 {
				t.Errorf("got %s, %d errors", got, damaged)
			}
		})
	}
	// Whoever reads all inodes sees it without a count.
	var paths []string
	damaged := 0
	for e, err := range fstree.New(lying()).Walk(t.Context(), ".", &fstree.WalkOptions{Stat: true}) {
		if err != nil {
			damaged++
			continue
		}
		if info, err := e.Info(); err != nil || info.Mode().Type() != e.Type() {
			t.Errorf("%s: %v, its inode %v, %v", e.Path, e.Type(), info.Mode(), err)
		}
		paths = append(paths, e.Path)
	}
	if got := strings.Join(paths, " "); got != ". dir dir/below file link" || damaged != 1 {
		t.Errorf("with inodes: %s, %d errors", got, damaged)
	}
	// And so does a path.
	if _, err := fs.Stat(fstree.New(lying()), "dir/below"); err != nil {
		t.Error(err)
	}
}

// lying has a directory whose entry says that it is a file.
func lying() *memory {
	m := newMemory()
	dir := m.put(m.Root(), "dir", fs.ModeDir|0o755, "")
	m.put(dir, "below", 0o644, "x")
	m.put(m.Root(), "file", 0o644, "x")
	m.put(m.Root(), "link", fs.ModeSymlink|0o777, "file")
	m.nodes[m.Root().Ino].entries[0].Type = 0
	return m
}

// counting is a memory whose directories count those in them.
type counting struct{ *memory }

func (c counting) Subdirs(dir fstree.ID) (n uint64, ok bool) {
	for _, e := range c.nodes[dir.Ino].entries {
		if c.nodes[e.ID.Ino].stat.Mode.IsDir() {
			n++
		}
	}
	return n, true
}

func TestASecondEntryOfOneNameIsDamage(t *testing.T) {
	m := newMemory()
	m.put(m.Root(), "name", 0o644, "first")
	m.put(m.Root(), "name", 0o644, "second")
	fsys := fstree.New(m)
	list, err := fsys.ReadDir(".")
	if len(list) != 1 || !errors.Is(err, fstree.ErrDamaged) {
		t.Errorf("%v, %v", list, err)
	}
	if b, err := fsys.ReadFile("name"); err != nil || string(b) != "first" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestIdentitiesAreUniqueAcrossTrees(t *testing.T) {
	m, other := newMemory(), newMemory()
	id := m.put(m.Root(), "a", 0o644, "x")
	m.link(m.Root(), "b", id)
	m.put(m.Root(), "c", 0o644, "x")
	other.put(other.Root(), "a", 0o644, "x")
	fsys := fstree.New(m)
	identity := func(fsys *fstree.FS, name string) fstree.FileID {
		info, err := fsys.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Sys().(*fstree.Stat).FileID()
	}
	if identity(fsys, "a") != identity(fsys, "b") {
		t.Error("two names of one file have two identities")
	}
	if identity(fsys, "a") == identity(fsys, "c") || identity(fsys, "a") == identity(fstree.New(other), "a") {
		t.Error("two files have one identity")
	}
	for e := range fsys.Walk(t.Context(), ".", nil) {
		if e.FileID() != identity(fsys, e.Path) {
			t.Errorf("%s has another identity in a walk", e.Path)
		}
	}
}

func TestAfterCloseEverythingFails(t *testing.T) {
	m := newMemory()
	m.put(m.Root(), "a", 0o644, "text")
	fsys := fstree.New(m)
	f, err := fsys.Open("a")
	if err != nil {
		t.Fatal(err)
	}
	d, err := fsys.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	info, err := fsys.Stat("a")
	if err != nil {
		t.Fatal(err)
	}
	list, err := fsys.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	sub, err := fsys.Sub(".")
	if err != nil {
		t.Fatal(err)
	}
	if err := fsys.Close(); err != nil {
		t.Fatal(err)
	}
	file := f.(fstree.File)
	for what, call := range map[string]func() error{
		"Close":       func() error { return fsys.Close() },
		"Open":        func() error { _, err := fsys.Open("a"); return err },
		"Stat":        func() error { _, err := fsys.Stat("a"); return err },
		"ReadDir":     func() error { _, err := fsys.ReadDir("."); return err },
		"ReadFile":    func() error { _, err := fsys.ReadFile("a"); return err },
		"Sub":         func() error { _, err := fs.Stat(sub, "a"); return err },
		"file Read":   func() error { _, err := f.Read(make([]byte, 1)); return err },
		"file ReadAt": func() error { _, err := file.ReadAt(make([]byte, 1), 0); return err },
		"WriteTo":     func() error { _, err := file.WriteTo(&strings.Builder{}); return err },
		"dir ReadDir": func() error { _, err := d.(fs.ReadDirFile).ReadDir(1); return err },
		"Info":        func() error { _, err := list[0].Info(); return err },
		"Xattrs":      func() error { _, err := info.Sys().(*fstree.Stat).Xattrs(); return err },
		"Walk": func() (err error) {
			for _, err = range fsys.Walk(t.Context(), ".", nil) {
			}
			return err
		},
	} {
		if err := call(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
