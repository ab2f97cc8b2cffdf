package qedafero_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"

	qedafero "github.com/qedfs/qedfs/adapters/afero"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// encrypted is gpt.qed with LUKS in its second volume.
func encrypted(t *testing.T) *imagefs.Disk {
	t.Helper()
	m, err := qedfile.Open("../../testdata/gpt.qed", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	b := make([]byte, m.Size())
	if _, err := m.ReadAt(b, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	volume := b[5242880:]
	clear(volume[:1<<20])
	copy(volume, "LUKS\xba\xbe\x00\x01")
	raw, err := qedfile.NewRaw(backend.NewMemory(b))
	if err != nil {
		t.Fatal(err)
	}
	d, err := imagefs.OpenDisk(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWalkMeetsTheErrorOfAVolumeThatCannotBeRead(t *testing.T) {
	d := encrypted(t)
	defer d.Close()
	files := qedafero.New(d.FS())
	names, err := afero.ReadDir(files, "/")
	if err == nil || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("ReadDir, which describes what it lists: %v, %v", names, err)
	}
	met, others := 0, 0
	err = afero.Walk(files, "/", func(name string, _ os.FileInfo, err error) error {
		switch {
		case err == nil:
			others++
		case errors.Is(err, errors.ErrUnsupported) && filepath.Base(name) == "p2":
			met++
		default:
			t.Errorf("%s: %v", name, err)
		}
		return nil
	})
	if err != nil || met != 1 || others < 5 {
		t.Errorf("met %d errors and %d files, %v", met, others, err)
	}
	if _, err := files.Stat("/p2"); !errors.Is(err, errors.ErrUnsupported) || os.IsNotExist(err) {
		t.Errorf("Stat: %v", err)
	}
	if _, err := files.Stat("/p3"); !os.IsNotExist(err) {
		t.Errorf("what there is not: %v", err)
	}
}

func TestAfterCloseAferoAnswersNothing(t *testing.T) {
	d := encrypted(t)
	files := qedafero.New(d.FS())
	if _, err := files.Stat("/p1"); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := files.Stat("/p1"); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("%v", err)
	}
}
