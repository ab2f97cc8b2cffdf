package newfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/newfile"
)

// begin creates name and writes content, without committing it.
func begin(t *testing.T, name, content string, opts *newfile.Options) *newfile.File {
	t.Helper()
	f, err := newfile.Create(name, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Storage().WriteAt([]byte(content), 0); err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t *testing.T, name, content string, opts *newfile.Options) {
	t.Helper()
	if err := begin(t, name, content, opts).Commit(); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, name, want string) {
	t.Helper()
	if got, err := os.ReadFile(name); err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v, want %q", name, got, err, want)
	}
}

// expectNames checks what is in the working directory.
func expectNames(t *testing.T, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the directory holds %v, want %v", got, want)
	}
}

func old(t *testing.T, name string, perm fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, perm); err != nil {
		t.Fatal(err)
	}
}

func TestAFileHasItsNameOnlyOnceCommitted(t *testing.T) {
	t.Chdir(t.TempDir())
	f := begin(t, "new", "content", nil)
	expectNames(t, f.TempName())
	if ok, err := filepath.Match(newfile.Pattern, f.TempName()); !ok || err != nil {
		t.Errorf("the temporary name %s is not like %s", f.TempName(), newfile.Pattern)
	}
	if f.Committed() {
		t.Error("Committed() before Commit")
	}
	if err := f.Commit(); err != nil || !f.Committed() || f.Name() != "new" {
		t.Errorf("Commit: %v, Committed() = %v, Name() = %s", err, f.Committed(), f.Name())
	}
	if err := f.Close(); err != nil {
		t.Errorf("Close after Commit: %v", err)
	}
	if err := f.Commit(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a second Commit: %v", err)
	}
	expectNames(t, "new")
	expect(t, "new", "content")
}

func TestACloseWithoutCommitLeavesTheOldFile(t *testing.T) {
	t.Chdir(t.TempDir())
	old(t, "name", 0o640)
	f := begin(t, "name", "new", nil)
	expect(t, "name", "old")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	expectNames(t, "name")
	expect(t, "name", "old")
	if f, err := backend.OpenFile("name", os.O_RDWR, nil); err != nil {
		t.Errorf("the old file stays locked: %v", err)
	} else {
		f.Close()
	}
}

func TestTheStorageCanBeClosedBeforeCommit(t *testing.T) {
	t.Chdir(t.TempDir())
	f := begin(t, "name", "new", nil)
	s := f.Storage()
	if err := errors.Join(s.Sync(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	expect(t, "name", "new")
}

func TestNamesMayBeAsLongAsTheHostAllows(t *testing.T) {
	t.Chdir(t.TempDir())
	name := strings.Repeat("n", 255)
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Skipf("this host holds no names of 255 bytes: %v", err)
	}
	write(t, name, "long", nil)
	expect(t, name, "long")
}

func TestTheNewFileHasThePermissionsOfTheOldOne(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permissions to keep")
	}
	t.Chdir(t.TempDir())
	for _, tt := range []struct {
		opts *newfile.Options
		old  fs.FileMode
		want fs.FileMode
	}{
		{nil, 0o666, 0o666}, // in spite of the umask
		{nil, 0o600, 0o600},
		{nil, 0o751, 0o751},
		{&newfile.Options{Perm: 0o600}, 0o644, 0o600},
		{&newfile.Options{ReplaceReadOnly: true}, 0o444, 0o444},
	} {
		old(t, "name", tt.old)
		write(t, "name", "new", tt.opts)
		st, err := os.Stat("name")
		if err != nil || st.Mode() != tt.want {
			t.Errorf("%v over a file of mode %v has mode %v, %v, want %v", tt.opts, tt.old, st.Mode(), err, tt.want)
		}
		os.Remove("name")
	}
}

func TestASymbolicLinkStaysOne(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"links", "files", "files/deep"} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"links/deep":    "../files/deep", // a directory
		"first":         "links/second",
		"files/deep/up": "../target", // seen through links/deep, ".." is files
	} {
		if err := os.Symlink(target, link); err != nil {
			t.Skip(err)
		}
	}
	if err := os.Symlink("../files/dangling", "links/second"); err != nil {
		t.Fatal(err)
	}
	write(t, "first", "created", nil)
	expect(t, "files/dangling", "created")
	write(t, "first", "replaced", nil)
	expect(t, "files/dangling", "replaced")
	write(t, "links/deep/up", "up", nil)
	expect(t, "files/target", "up")
	for _, link := range []string{"first", "links/second", "files/deep/up"} {
		if st, err := os.Lstat(link); err != nil || st.Mode().Type() != fs.ModeSymlink {
			t.Errorf("%s is no link any more: %v, %v", link, st.Mode(), err)
		}
	}
	if err := os.Symlink("round", "round"); err != nil {
		t.Fatal(err)
	}
	if _, err := newfile.Create("round", nil); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a link to itself: %v, want ELOOP", err)
	}
}

func TestInARootALinkIsReplaced(t *testing.T) {
	t.Chdir(t.TempDir())
	old(t, "outside", 0o600)
	if err := os.MkdirAll("root/sub", 0o777); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot("root")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := os.Symlink("../../outside", "root/sub/link"); err != nil {
		t.Skip(err)
	}
	f, err := newfile.CreateIn(root, "sub/link", nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(f.TempName(), "sub"+string(filepath.Separator)) {
		t.Errorf("the temporary name is %s", f.TempName())
	}
	f.OSFile().WriteString("inside")
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	expect(t, "outside", "old")
	if st, err := os.Lstat("root/sub/link"); err != nil || !st.Mode().IsRegular() {
		t.Errorf("it is %v, %v", st.Mode(), err)
	}
	expect(t, "root/sub/link", "inside")
	if _, err := newfile.CreateIn(root, "../outside", nil); err == nil {
		t.Error("a file outside the root was created")
	}
}

func TestWhatCannotBecomeAFile(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("dir", 0o777); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(".")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	in := func(name string, opts *newfile.Options) (*newfile.File, error) {
		return newfile.CreateIn(root, name, opts)
	}
	for _, tt := range []struct {
		create func(string, *newfile.Options) (*newfile.File, error)
		name   string
		want   error
	}{
		{newfile.Create, "dir", nil},
		{newfile.Create, "dir/", nil},
		{newfile.Create, os.DevNull, nil},
		{newfile.Create, "none/file", fs.ErrNotExist},
		{newfile.Create, ".qed-0123456789abcdef.partial", fs.ErrInvalid},
		{newfile.Create, "dir/.QED-x.Partial", fs.ErrInvalid},
		{newfile.Create, "", nil},
		{in, "dir", syscall.EISDIR},
		{in, ".", syscall.EISDIR},
		{in, "none/file", fs.ErrNotExist},
		{in, "dir/.qed-x.partial", fs.ErrInvalid},
	} {
		f, err := tt.create(tt.name, nil)
		if err == nil {
			f.Close()
		}
		var path *fs.PathError
		if !errors.As(err, &path) || path.Path != tt.name || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("creating %q: %v, want %v of that path", tt.name, err, tt.want)
		}
	}
	expectNames(t, "dir")
}

func TestExclusiveReplacesNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	exclusive := &newfile.Options{Exclusive: true}
	f := begin(t, "name", "new", exclusive)
	old(t, "name", 0o600) // came while the other was being written
	if err := f.Commit(); !errors.Is(err, fs.ErrExist) || f.Committed() {
		t.Errorf("Commit: %v, Committed() = %v, want fs.ErrExist", err, f.Committed())
	}
	if _, err := newfile.Create("name", exclusive); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create: %v, want fs.ErrExist", err)
	}
	write(t, "other", "new", exclusive)
	expectNames(t, "name", "other")
	expect(t, "name", "old")
	expect(t, "other", "new")
}

// hasLocks skips a test that means nothing without locks.
func hasLocks(t *testing.T) {
	t.Helper()
	f, err := backend.OpenFile("probe", os.O_RDWR|os.O_CREATE, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove("probe")
	defer f.Close()
	if !f.Locked() {
		t.Skip("no locks on this filesystem")
	}
}

func TestTheOldFileIsLockedUntilItIsReplaced(t *testing.T) {
	t.Chdir(t.TempDir())
	hasLocks(t)
	old(t, "name", 0o600)
	f := begin(t, "name", "new", nil)
	if g, err := backend.OpenFile("name", os.O_RDWR, nil); !errors.Is(err, backend.ErrLocked) {
		g.Close()
		t.Errorf("opening the old file meanwhile: %v, want ErrLocked", err)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	g, err := backend.OpenFile("name", os.O_RDWR, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for _, opts := range []*newfile.Options{nil, {ReplaceReadOnly: true}} {
		if _, err := newfile.Create("name", opts); !errors.Is(err, backend.ErrLocked) {
			t.Errorf("replacing a file in use: %v, want ErrLocked", err)
		}
	}
	expectNames(t, "name")
}

func TestAFileThatMayNotBeWrittenIsReplacedOnlyWhenAsked(t *testing.T) {
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("this user may write everything")
	}
	t.Chdir(t.TempDir())
	old(t, "name", 0o444)
	if _, err := newfile.Create("name", nil); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Create: %v, want fs.ErrPermission", err)
	}
	for _, perm := range []fs.FileMode{0o444, 0} {
		if err := os.Remove("name"); err != nil {
			t.Fatal(err)
		}
		old(t, "name", perm)
		write(t, "name", "new", &newfile.Options{ReplaceReadOnly: true, Perm: 0o644})
		expect(t, "name", "new")
	}
}

func TestWritersOfOneNameDoNotDisturbEachOther(t *testing.T) {
	t.Chdir(t.TempDir())
	hasLocks(t)
	const writers, rounds = 8, 30
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			want := bytes.Repeat([]byte{'a' + byte(w)}, 10_000)
			for range rounds {
				f, err := newfile.Create("name", &newfile.Options{Unsynced: true})
				if errors.Is(err, backend.ErrLocked) {
					continue // another one holds the old file
				}
				if err != nil {
					t.Error(err)
					return
				}
				f.Storage().WriteAt(want, 0)
				if err := f.Commit(); err != nil {
					t.Error(err)
				}
				if got, err := os.ReadFile("name"); err != nil || len(got) != len(want) || !bytes.Equal(got, bytes.Repeat(got[:1], len(want))) {
					t.Errorf("the file is not whole: %d bytes, %v", len(got), err)
				}
			}
		})
	}
	wg.Wait()
	write(t, "name", "last", nil)
	expectNames(t, "name")
}

func TestTwoWritersAtOnce(t *testing.T) {
	t.Chdir(t.TempDir())
	hasLocks(t)
	first := begin(t, "name", "first", nil)
	second := begin(t, "name", "second", nil)
	if first.TempName() == second.TempName() {
		t.Fatal("both write the same file")
	}
	if err := errors.Join(second.Commit(), first.Commit()); err != nil {
		t.Fatal(err)
	}
	expectNames(t, "name")
	expect(t, "name", "first")
}

// TestMain lets the test binary be a program that is killed while it writes.
func TestMain(m *testing.M) {
	if name := os.Getenv("NEWFILE_TEST_WRITE"); name != "" {
		f, err := newfile.Create(name, nil)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		f.Storage().WriteAt([]byte("half"), 0)
		f.OSFile().Chmod(0o400) // as one that copies permissions does
		fmt.Println("writing")
		time.Sleep(time.Hour) // not select {}: a program in which nothing can go on ends
	}
	os.Exit(m.Run())
}

// startWriter runs a program that has begun to write name.
func startWriter(t *testing.T, name string) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "NEWFILE_TEST_WRITE="+name)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 100)
	if n, _ := out.Read(line); string(line[:n]) != "writing\n" {
		t.Fatalf("the writer says %q", line[:n])
	}
	return func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
}

func TestTheNextRunRemovesWhatAKilledOneLeft(t *testing.T) {
	t.Chdir(t.TempDir())
	hasLocks(t)
	kill := startWriter(t, "name")
	killSecond := startWriter(t, "name")
	write(t, "name", "while they write", nil)
	if names, err := filepath.Glob(newfile.Pattern); len(names) != 2 || err != nil {
		t.Fatalf("unfinished files: %v, %v, want those of two living writers", names, err)
	}
	kill()
	killSecond()
	write(t, "other", "another name", nil)
	if names, _ := filepath.Glob(newfile.Pattern); len(names) != 2 {
		t.Errorf("writing another name leaves %v", names)
	}
	write(t, "name", "new", nil)
	expectNames(t, "name", "other")
	expect(t, "name", "new")
}

func TestCommitAllNamesTheOnesThatFailed(t *testing.T) {
	t.Chdir(t.TempDir())
	a, b, c := begin(t, "a", "a", nil), begin(t, "b", "b", nil), begin(t, "c", "c", nil)
	if err := os.Remove(b.TempName()); err != nil {
		t.Fatal(err)
	}
	err := newfile.CommitAll(a, b, c)
	var path *fs.PathError
	if !errors.As(err, &path) || path.Path != "b" || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("CommitAll: %v, want that b does not exist", err)
	}
	if !a.Committed() || b.Committed() || !c.Committed() {
		t.Errorf("committed: %v, %v, %v, want a and c", a.Committed(), b.Committed(), c.Committed())
	}
	expectNames(t, "a", "c")
}
