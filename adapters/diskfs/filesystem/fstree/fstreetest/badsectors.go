package fstreetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

var errBadSector = errors.New("bad sector")

const (
	sectorSize = 512
	none       = -1 // no sector is bad
)

// badSector is a volume with one sector that cannot be read.
type badSector struct {
	io.ReaderAt
	bad int64 // its number, or none

	mu     sync.Mutex
	broken bool           // all are bad
	failed bool           // a read has
	read   map[int64]bool // sectors that were
}

func (b *badSector) ReadAt(p []byte, off int64) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := off / sectorSize; s*sectorSize < off+int64(len(p)); s++ {
		if s == b.bad || b.broken {
			b.failed = true
			return 0, errBadSector
		}
		b.read[s] = true
	}
	return b.ReaderAt.ReadAt(p, off)
}

// BadSectors opens a committed image and describes it while one sector cannot
// be read, each in turn, and checks that what is then not as it is otherwise
// comes with the error: that of opening, Info's FreeErr, or a note.
func BadSectors(t *testing.T, name string, open func(r io.ReaderAt, size int64) (*fstree.FS, error)) {
	t.Helper()
	image := Image(t, name)
	describe := func(bad int64) (fstree.Info, map[int64]bool, error) {
		r := &badSector{ReaderAt: bytes.NewReader(image), bad: bad, read: make(map[int64]bool)}
		fsys, err := open(r, int64(len(image)))
		if err != nil {
			return fstree.Info{}, r.read, err
		}
		return fsys.Info(), r.read, nil
	}
	want, read, err := describe(none)
	if err != nil || want.FreeErr != nil {
		t.Fatal(err, want.FreeErr)
	}
	described := fmt.Sprintf("%+v", want)
	most := 500
	if testing.Short() {
		most = 50
	}
	apart := int64(len(read)/most + 1) // of a long table not each sector is tried
	for sector := range read {
		if sector*sectorSize > 64<<10 && sector%apart != 0 {
			continue
		}
		info, _, err := describe(sector)
		if told := errors.Is(err, errBadSector) || saysBadSector(info); !told && (err != nil || fmt.Sprintf("%+v", info) != described) {
			t.Errorf("%s: sector %d is bad, and nobody is told: %+v, %v; without %+v", name, sector, info, err, want)
		}
	}
}

// BreaksDown opens a committed image, has every later read fail, and checks that its description says so if it asked for anything.
func BreaksDown(t *testing.T, name string, open func(r io.ReaderAt, size int64) (*fstree.FS, error)) {
	t.Helper()
	image := Image(t, name)
	r := &badSector{ReaderAt: bytes.NewReader(image), bad: none, read: make(map[int64]bool)}
	fsys, err := open(r, int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	r.broken = true
	if info := fsys.Info(); r.failed && !saysBadSector(info) {
		t.Errorf("%s: nothing can be read, and nobody is told: %+v", name, info)
	}
}

func saysBadSector(info fstree.Info) bool {
	return errors.Is(info.FreeErr, errBadSector) || strings.Contains(strings.Join(info.Notes, " "), errBadSector.Error())
}
