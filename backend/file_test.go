package backend_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend"
)

// open opens a file until the test ends.
func open(t *testing.T, name string, flag int, opts *backend.FileOptions) (*backend.File, error) {
	t.Helper()
	f, err := backend.OpenFile(name, flag, opts)
	if err == nil {
		t.Cleanup(func() { f.Close() })
	}
	return f, err
}

func TestFileOpenedForReadingRefusesChanges(t *testing.T) {
	name := tempFile(t, []byte("content"))
	f, err := backend.OpenFile(name, os.O_RDONLY, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, writeErr := f.WriteAt([]byte("x"), 0)
	for call, err := range map[string]error{"WriteAt": writeErr, "Truncate": f.Truncate(0)} {
		if !errors.Is(err, backend.ErrReadOnly) {
			t.Errorf("%s: %v, want ErrReadOnly", call, err)
		}
	}
	if err := f.Sync(); err != nil {
		t.Errorf("Sync with nothing to write: %v", err)
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != "content" {
		t.Errorf("the file holds %q, %v", got, err)
	}
}

func TestFileRefusesFlagsThatNoStorageCanHave(t *testing.T) {
	name := tempFile(t, []byte("content"))
	force := &backend.FileOptions{ForceShare: true}
	for _, tt := range []struct {
		what string
		flag int
		opts *backend.FileOptions
	}{
		{"write only", os.O_WRONLY, nil},
		{"append", os.O_RDWR | os.O_APPEND, nil},
		{"truncate for reading", os.O_RDONLY | os.O_TRUNC, nil},
		{"write without locks", os.O_RDWR, force},
	} {
		if f, err := backend.OpenFile(name, tt.flag, tt.opts); err == nil {
			f.Close()
			t.Errorf("%s: no error", tt.what)
		}
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != "content" {
		t.Errorf("the file holds %q, %v", got, err)
	}
}

func TestFileRefusesWhatIsNoFile(t *testing.T) {
	_, err := backend.OpenFile(t.TempDir(), os.O_RDONLY, nil)
	if err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: %v", err)
	}
	if _, err := backend.OpenFile(filepath.Join(t.TempDir(), "none"), os.O_RDONLY, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v, want os.ErrNotExist", err)
	}
}

func TestNewFileTakesAFileOpenedElsewhere(t *testing.T) {
	name := tempFile(t, []byte("content"))
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	osFile, err := root.Open(filepath.Base(name))
	if err != nil {
		t.Fatal(err)
	}
	f, err := backend.NewFile(osFile, os.O_RDONLY, nil)
	if err != nil {
		t.Fatal(err)
	}
	if f.OSFile() != osFile || f.Writable() {
		t.Errorf("OSFile() = %p, Writable() = %v, want %p, false", f.OSFile(), f.Writable(), osFile)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := osFile.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closing the File left the os.File open: %v", err)
	}
}

func TestSectionOfTooLittleFails(t *testing.T) {
	s, err := backend.NewSection(strings.NewReader("0123456789"), 4, 100)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 10)
	if n, err := s.ReadAt(p, 0); n != 6 || err == nil || err.Error() != "unexpected EOF" {
		t.Errorf("ReadAt = %d, %v, want 6, unexpected EOF", n, err)
	}
	for _, tt := range [][2]int64{{-1, 5}, {0, -1}, {1 << 62, 1 << 62}} {
		if _, err := backend.NewSection(strings.NewReader(""), tt[0], tt[1]); err == nil {
			t.Errorf("NewSection(%d, %d) is no error", tt[0], tt[1])
		}
	}
}
