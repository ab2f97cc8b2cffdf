package archive_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/archive"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// shelf is a filesystem of one directory; a file's contents are its name, a
// thousand times, and of one of them a part cannot be read.
type shelf struct {
	names []string
	modes map[string]fs.FileMode // of those that are no regular files
	bad   string
}

var errMedium = errors.New("medium error")

func (*shelf) Info() fstree.Info { return fstree.Info{Type: "shelf"} }
func (*shelf) Root() fstree.ID   { return fstree.ID{Ino: 1} }

func (s *shelf) ReadDir(fstree.ID) iter.Seq2[fstree.Entry, error] {
	return func(yield func(fstree.Entry, error) bool) {
		for i, name := range s.names {
			if !yield(fstree.Entry{Name: name, ID: fstree.ID{Ino: uint64(2 + i)}, Type: s.modes[name]}, nil) {
				return
			}
		}
	}
}

func (s *shelf) Lookup(_ fstree.ID, name string) (fstree.Entry, error) {
	if i := slices.Index(s.names, name); i >= 0 {
		return fstree.Entry{Name: name, ID: fstree.ID{Ino: uint64(2 + i)}, Type: s.modes[name]}, nil
	}
	return fstree.Entry{}, fs.ErrNotExist
}

func (s *shelf) Stat(id fstree.ID) (fstree.Stat, error) {
	if id.Ino == 1 {
		return fstree.Stat{Ino: 1, Mode: fs.ModeDir | 0o755, Nlink: 2}, nil
	}
	name := s.names[id.Ino-2]
	st := fstree.Stat{Ino: id.Ino, Mode: 0o640 | s.modes[name], Nlink: 1, Mtime: time.Unix(1_600_000_001, 0)}
	if st.Mode.IsRegular() {
		st.Size = int64(len(contentOf(name)))
	}
	return st, nil
}

func contentOf(name string) string { return strings.Repeat(name, 1000) }

func (s *shelf) Readlink(fstree.ID) (string, error)        { return "../target", nil }
func (*shelf) Xattrs(fstree.ID) (map[string][]byte, error) { return nil, nil }
func (s *shelf) Open(id fstree.ID) (fstree.Content, error) { return page{s, s.names[id.Ino-2]}, nil }
func (p page) Size() int64                                 { return int64(len(contentOf(p.name))) }
func (p page) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		yield(fstree.Extent{Start: off, Length: min(n, p.Size()-off), Offset: -1}, nil)
	}
}

type page struct {
	*shelf
	name string
}

func (p page) ReadAt(b []byte, off int64) (int, error) {
	n, err := strings.NewReader(contentOf(p.name)).ReadAt(b, off)
	if p.name == p.bad && off+int64(n) > 100 {
		return max(int(100-off), 0), errMedium
	}
	return n, err
}

// unzip is an archive's members by name, as mode and contents.
func unzip(tb testing.TB, b []byte) (names []string, members map[string]string) {
	tb.Helper()
	r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		tb.Fatal(err) // also for names that lead outside
	}
	members = make(map[string]string)
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			tb.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			tb.Fatal(err)
		}
		names = append(names, f.Name)
		if _, ok := members[f.Name]; ok {
			tb.Errorf("%q is there twice", f.Name)
		}
		members[f.Name] = fmt.Sprint(f.Mode(), " ", string(text))
	}
	return names, members
}

func TestZipHoldsTheFiles(t *testing.T) {
	fsys := openFS(t)
	var b bytes.Buffer
	if err := archive.WriteZip(t.Context(), &b, fsys, ".", nil); err != nil {
		t.Fatal(err)
	}
	names, members := unzip(t, b.Bytes())
	count := 0
	for e, err := range fsys.Walk(t.Context(), ".", nil) {
		if err != nil {
			t.Fatal(err)
		}
		if count++; e.Path == "." {
			count--
			continue
		}
		st, err := e.Stat()
		if err != nil {
			t.Fatal(err)
		}
		name, want := e.Path, ""
		switch st.Mode.Type() {
		case fs.ModeDir:
			name += "/"
		case fs.ModeSymlink:
			want, err = e.ReadLink()
		case 0:
			var content []byte
			content, err = fsys.ReadFile(e.Path)
			want = string(content)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := members[name]; got != fmt.Sprint(st.Mode, " ", want) {
			t.Errorf("%s: %.60q, want %v %.60q", name, got, st.Mode, want)
		}
	}
	if count != len(names) {
		t.Errorf("%d members, want %d", len(names), count)
	}
}

func TestZipMembersAreRelativeToTheRoot(t *testing.T) {
	fsys := openFS(t)
	for root, want := range map[string]string{"etc/app": "config.yaml", "etc/hostname": "hostname"} {
		var b bytes.Buffer
		if err := archive.WriteZip(t.Context(), &b, fsys, root, nil); err != nil {
			t.Fatal(err)
		}
		if names, _ := unzip(t, b.Bytes()); !slices.Contains(names, want) {
			t.Errorf("%s: %q", root, names)
		}
	}
}

func TestZipNamesLeadNowhereElse(t *testing.T) {
	s := &shelf{names: []string{`..\..\evil`, "C:evil", "..", "a/b", "\xff", "\ufffd5c", "plain", "日本"}}
	var b bytes.Buffer
	if err := archive.WriteZip(t.Context(), &b, fstree.New(s), ".", nil); err != nil {
		t.Fatal(err)
	}
	names, members := unzip(t, b.Bytes())
	slices.Sort(names)
	want := []string{"\ufffd2E\ufffd2E", "..\ufffd5c..\ufffd5cevil", "C\ufffd3aevil", "a\ufffd2Fb", "plain", "\ufffdFF", "日本", "\ufffdEF\ufffdBF\ufffdBD5c"}
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	if got := members["plain"]; got != "-rw-r----- "+contentOf("plain") {
		t.Errorf("%.50q", got)
	}
	for _, f := range names {
		if !filepath.IsLocal(f) || strings.ContainsAny(f, `\:`) {
			t.Errorf("%q", f)
		}
	}
}

func TestZipListsWhatIsLeftOut(t *testing.T) {
	s := &shelf{
		names: []string{"LEFT-OUT.txt", "bad", "device", "link", "pipe", "socket"}, bad: "bad",
		modes: map[string]fs.FileMode{"device": fs.ModeDevice, "link": fs.ModeSymlink, "pipe": fs.ModeNamedPipe, "socket": fs.ModeSocket},
	}
	var told []string
	opts := &archive.Options{LeftOut: "LEFT-OUT.txt", Problem: func(path string, err error) {
		told = append(told, path)
		if want := errMedium; path != "bad" && !errors.Is(err, errors.ErrUnsupported) || path == "bad" && !errors.Is(err, want) {
			t.Errorf("%s: %v", path, err)
		}
	}}
	var b bytes.Buffer
	if err := archive.WriteZip(t.Context(), &b, fstree.New(s), ".", opts); err != nil {
		t.Fatal(err)
	}
	if want := []string{"bad", "device", "pipe", "socket"}; !slices.Equal(told, want) {
		t.Errorf("told of %q", told)
	}
	names, members := unzip(t, b.Bytes())
	if !slices.Equal(names, []string{"LEFT-OUT.txt", "bad", "link", "LEFT-OUT.txt-2"}) {
		t.Errorf("%q", names)
	}
	content := contentOf("bad")
	if got := members["bad"]; got != "-rw-r----- "+content[:100]+strings.Repeat("\x00", len(content)-100) {
		t.Errorf("%.200q", got)
	}
	if got := members["link"]; got != "Lrw-r----- ../target" {
		t.Errorf("%q", got)
	}
	for _, want := range []string{"\nbad: medium error\n", "\npipe: ", "\nsocket: ", "\ndevice: a device, pipe or socket"} {
		if !strings.Contains(members["LEFT-OUT.txt-2"], want) {
			t.Errorf("no %q in %q", want, members["LEFT-OUT.txt-2"])
		}
	}
	if err := archive.WriteZip(t.Context(), io.Discard, fstree.New(s), ".", nil); !errors.Is(err, errMedium) || !errors.Is(err, archive.ErrSpecial) {
		t.Errorf("without a place for problems: %v", err)
	}
}

func TestZipEnds(t *testing.T) {
	fsys := fstree.New(&shelf{names: []string{"a"}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := archive.WriteZip(ctx, io.Discard, fsys, ".", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("its context has ended: %v", err)
	}
	if err := archive.WriteZip(t.Context(), &failing{}, fsys, ".", nil); err == nil {
		t.Error("nothing can be written, and there is no error")
	}
}

func ExampleWriteZip() {
	fsys := fstree.New(&shelf{names: []string{"hello"}})
	f, err := os.CreateTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := archive.WriteZip(context.Background(), f, fsys, ".", nil); err != nil {
		log.Fatal(err)
	}
	r, err := zip.OpenReader(f.Name())
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	for _, member := range r.File {
		fmt.Println(member.Name, member.UncompressedSize64)
	}
	// Output: hello 5000
}
