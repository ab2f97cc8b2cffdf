package hfsplus_test

import (
	"bytes"
	"io"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/hfsplus"
)

func open(r io.ReaderAt, size int64) (fs.FS, error) { return hfsplus.Open(r, size) }

func opened(t *testing.T, image []byte) *fstree.FS {
	t.Helper()
	fsys, err := hfsplus.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

func TestDamagedImagesDoNoHarm(t *testing.T) {
	for _, name := range []string{"hfsplus-4k", "hfsplus-hfsx", "hfsplus-wrapped"} {
		t.Run(name, func(t *testing.T) { fstreetest.Mutate(t, name, open) })
	}
}

func TestAVolumeWithoutItsEndSaysSo(t *testing.T) {
	fstreetest.CutOff(t, "hfsplus-4k", hfsplus.Open)
}

func TestItIsAFilesystemByTheStandardLibrarysTest(t *testing.T) {
	sizes, err := fs.Sub(opened(t, fstreetest.Image(t, "hfsplus-4k")), "sizes") // elsewhere links dangle, which TestFS opens
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(sizes, "0.bin", "200000.bin"); err != nil {
		t.Error(err)
	}
}
