package extract_test

import (
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/extract"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// linked is a filesystem of one directory, in which every inode has two names,
// a and a2 for example.
type linked struct{ files []linkedFile }

type linkedFile struct {
	name string
	mode fs.FileMode
	data string // or the target
}

func (l linked) Info() fstree.Info { return fstree.Info{Type: "memfs"} }
func (l linked) Root() fstree.ID   { return fstree.ID{} }

func (l linked) ReadDir(fstree.ID) iter.Seq2[fstree.Entry, error] {
	return func(yield func(fstree.Entry, error) bool) {
		for i, f := range l.files {
			for _, name := range []string{f.name, f.name + "2"} {
				if !yield(fstree.Entry{Name: name, ID: fstree.ID{Ino: uint64(i) + 1}, Type: f.mode.Type()}, nil) {
					return
				}
			}
		}
	}
}

func (l linked) Lookup(dir fstree.ID, name string) (fstree.Entry, error) {
	for e := range l.ReadDir(dir) {
		if e.Name == name {
			return e, nil
		}
	}
	return fstree.Entry{}, fs.ErrNotExist
}

func (l linked) Stat(id fstree.ID) (fstree.Stat, error) {
	if id.Ino == 0 {
		return fstree.Stat{Mode: fs.ModeDir | 0o755, Nlink: 2}, nil
	}
	f := l.files[id.Ino-1]
	return fstree.Stat{Ino: id.Ino, Mode: f.mode, Nlink: 2, Size: int64(len(f.data)), Mtime: time.Unix(1e9, 0)}, nil
}

func (l linked) Readlink(id fstree.ID) (string, error)       { return l.files[id.Ino-1].data, nil }
func (l linked) Xattrs(fstree.ID) (map[string][]byte, error) { return nil, nil }
func (l linked) Open(id fstree.ID) (fstree.Content, error)   { return text(l.files[id.Ino-1].data), nil }

type text string

func (t text) Size() int64 { return int64(len(t)) }
func (t text) ReadAt(p []byte, off int64) (int, error) {
	return strings.NewReader(string(t)).ReadAt(p, off)
}

func (t text) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		if n = min(n, t.Size()-off); n > 0 {
			yield(fstree.Extent{Start: off, Length: n, Offset: -1}, nil)
		}
	}
}

var _ io.ReaderAt = text("")

// copyLinked copies all of l and returns what was said of it.
func copyLinked(t *testing.T, l linked, dir string, opts extract.Options) (problems []string) {
	t.Helper()
	opts.Problem = func(path string, err error) { problems = append(problems, path+": "+err.Error()) }
	if err := extract.Copy(t.Context(), fstree.New(l), []string{"."}, dir, &opts); err != nil {
		t.Fatal(err)
	}
	return problems
}

func same(t *testing.T, dir, a, b string) bool {
	t.Helper()
	x, err := os.Lstat(filepath.Join(dir, a))
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.Lstat(filepath.Join(dir, b))
	if err != nil {
		t.Fatal(err)
	}
	return os.SameFile(x, y)
}

func TestHardLinksStayLinksBetweenAllKindsOfFiles(t *testing.T) {
	l := linked{[]linkedFile{{"file", 0o644, "text"}, {"link", fs.ModeSymlink | 0o777, "file"}}}
	names := []string{"file", "link"}
	if runtime.GOOS == "linux" {
		l.files = append(l.files, linkedFile{"pipe", fs.ModeNamedPipe | 0o600, ""})
		names = append(names, "pipe")
	}
	dir := t.TempDir()
	if problems := copyLinked(t, l, dir, extract.Options{Devices: true}); len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, name := range names {
		if !same(t, dir, name, name+"2") {
			t.Errorf("%s and %s2 are two files", name, name)
		}
	}
}

func TestAHardLinkIsNeverToAFileThatWasThere(t *testing.T) {
	l := linked{[]linkedFile{{"file", 0o644, "from the image"}, {"link", fs.ModeSymlink | 0o777, "elsewhere"}}}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "the user's own")
	symlink(t, "the user's", filepath.Join(dir, "link"))
	problems := copyLinked(t, l, dir, extract.Options{})
	slices.Sort(problems)
	if want := []string{"file: exists already", "link: exists already"}; !slices.Equal(problems, want) {
		t.Errorf("problems are %q", problems)
	}
	check(t, filepath.Join(dir, "file"), "the user's own")
	check(t, filepath.Join(dir, "file2"), "from the image")
	if same(t, dir, "file", "file2") || same(t, dir, "link", "link2") {
		t.Error("a name of the image's file was given to the user's")
	}
	if target, err := os.Readlink(filepath.Join(dir, "link2")); err != nil || target != "elsewhere" {
		t.Errorf("link2 leads to %q, %v", target, err)
	}
}

func TestWithoutAProblemTheErrorIsReturned(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "the user's own")
	l := linked{[]linkedFile{{"file", 0o644, "from the image"}}}
	err := extract.Copy(t.Context(), fstree.New(l), []string{"."}, dir, nil)
	if err == nil || !strings.Contains(err.Error(), "file: exists already") {
		t.Errorf("the error is %v", err)
	}
}
