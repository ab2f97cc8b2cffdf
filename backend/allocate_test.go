package backend_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/backend"
)

func TestAllocateKeepsWhatIsStoredAndMakesTheFileLarger(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	f, err := backend.OpenFile(name, os.O_RDWR|os.O_CREATE, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("data"), 0); err != nil {
		t.Fatal(err)
	}
	// Those that stand before a storage pass the call on.
	err = backend.Allocate(backend.Unsynced(backend.Borrowed(f)), 0, 1<<20)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("this system or filesystem takes no space ahead")
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil || len(b) != 1<<20 || string(b[:4]) != "data" || b[4] != 0 {
		t.Errorf("%d bytes, %.4q: %v", len(b), b, err)
	}
}

func TestAllocateRefusesWhatItCannotDo(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := backend.OpenFile(name, os.O_RDONLY, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Allocate(0, 512); !errors.Is(err, backend.ErrReadOnly) {
		t.Errorf("a file opened for reading: %v", err)
	}
	m := backend.NewMemory(nil)
	if err := backend.Allocate(m, 0, 512); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("memory: %v", err)
	}
	for _, r := range [][2]int64{{-1, 1}, {0, -1}, {1 << 62, 1 << 62}} {
		if err := backend.Allocate(m, r[0], r[1]); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%d bytes at %d: %v", r[1], r[0], err)
		}
	}
	b := backend.Borrowed(m)
	b.Close()
	if err := backend.Allocate(b, 0, 1); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a closed one: %v", err)
	}
}
