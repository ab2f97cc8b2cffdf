package find_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ext4"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/find"
)

func pattern(t testing.TB, text string) *find.Pattern {
	t.Helper()
	p, err := find.CompilePattern(text, false)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// search returns what is found, one string each, and errors as "!".
func search(t *testing.T, v *volume, root string, opts *find.Options) []string {
	t.Helper()
	var got []string
	for m, err := range find.Files(t.Context(), fstree.New(v), root, opts) {
		switch {
		case err != nil:
			got = append(got, "!"+m.Path)
		case m.Line != nil:
			got = append(got, m.Path+":"+m.Line.String())
		case m.Binary:
			got = append(got, m.Path+" is binary")
		default:
			got = append(got, m.Path)
		}
	}
	return got
}

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func house() *volume {
	return newVolume(map[string]string{
		"a.txt": "one\ntwo\n", "b/c.txt": "two\nthree", "b/d/e.go": "", "b/d/f.txt": "four", "empty/": "", "link": "-> b", "z": "zz",
	})
}

func TestTestsAreThoseOfFind(t *testing.T) {
	txt := find.Name(pattern(t, "*.txt"))
	for _, c := range []struct {
		what string
		test find.Test
		want string
	}{
		{"no test", find.Test{}, ". a.txt b b/c.txt b/d b/d/e.go b/d/f.txt empty link z"},
		{"name", txt, "a.txt b/c.txt b/d/f.txt"},
		{"path", find.Path(pattern(t, "b*t")), "b/c.txt b/d/f.txt"},
		{"regexp", find.PathRegexp(regexp.MustCompile(`d/.\.`)), "b/d/e.go b/d/f.txt"},
		{"not", find.And(find.Not(txt), find.Type(0)), "b/d/e.go z"},
		{"or", find.Or(find.Name(pattern(t, "z")), find.Type(fs.ModeSymlink)), "link z"},
		{"types", find.Type(fs.ModeSymlink, fs.ModeDir), ". b b/d empty link"},
		{"size", find.And(find.Type(0), find.Size(4, find.Exactly(1))), "b/d/f.txt z"},
		{"size up", find.And(find.Type(0), find.Size(1, find.MoreThan(7))), "a.txt b/c.txt"},
		{"size down", find.And(find.Type(0), find.Size(1, find.LessThan(2))), "b/d/e.go"},
		{"empty", find.Empty(), "b/d/e.go empty"},
		{"user", find.User(find.LessThan(2)), ". a.txt"},
		{"group", find.And(find.Group(find.Exactly(0)), txt), "a.txt b/c.txt b/d/f.txt"},
		{"inode", find.Inode(find.Exactly(1)), "a.txt"},
		{"links", find.Links(find.MoreThan(1)), ""},
		{"permissions", find.Perm(find.PermExactly, 0o644), "a.txt b/c.txt b/d/e.go b/d/f.txt z"},
		{"all permissions", find.Perm(find.PermAll, 0o111), ". b b/d empty link"},
		{"any permission", find.Perm(find.PermAny, 0o022), "link"},
		{"no permission", find.And(txt, find.Perm(find.PermAny, 0)), "a.txt b/c.txt b/d/f.txt"},
		{"later", find.Mtime.After(when), ""},
		{"later than before", find.And(txt, find.Mtime.After(when.Add(-1))), "a.txt b/c.txt b/d/f.txt"},
		{"earlier", find.Mtime.Before(when), ""},
		{"earlier than after", find.And(txt, find.Mtime.Before(when.Add(1))), "a.txt b/c.txt b/d/f.txt"},
		{"no such time", find.Or(find.Btime.Before(when), find.Btime.After(when), find.Ctime.Age(when, time.Second, find.MoreThan(-1))), ""},
		{"age", find.And(txt, find.Mtime.Age(when.Add(47*time.Hour), 24*time.Hour, find.Exactly(1))), "a.txt b/c.txt b/d/f.txt"},
		{"age to come", find.And(txt, find.Mtime.Age(when.Add(-time.Second), time.Hour, find.Exactly(-1))), "a.txt b/c.txt b/d/f.txt"},
		{"attribute", find.Xattr(pattern(t, "user.*"), pattern(t, "?.txt")), "a.txt b/c.txt b/d/f.txt"},
		{"any attribute", find.And(txt, find.Xattr(pattern(t, "user.name"), nil)), "a.txt b/c.txt b/d/f.txt"},
		{"no attribute", find.Xattr(pattern(t, "security.*"), nil), ""},
		{"prune", find.Or(find.And(find.Name(pattern(t, "d")), find.Prune()), txt), "a.txt b/c.txt b/d"},
		{"print", find.Or(find.And(find.Name(pattern(t, "d")), find.Prune()), find.And(txt, find.Select())), "a.txt b/c.txt"},
		{"quit", find.And(txt, find.Name(pattern(t, "c*")), find.Quit()), "b/c.txt"},
		{"quit and go on", find.Or(find.And(find.Name(pattern(t, "b")), find.Quit()), txt), "a.txt b"},
		{"depth", find.And(find.MaxDepth(1), find.MinDepth(1)), "a.txt b empty link z"},
		{"no depth", find.MaxDepth(0), "."},
	} {
		want(t, c.what, search(t, house(), ".", &find.Options{Test: c.test}), strings.Fields(c.want)...)
	}
}

func TestASearchBeginsAnywhere(t *testing.T) {
	depth := find.And(find.MaxDepth(1), find.MinDepth(1))
	want(t, "a directory", search(t, house(), "b", &find.Options{Test: depth}), "b/c.txt", "b/d")
	want(t, "a link", search(t, house(), "link", nil), "link")
	want(t, "a file", search(t, house(), "b/c.txt", &find.Options{Content: &find.Content{Expr: regexp.MustCompile("t")}}), "b/c.txt:1:two", "b/c.txt:2:three")
	want(t, "nothing", search(t, house(), "nothing", nil), "!nothing")
}

func TestByNameNoInodeIsRead(t *testing.T) {
	v := house()
	tree := fstree.New(v)
	if _, err := tree.Lstat("."); err != nil {
		t.Fatal(err)
	}
	before := v.stats.Load()
	test := find.And(find.Type(0), find.Name(pattern(t, "nothing")))
	for m, err := range find.Files(t.Context(), tree, ".", &find.Options{Test: test}) {
		t.Error(m.Path, err)
	}
	if n := v.stats.Load() - before; n > 1 { // the root's
		t.Errorf("%d inodes were read", n)
	}
}

// counter remembers which blocks of a volume are read.
type counter struct {
	r  *bytes.Reader
	mu sync.Mutex
	at map[int64]bool
}

func (c *counter) ReadAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	for b := off / 1024; b <= (off+int64(len(p))-1)/1024; b++ {
		c.at[b] = true
	}
	c.mu.Unlock()
	return c.r.ReadAt(p, off)
}

// TestByNameNothingIsReadThatAWalkDoesNotRead counts on a real filesystem.
func TestByNameNothingIsReadThatAWalkDoesNotRead(t *testing.T) {
	image, _ := fstreetest.Committed(t, "ext4-large-dir")
	blocks := func(use func(*fstree.FS)) map[int64]bool {
		c := &counter{r: bytes.NewReader(image), at: make(map[int64]bool)}
		fsys, err := ext4.Open(c, int64(len(image)))
		if err != nil {
			t.Fatal(err)
		}
		use(fsys)
		return c.at
	}
	searched := func(test find.Test) map[int64]bool {
		return blocks(func(fsys *fstree.FS) {
			n := 0
			for _, err := range find.Files(t.Context(), fsys, ".", &find.Options{Test: test}) {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			if n == 0 {
				t.Error("nothing is found")
			}
		})
	}
	walked := blocks(func(fsys *fstree.FS) {
		if _, err := fsys.Lstat("."); err != nil {
			t.Fatal(err)
		}
		for range fsys.Walk(t.Context(), ".", nil) {
		}
	})
	if named := searched(find.Name(pattern(t, "*a*"))); !maps.Equal(named, walked) {
		t.Errorf("by name %d blocks are read, by a walk %d", len(named), len(walked))
	}
}

func TestWhatCannotBeReadIsSaidWhereItWouldBe(t *testing.T) {
	v := house()
	v.broken["c.txt"] = errors.New("damaged inode")
	v.broken["d/"] = errors.New("damaged directory")
	v.broken["z@"] = errors.New("damaged attributes")
	want(t, "by name", search(t, v, ".", &find.Options{Test: find.Name(pattern(t, "*.txt"))}), "a.txt", "b/c.txt", "!b/d", "b/d/f.txt")
	want(t, "by type", search(t, v, ".", &find.Options{Test: find.Type(0)}), "a.txt", "!b/c.txt", "!b/d", "b/d/e.go", "b/d/f.txt", "z")
	want(t, "other names", search(t, v, "b", &find.Options{Test: find.And(find.Type(0), find.Name(pattern(t, "*.go")))}), "!b/d", "b/d/e.go")
	want(t, "not", search(t, v, "b", &find.Options{Test: find.Not(find.Type(0))}), "b", "!b/c.txt", "b/d", "!b/d")
	want(t, "or", search(t, v, "b/c.txt", &find.Options{Test: find.Or(find.Type(0), find.Test{})}), "!b/c.txt")
	want(t, "empty", search(t, v, "b/d", &find.Options{Test: find.Empty()}), "!b/d", "!b/d", "b/d/e.go")
	want(t, "attribute", search(t, v, "z", &find.Options{Test: find.Xattr(pattern(t, "x"), nil)}), "!z")
	want(t, "contents", search(t, v, ".", &find.Options{Content: &find.Content{Expr: regexp.MustCompile("^.")}}),
		"a.txt:1:one", "a.txt:2:two", "!b/c.txt", "!b/d", "b/d/f.txt:1:four", "z:1:zz")
	for m, err := range find.Files(t.Context(), fstree.New(v), "b/c.txt", &find.Options{Test: find.Type(0)}) {
		var pe *fs.PathError
		if !errors.As(err, &pe) || pe.Path != "b/c.txt" {
			t.Errorf("%s: %v", m.Path, err)
		}
	}
}

func TestTheInodesAreReadOnce(t *testing.T) {
	for what, opts := range map[string]*find.Options{
		"type":    {Test: find.And(find.Type(0), find.Size(1, find.MoreThan(-1)))},
		"asked":   {Stat: true},
		"content": {Content: &find.Content{Expr: regexp.MustCompile("x")}},
	} {
		v := newVolume(nil)
		for i := range 2000 {
			v.put(v.nodes[0], fmt.Sprint(i), 0o644, "")
		}
		for m, err := range find.Files(t.Context(), fstree.New(v), ".", opts) {
			if err == nil {
				_, err = m.Stat()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if n := v.stats.Load(); n > 2010 {
			t.Errorf("%s: %d inodes were read", what, n)
		}
	}
}

func TestASearchEndsWithItsContextAndItsLoop(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, content := range []*find.Content{nil, {Expr: regexp.MustCompile("")}} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		for _, err := range find.Files(ctx, fstree.New(house()), ".", &find.Options{Content: content}) {
			cancel()
			last = err
		}
		if !errors.Is(last, context.Canceled) {
			t.Errorf("the last error is %v", last)
		}
		for range find.Files(t.Context(), fstree.New(house()), ".", &find.Options{Content: content}) {
			break
		}
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines are left", n-before)
	}
}

func TestProgressCountsTheFilesMet(t *testing.T) {
	var met []int64
	opts := &find.Options{Test: find.Name(pattern(t, "z")), Progress: func(n int64) { met = append(met, n) }}
	want(t, "found", search(t, house(), ".", opts), "z")
	if len(met) != 10 || met[9] != 10 {
		t.Errorf("%v", met)
	}
}
