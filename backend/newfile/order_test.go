package newfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var errInjected = errors.New("injected")

// recorder is a directory that notes what is done to it, and fails the n-th
// time.
type recorder struct {
	rootDir
	mu     sync.Mutex
	events []string
	fail   int // 1 is the first, 0 none
	calls  int
}

func (r *recorder) note(format string, args ...any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, fmt.Sprintf(format, args...))
	r.calls++
	if r.calls == r.fail {
		return errInjected
	}
	return nil
}

// short is a name without the hash.
func short(name string) string {
	if isTemporary(name) {
		return filepath.Join(filepath.Dir(name), "TEMP")
	}
	return name
}

func (r *recorder) openFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	verb := "open"
	if flag&os.O_CREATE != 0 {
		verb = "make"
	}
	if err := r.note("%s %s", verb, short(name)); err != nil {
		return nil, err
	}
	return r.rootDir.openFile(name, flag, perm)
}

func (r *recorder) link(oldname, newname string) error {
	if err := r.note("link %s %s", short(oldname), newname); err != nil {
		return err
	}
	return r.rootDir.link(oldname, newname)
}

func (r *recorder) rename(oldname, newname string) error {
	if err := r.note("rename %s %s", short(oldname), newname); err != nil {
		return err
	}
	return r.rootDir.rename(oldname, newname)
}

func (r *recorder) remove(name string) error {
	if err := r.note("remove %s", short(name)); err != nil {
		return err
	}
	return r.rootDir.remove(name)
}

func (r *recorder) syncFile(f *os.File) error {
	if err := r.note("sync %s", short(filepath.Base(f.Name()))); err != nil {
		return err
	}
	return r.rootDir.syncFile(f)
}

func (r *recorder) syncDir(name string) error {
	if err := r.note("sync directory %s", name); err != nil {
		return err
	}
	return r.rootDir.syncDir(name)
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return &recorder{rootDir: rootDir{root}}
}

func (r *recorder) write(name, content string, opts *Options) error {
	f, err := begin(r, name, name, opts)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Storage().WriteAt([]byte(content), 0); err != nil {
		return err
	}
	return f.Commit()
}

func TestTheFileIsSyncedRenamedAndItsDirectorySynced(t *testing.T) {
	for _, tt := range []struct {
		opts *Options
		want string
	}{
		{nil, "make d/TEMP; sync TEMP; rename d/TEMP d/name; sync directory d"},
		{&Options{Unsynced: true}, "make d/TEMP; rename d/TEMP d/name"},
		{&Options{Exclusive: true}, "make d/TEMP; sync TEMP; link d/TEMP d/name; remove d/TEMP; sync directory d"},
	} {
		r := newRecorder(t)
		if err := r.root.Mkdir("d", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := r.write("d/name", "new", tt.opts); err != nil {
			t.Fatal(err)
		}
		if got := filepath.ToSlash(strings.Join(r.events, "; ")); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.opts, got, tt.want)
		}
	}
}

func TestFilesOfOneDirectoryAreSyncedBeforeAnyIsRenamed(t *testing.T) {
	r := newRecorder(t)
	var files []*File
	for _, name := range []string{"a", "b", "c"} {
		f, err := begin(r, name, name, nil)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	if err := CommitAll(files...); err != nil {
		t.Fatal(err)
	}
	want := "make TEMP; make TEMP; make TEMP; sync TEMP; sync TEMP; sync TEMP; rename TEMP a; rename TEMP b; rename TEMP c; sync directory ."
	if got := strings.Join(r.events, "; "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestEachFailureLeavesTheOldFileOrTheNew fails every single call in turn.
func TestEachFailureLeavesTheOldFileOrTheNew(t *testing.T) {
	for _, opts := range []*Options{nil, {Exclusive: true}} {
		for n := 1; ; n++ {
			r := newRecorder(t)
			before := ""
			if opts == nil {
				before = "old"
				if err := r.write("name", before, nil); err != nil {
					t.Fatal(err)
				}
				r.calls, r.events = 0, nil
			}
			r.fail = n
			err := r.write("name", "new", opts)
			if r.calls < n {
				break
			}
			got, _ := r.root.ReadFile("name")
			last := r.events[n-1]
			want := before
			switch {
			case last == "sync directory .", last == "remove TEMP", last == "link TEMP name":
				want = "new" // it is there, or it was made without the link
			}
			if string(got) != want || (err == nil) != (last == "link TEMP name") {
				t.Errorf("after a failing %q the file holds %q, %v, want %q", last, got, err, want)
			}
			if err != nil && !errors.Is(err, errInjected) {
				t.Errorf("after a failing %q: %v", last, err)
			}
			r.fail = 0
			entries, err := fs.ReadDir(r.root.FS(), ".")
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if e.Name() != "name" && last != "remove TEMP" {
					t.Errorf("a failing %q leaves %s", last, e.Name())
				}
			}
		}
	}
}

func TestAWriterWhoseFileIsTakenAwayFails(t *testing.T) {
	r := newRecorder(t)
	f, err := begin(r, "name", "name", nil)
	if err != nil {
		t.Fatal(err)
	}
	// Another run, on a host without locks, took it for a leftover.
	if err := r.root.Remove(f.TempName()); err != nil {
		t.Fatal(err)
	}
	if err := r.root.WriteFile(f.TempName(), []byte("half of another file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); err == nil || f.Committed() {
		t.Errorf("Commit: %v, Committed() = %v, want an error", err, f.Committed())
	}
	if _, err := r.root.Lstat("name"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another run's file has got the name: %v", err)
	}
	if _, err := r.root.Lstat(f.TempName()); err != nil {
		t.Errorf("another run's file was removed: %v", err)
	}
}
