package fstree_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// linked is a tree of links:
//
//	a/b/file  "deep"       file  "top"
func linked() *memory {
	m := newMemory()
	root := m.Root()
	a := m.put(root, "a", fs.ModeDir|0o755, "")
	b := m.put(a, "b", fs.ModeDir|0o755, "")
	m.put(b, "file", 0o644, "deep")
	m.put(root, "file", 0o644, "top")
	link := func(dir fstree.ID, name, target string) { m.put(dir, name, fs.ModeSymlink|0o777, target) }
	link(root, "relative", "a/b/file")
	link(root, "absolute", "/a/b/file")
	link(b, "up", "../../file")
	link(b, "far up", "../../../../../../../file")
	link(b, "absolute in b", "/file")
	link(root, "to dir", "a/b")
	link(root, "with slash", "a/b/")
	link(root, "file with slash", "file/")
	link(root, "dots", "./a/./b/../b//file")
	link(root, "dangling", "nowhere")
	link(root, "to itself", "to itself")
	link(root, "ping", "pong")
	link(root, "pong", "ping")
	link(root, "empty", "")
	for i := range 41 {
		target := "file"
		if i > 0 {
			target = fmt.Sprint("chain ", i)
		}
		link(root, fmt.Sprint("chain ", i+1), target)
	}
	raw := m.put(root, "\xfe/x", fs.ModeDir|0o755, "")
	m.put(raw, "\xff", 0o644, "odd")
	link(root, "to raw", "\xfe/\xff") // a path of two elements, neither of which exists
	raw = m.put(root, "\xfd", fs.ModeDir|0o755, "")
	m.put(raw, "\xff", 0o644, "odd")
	link(root, "to raw too", "\xfd/\xff")
	return m
}

func TestLinksLeadInsideTheVolume(t *testing.T) {
	fsys := fstree.New(linked())
	for name, want := range map[string]string{
		"relative": "deep", "absolute": "deep", "a/b/up": "top", "a/b/far up": "top", "a/b/absolute in b": "top",
		"to dir/file": "deep", "to dir/up": "top", "with slash/file": "deep", "dots": "deep", "chain 40": "top", "to raw too": "odd",
	} {
		if b, err := fsys.ReadFile(name); string(b) != want || err != nil {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	for name, want := range map[string]error{
		"dangling": fs.ErrNotExist, "to itself": fstree.ErrTooManyLinks, "ping": fstree.ErrTooManyLinks, "chain 41": fstree.ErrTooManyLinks,
		"empty": fs.ErrNotExist, "file/x": fstree.ErrNotDir, "relative/x": fstree.ErrNotDir, "file with slash": fstree.ErrNotDir,
		"to raw": fs.ErrNotExist, "/file": fs.ErrInvalid, "../file": fs.ErrInvalid, "": fs.ErrInvalid,
	} {
		_, err := fsys.Open(name)
		var pathErr *fs.PathError
		if !errors.Is(err, want) || !errors.As(err, &pathErr) || pathErr.Op != "open" || pathErr.Path != name {
			t.Errorf("open %q: %v, want %v", name, err, want)
		}
	}
}

func TestLstatAndReadLinkDoNotFollowTheLastElement(t *testing.T) {
	fsys := fstree.New(linked())
	for _, name := range []string{"relative", "to dir/up", "to itself", "dangling"} {
		info, err := fsys.Lstat(name)
		if err != nil || info.Mode().Type() != fs.ModeSymlink {
			t.Errorf("lstat %s: %v, %v", name, info, err)
		}
	}
	if target, err := fsys.ReadLink("a/b/far up"); target != "../../../../../../../file" || err != nil {
		t.Errorf("%q, %v", target, err)
	}
	if target, err := fsys.ReadLink("to raw"); target != "\xfe/\xff" || err != nil {
		t.Errorf("%q, %v: the target has to be as stored", target, err)
	}
	if _, err := fsys.ReadLink("file"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("readlink of a file: %v", err)
	}
}

func TestSubIsAViewOfTheWholeVolume(t *testing.T) {
	sub, err := fstree.New(linked()).Sub("to dir")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"file": "deep", "up": "top", "far up": "top", "absolute in b": "top"} {
		if b, err := fs.ReadFile(sub, name); string(b) != want || err != nil {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if _, err := fstree.New(linked()).Sub("file"); !errors.Is(err, fstree.ErrNotDir) {
		t.Errorf("sub of a file: %v", err)
	}
	if _, err := fs.Stat(sub, "../file"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("dots in a path: %v", err)
	}
}

func TestDirectoriesThatLeadBackAreRefused(t *testing.T) {
	m := newMemory()
	a := m.put(m.Root(), "a", fs.ModeDir|0o755, "")
	b := m.put(a, "b", fs.ModeDir|0o755, "")
	m.link(b, "back", a)
	m.link(b, "root", m.Root())
	m.link(a, "itself", a)
	fsys := fstree.New(m)
	for _, name := range []string{"a/b/back", "a/b/root", "a/itself"} {
		if _, err := fsys.Stat(name); !errors.Is(err, fstree.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	n := 0
	if err := fs.WalkDir(fsys, ".", func(string, fs.DirEntry, error) error { n++; return nil }); err != nil || n > 20 {
		t.Errorf("walked over %d files, %v", n, err)
	}
}

func TestEveryNameThatIsListedCanBeOpened(t *testing.T) {
	m := newMemory()
	stored := []string{
		"plain", "\xff", "a/b", "/", "//", ".", "..", "...", "\x00", "\uFFFD", "\uFFFD41", "x\uFFFD2Fy", "caf\xe9",
		"\xED\xA0\x80", strings.Repeat("\xff", 255), "a\nb", `back\slash`, "*?[",
	}
	for _, name := range stored {
		m.put(m.Root(), name, 0o644, name)
	}
	fsys := fstree.New(m)
	entries, err := fsys.ReadDir(".")
	if err != nil || len(entries) != len(stored) {
		t.Fatalf("%d entries of %d, %v", len(entries), len(stored), err)
	}
	for _, e := range entries {
		if !fs.ValidPath(e.Name()) {
			t.Errorf("%q is no path", e.Name())
		}
		b, err := fsys.ReadFile(e.Name())
		if err != nil || fstree.EscapeName(string(b)) != e.Name() {
			t.Errorf("%q leads to %q, %v", e.Name(), b, err)
		}
	}
}

func FuzzEscapeName(f *testing.F) {
	for _, s := range []string{"plain", ".", "..", "a/b", "\xff", "\uFFFD41", "caf\xe9", "a\x00b", "\uFFFD2F", "\uFFFD", "\uFFFDEF\uFFFDBF\uFFFDBD2F"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, stored string) {
		shown := fstree.EscapeName(stored)
		if stored != "" && (!fs.ValidPath(shown) || strings.Contains(shown, "/")) {
			t.Errorf("%q is shown as %q", stored, shown)
		}
		if back := fstree.UnescapeName(shown); back != stored {
			t.Errorf("%q came back as %q", stored, back)
		}
		out := fstree.OutwardPath(shown)
		if out == "." && stored != "" || out == ".." || strings.ContainsAny(out, "/\x00") || out != stored && out != shown {
			t.Errorf("%q leaves as %q", stored, out)
		}
		// What has the name of another's outward form leaves under its own.
		if out != stored && fstree.OutwardPath(fstree.EscapeName(out)) == out {
			t.Errorf("%q and %q both leave as %q", stored, out, out)
		}
	})
}
