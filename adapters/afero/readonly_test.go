package qedafero_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/spf13/afero"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"

	qedafero "github.com/qedfs/qedfs/adapters/afero"
)

// image opens the tree of a committed image.
func image(tb testing.TB) afero.Fs {
	tb.Helper()
	d, err := imagefs.Open("../../testdata/gpt.qed", nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = d.Close() })
	return qedafero.New(d.FS())
}

const hostname = "/p2/etc/hostname" // holds "example\n"

func TestNamesAreTakenAsOnUnix(t *testing.T) {
	fsys := image(t)
	for _, name := range []string{hostname, "p2/etc/hostname", "./p2/etc/hostname", "/../p2/home/../etc//hostname", "/p2/etc/hostname/"} {
		if b, err := afero.ReadFile(fsys, name); err != nil || string(b) != "example\n" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	for _, root := range []string{"", ".", "/", "..", "/.."} {
		if list, err := afero.ReadDir(fsys, root); err != nil || len(list) != 2 {
			t.Errorf("%q has %d entries, %v", root, len(list), err)
		}
	}
}

func TestEveryChangeIsRefusedAsOnAReadOnlyMount(t *testing.T) {
	fsys := image(t)
	f, err := fsys.Open(hostname)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	second := func(_ any, err error) error { return err }
	open := func(flag int) error { return second(fsys.OpenFile(hostname, flag, 0o600)) }
	for what, err := range map[string]error{
		"create":          second(fsys.Create("/p2/new")),
		"mkdir":           fsys.Mkdir("/p2/new", 0o700),
		"mkdirall":        fsys.MkdirAll("/p2/new/er", 0o700),
		"remove":          fsys.Remove(hostname),
		"removeall":       fsys.RemoveAll("/p2"),
		"rename":          fsys.Rename(hostname, "/p2/other"),
		"chmod":           fsys.Chmod(hostname, 0o600),
		"chown":           fsys.Chown(hostname, 0, 0),
		"chtimes":         fsys.Chtimes(hostname, time.Now(), time.Now()),
		"open to write":   open(os.O_WRONLY),
		"open for both":   open(os.O_RDWR),
		"open to append":  open(os.O_APPEND),
		"open truncating": open(os.O_TRUNC),
		"open creating":   second(fsys.OpenFile("/p2/new", os.O_RDWR|os.O_CREATE, 0o600)),
		"write":           second(f.Write([]byte("x"))),
		"write at":        second(f.WriteAt([]byte("x"), 0)),
		"write string":    second(f.WriteString("x")),
		"truncate":        f.Truncate(0),
	} {
		var pe *fs.PathError
		if !errors.As(err, &pe) || pe.Err != syscall.EROFS {
			t.Errorf("%s: %v, want EROFS in a PathError", what, err)
		}
	}
	var le *os.LinkError
	if err := fsys.(afero.Linker).SymlinkIfPossible("a", "b"); !errors.As(err, &le) || le.Err != syscall.EROFS {
		t.Errorf("symlink: %v, want EROFS in a LinkError", err)
	}
	if err := open(os.O_RDWR | os.O_SYNC); err == nil {
		t.Error("opened for writing")
	}
	if _, err := fsys.OpenFile("/p2/missing", os.O_RDWR, 0); !os.IsNotExist(err) {
		t.Errorf("open of a missing file: %v", err)
	}
	if err := f.Sync(); err != nil {
		t.Error(err)
	}
}

func TestErrorsAreThoseThatAferosLayersLookFor(t *testing.T) {
	fsys := image(t)
	var pe *fs.PathError
	if _, err := fsys.Stat("/p2/etc/missing"); !errors.As(err, &pe) || pe.Err != os.ErrNotExist || pe.Path != "/p2/etc/missing" {
		t.Errorf("stat of a missing file: %v", err)
	}
	if _, err := fsys.Open(hostname + "/below"); !errors.As(err, &pe) || pe.Err != syscall.ENOTDIR {
		t.Errorf("open below a file: %v", err)
	}
	if ok, err := afero.Exists(fsys, "/p9/x"); ok || err != nil {
		t.Errorf("a volume that is not there exists: %v, %v", ok, err)
	}
}

func TestLinksCanBeSeen(t *testing.T) {
	fsys := image(t)
	const link = "/p2/home/user/hostname"
	info, knows, err := fsys.(afero.Lstater).LstatIfPossible(link)
	if err != nil || !knows || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("lstat: %v, %v, %v", info, knows, err)
	}
	if target, err := fsys.(afero.LinkReader).ReadlinkIfPossible(link); err != nil || target != "/etc/hostname" {
		t.Errorf("readlink: %q, %v", target, err)
	}
	if info, err := fsys.Stat(link); err != nil || info.Size() != int64(len("example\n")) {
		t.Errorf("stat: %v, %v", info, err)
	}
	// A tree without links says so.
	plain := qedafero.New(struct{ fs.FS }{fstest.MapFS{"a": {Data: []byte("x")}}})
	if _, knows, err := plain.(afero.Lstater).LstatIfPossible("a"); knows || err != nil {
		t.Errorf("lstat without links: %v, %v", knows, err)
	}
	if _, err := plain.(afero.LinkReader).ReadlinkIfPossible("a"); !errors.Is(err, afero.ErrNoReadlink) {
		t.Errorf("readlink without links: %v", err)
	}
}

func TestFilesCanBeReadAnywhere(t *testing.T) {
	f, err := image(t).Open("/p2/var/log/messages")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Name() != "/p2/var/log/messages" {
		t.Errorf("name %q", f.Name())
	}
	b := make([]byte, 6)
	if _, err := f.ReadAt(b, 18); err != nil || string(b) != "line 2" {
		t.Errorf("ReadAt: %q, %v", b, err)
	}
	if _, err := f.Seek(-8, io.SeekEnd); err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(f); err != nil || string(rest) != "the log\n" {
		t.Errorf("read %q, %v", rest, err)
	}
	var all bytes.Buffer
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Error(err)
	}
	if n, err := io.Copy(&all, f); err != nil || n != int64(all.Len()) || strings.Count(all.String(), "\n") != 200 {
		t.Errorf("copied %d bytes, %v", n, err)
	}
}

func TestDirectoriesAreListedInParts(t *testing.T) {
	d, err := image(t).Open("/p2/etc")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var got []string
	for {
		part, err := d.Readdirnames(1)
		got = append(got, part...)
		if err == io.EOF {
			break
		}
		if err != nil || len(part) != 1 {
			t.Fatalf("got %q, %v", part, err)
		}
	}
	slices.Sort(got)
	if want := []string{"app", "hello", "hostname", "os-release"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := d.Seek(0, io.SeekStart); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("seek in a directory: %v", err)
	}
}

func TestIOFSOfIt(t *testing.T) {
	if err := fstest.TestFS(afero.NewIOFS(image(t)), "p2/etc/os-release", "p1/EFI/BOOT/BOOTX64.EFI"); err != nil {
		t.Error(err)
	}
}

func TestWalkAndGlob(t *testing.T) {
	fsys := image(t)
	var files int
	err := afero.Walk(fsys, "/p2/usr", func(path string, info os.FileInfo, err error) error {
		files++
		return err
	})
	if err != nil || files != 3 {
		t.Errorf("walked %d files, %v", files, err)
	}
	if got, err := afero.Glob(fsys, "/p*/etc/*-release"); err != nil || !slices.Equal(got, []string{"/p2/etc/os-release"}) {
		t.Errorf("glob: %q, %v", got, err)
	}
}

func TestLayersOfAfero(t *testing.T) {
	base := image(t)
	read := func(name string, fsys afero.Fs, file, want string) {
		t.Helper()
		if b, err := afero.ReadFile(fsys, file); err != nil || string(b) != want {
			t.Errorf("%s: %s holds %q, %v", name, file, b, err)
		}
	}

	cow := afero.NewCopyOnWriteFs(base, afero.NewMemMapFs())
	f, err := cow.OpenFile(hostname, os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("changed\n"); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	read("CopyOnWriteFs", cow, hostname, "example\nchanged\n")
	if err := afero.WriteFile(cow, "/p2/etc/new", []byte("new"), 0o644); err != nil {
		t.Error(err)
	}
	if list, err := afero.ReadDir(cow, "/p2/etc"); err != nil || len(list) != 5 {
		t.Errorf("CopyOnWriteFs lists %d entries, %v", len(list), err)
	}
	read("the image below", base, hostname, "example\n")

	cache := afero.NewMemMapFs()
	cached := afero.NewCacheOnReadFs(base, cache, 0)
	read("CacheOnReadFs", cached, hostname, "example\n")
	read("its cache", cache, hostname, "example\n")

	read("BasePathFs", afero.NewBasePathFs(base, "/p2/etc"), "hostname", "example\n")
	read("ReadOnlyFs", afero.NewReadOnlyFs(base), hostname, "example\n")

	named := afero.NewRegexpFs(base, regexp.MustCompile(`\.yaml$`))
	read("RegexpFs", named, "/p2/etc/app/config.yaml", "server:\n  listen: 127.0.0.1\n  port: 8080\nname: example\n")
	if _, err := named.Open(hostname); !os.IsNotExist(err) {
		t.Errorf("RegexpFs opened what does not match: %v", err)
	}
}

func TestHTTPFileServerServesRanges(t *testing.T) {
	server := httptest.NewServer(http.FileServer(afero.NewHttpFs(image(t)).Dir("/p2")))
	defer server.Close()
	get := func(path, ranges string) (int, string) {
		req, err := http.NewRequest(http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ranges != "" {
			req.Header.Set("Range", ranges)
		}
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	if code, b := get("/var/log/messages", "bytes=18-23"); code != http.StatusPartialContent || b != "line 2" {
		t.Errorf("a range: %d %q", code, b)
	}
	if code, b := get("/etc/hostname", ""); code != http.StatusOK || b != "example\n" {
		t.Errorf("a file: %d %q", code, b)
	}
	if code, b := get("/etc/", ""); code != http.StatusOK || !strings.Contains(b, "os-release") {
		t.Errorf("a directory: %d %q", code, b)
	}
	if code, _ := get("/missing", ""); code != http.StatusNotFound {
		t.Errorf("a missing file: %d", code)
	}
}

func TestATreeWhoseFilesCanOnlyBeRead(t *testing.T) {
	fsys := qedafero.New(onlyRead{os.DirFS(filepath.Join("..", "..", "testdata"))})
	f, err := fsys.Open("make.sh")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("ReadAt: %v", err)
	}
	if _, err := f.Seek(0, io.SeekEnd); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Seek: %v", err)
	}
	if b, err := io.ReadAll(f); err != nil || len(b) == 0 {
		t.Errorf("read %d bytes, %v", len(b), err)
	}
}

// onlyRead hides all that files can do besides being read.
type onlyRead struct{ fs.FS }

func (o onlyRead) Open(name string) (fs.File, error) {
	f, err := o.FS.Open(name)
	return struct{ fs.File }{f}, err
}
