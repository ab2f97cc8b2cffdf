package fstree_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// calls counts what is asked of an engine.
type calls struct {
	*memory
	readDirs, lookups, stats atomic.Int64
}

func (c *calls) ReadDir(dir fstree.ID) iter.Seq2[fstree.Entry, error] {
	c.readDirs.Add(1)
	return c.memory.ReadDir(dir)
}

func (c *calls) Lookup(dir fstree.ID, name string) (fstree.Entry, error) {
	c.lookups.Add(1)
	return c.memory.Lookup(dir, name)
}

func (c *calls) Stat(id fstree.ID) (fstree.Stat, error) {
	c.stats.Add(1)
	return c.memory.Stat(id)
}

// grow makes a random tree of n files.
func grow(t *testing.T, n int) *memory {
	t.Helper()
	rng := oracle.Seed(t)
	m := newMemory()
	dirs := []fstree.ID{m.Root()}
	for i := range n {
		dir := dirs[rng.IntN(len(dirs))]
		if rng.IntN(3) == 0 {
			dir = dirs[len(dirs)-1]
		}
		name := fmt.Sprintf("%x", rng.Uint32N(1<<16)<<12|uint32(i))
		if rng.IntN(6) == 0 {
			dirs = append(dirs, m.put(dir, name, fs.ModeDir|0o755, ""))
		} else {
			m.put(dir, name, 0o644, name)
		}
	}
	return m
}

func TestWalkIsWalkDirInOrder(t *testing.T) {
	m := grow(t, 5000)
	fsys := fstree.New(m)
	var want []string
	err := fs.WalkDir(fsys, ".", func(name string, _ fs.DirEntry, err error) error {
		want = append(want, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, stat := range []bool{false, true} {
		for _, procs := range []int{1, 2, 8} {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			var got []string
			for e, err := range fsys.Walk(t.Context(), ".", &fstree.WalkOptions{Stat: stat}) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, e.Path)
				st, err := e.Stat()
				if err != nil || e.Name() != path.Base(e.Path) || st.Mode.IsDir() != e.IsDir() || st.FileID() != e.FileID() {
					t.Fatalf("%s: %+v, %v", e.Path, st, err)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("with %d processors: %d files, want %d, or another order", procs, len(got), len(want))
			}
		}
	}
}

func TestWalkReadsNoInodesThatNobodyAsksFor(t *testing.T) {
	c := &calls{memory: grow(t, 500)}
	for range fstree.New(c).Walk(t.Context(), ".", nil) {
	}
	if n := c.stats.Load(); n != 0 {
		t.Errorf("%d inodes were read", n)
	}
	if n := c.lookups.Load(); n != 0 {
		t.Errorf("%d names were looked up", n)
	}
}

func TestWalkReadsEveryInodeOnce(t *testing.T) {
	c := &calls{memory: grow(t, 3000)}
	files := int64(0)
	for e, err := range fstree.New(c).Walk(t.Context(), ".", &fstree.WalkOptions{Stat: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Stat(); err != nil {
			t.Fatal(err)
		}
		files++
	}
	if n := c.stats.Load(); n != files {
		t.Errorf("%d inodes were read for %d files", n, files)
	}
}

func TestWalkOpensWithoutLookingUp(t *testing.T) {
	c := &calls{memory: grow(t, 300)}
	c.put(c.Root(), "link", fs.ModeSymlink|0o777, "target")
	for e, err := range fstree.New(c).Walk(t.Context(), ".", nil) {
		if err != nil {
			t.Fatal(err)
		}
		switch e.Type() {
		case 0:
			f, err := e.Open()
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(f); string(b) != e.Name() || err != nil {
				t.Errorf("%s: %q, %v", e.Path, b, err)
			}
		case fs.ModeSymlink:
			if target, err := e.ReadLink(); target != "target" || err != nil {
				t.Errorf("%q, %v", target, err)
			}
		}
	}
	if n := c.lookups.Load(); n != 0 {
		t.Errorf("%d names were looked up", n)
	}
}

func TestWalkSkipsAndEnds(t *testing.T) {
	fsys := fstree.New(tree())
	for e, err := range fsys.Walk(t.Context(), ".", nil) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(e.Path, "etc/") {
			t.Errorf("%s was not skipped", e.Path)
		}
		e.Skip = e.Path == "etc"
	}
	before := runtime.NumGoroutine()
	for range fsys.Walk(t.Context(), ".", nil) {
		break
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines left", n-before)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range fsys.Walk(ctx, ".", nil) {
		if n++; n == 3 {
			cancel()
		}
		last = err
	}
	if n != 4 || !errors.Is(last, context.Canceled) {
		t.Errorf("%d entries, %v", n, last)
	}
	for e, err := range fsys.Walk(t.Context(), "nowhere", nil) {
		if e.Path != "nowhere" || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", e.Path, err)
		}
	}
}

func TestAWalkThatSkipsDirectoriesReadsNone(t *testing.T) {
	c := &calls{memory: grow(t, 500)}
	for e, err := range fstree.New(c).Walk(t.Context(), ".", &fstree.WalkOptions{Stat: true}) {
		if err != nil {
			t.Fatal(err)
		}
		e.Skip = e.Path != "."
	}
	if n := c.readDirs.Load(); n != 1 {
		t.Errorf("%d directories were read", n)
	}
}

func TestOpeningEveryFileOfADirectoryTakesFewLookups(t *testing.T) {
	const files = 50_000 // more than the cache of names holds
	c := &calls{memory: newMemory()}
	for i := range files {
		c.put(c.Root(), fmt.Sprint(i), 0o644, fmt.Sprint(i))
	}
	fsys := fstree.New(c)
	for range 2 {
		for i := range files {
			if info, err := fsys.Stat(fmt.Sprint(i)); err != nil || info.Size() != int64(len(fmt.Sprint(i))) {
				t.Fatalf("%d: %v, %v", i, info, err)
			}
		}
	}
	if n := c.lookups.Load(); n > 16 {
		t.Errorf("%d lookups", n)
	}
	if n := c.readDirs.Load(); n != 1 {
		t.Errorf("the directory was read %d times", n)
	}
	if _, err := fsys.Stat("no such file"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func BenchmarkWalk(b *testing.B) {
	m := newMemory()
	for i := range 200 {
		dir := m.put(m.Root(), fmt.Sprintf("directory %03d", i), fs.ModeDir|0o755, "")
		for j := range 100 {
			m.put(dir, fmt.Sprintf("file number %03d.txt", j), 0o644, "")
		}
	}
	fsys := fstree.New(m)
	for _, stat := range []bool{false, true} {
		b.Run(fmt.Sprintf("files=20200/stat=%v", stat), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range fsys.Walk(b.Context(), ".", &fstree.WalkOptions{Stat: stat}) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func TestAWalkOfADeepTreeHoldsNoPathOfEachLevel(t *testing.T) {
	const levels, most = 3000, 32 << 20 // the paths of all levels together have 450 MB
	m := newMemory()
	dir := m.Root()
	for range levels {
		dir = m.put(dir, strings.Repeat("d", 99), fs.ModeDir|0o755, "")
	}
	depth := 0
	for e, err := range fstree.New(m).Walk(t.Context(), ".", nil) {
		if err != nil {
			t.Fatal(err)
		}
		if depth++; depth <= levels {
			continue
		}
		if n := strings.Count(e.Path, "/") + 1; n != levels || len(e.Path) != 100*levels-1 {
			t.Errorf("the last one has %d levels, %d bytes", n, len(e.Path))
		}
		var held runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&held)
		if held.HeapAlloc > most {
			t.Errorf("%d MiB are held at the deepest level", held.HeapAlloc>>20)
		}
	}
	if depth != levels+1 {
		t.Errorf("%d directories", depth)
	}
}
