package images_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/qedfile"
)

const testdata = "../../testdata/"

// open opens an image for a test, and closes it.
func open(t *testing.T, name string, opts *images.Options) qedfile.Disk {
	t.Helper()
	d, err := images.Open(name, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// contents is all of a disk.
func contents(t *testing.T, d qedfile.Disk) []byte {
	t.Helper()
	b := make([]byte, d.Size())
	if n, err := d.ReadAt(b, 0); n < len(b) {
		t.Fatal(n, err)
	}
	return b
}

func TestOpenQEDByMagic(t *testing.T) {
	name := testdata + "chain.qed"
	got := contents(t, open(t, name, &images.Options{Files: images.Siblings(name)}))
	want, err := qedfile.Open(name, &qedfile.Options{Backing: qedfile.SiblingBacking(name)})
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	if !bytes.Equal(got, contents(t, want)) {
		t.Error("the disk differs from what package qedfile reads")
	}
}

func TestOpenRefusesFilesByDefault(t *testing.T) {
	if _, err := images.Open(testdata+"chain.qed", nil); !errors.Is(err, qedfile.ErrBackingDenied) {
		t.Errorf("a chain without Options.Files: %v", err)
	}
}

func TestRawIsNeverGuessed(t *testing.T) {
	name := testdata + "chain-base.raw"
	if _, err := images.Open(name, nil); !errors.Is(err, qedfile.ErrFormat) {
		t.Errorf("a raw disk without its format said: %v", err)
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got := contents(t, open(t, name, &images.Options{Format: "raw"})); !bytes.Equal(got, raw) {
		t.Error("a raw disk's bytes differ from its file's")
	}
}

func TestUnknownFormatIsNamed(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(name, append([]byte("WithoutFreeSpace"), make([]byte, 1000)...), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := images.Open(name, nil)
	if !errors.Is(err, qedfile.ErrUnsupported) || !bytes.Contains([]byte(err.Error()), []byte("parallels")) {
		t.Errorf("a parallels image: %v", err)
	}
}
