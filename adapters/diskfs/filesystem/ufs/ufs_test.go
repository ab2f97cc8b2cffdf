package ufs_test

import (
	"bytes"
	"io"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ufs"
)

func open(r io.ReaderAt, size int64) (fs.FS, error) { return ufs.Open(r, size) }

func opened(t *testing.T, image []byte) *fstree.FS {
	t.Helper()
	fsys, err := ufs.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

func TestDamagedImagesDoNoHarm(t *testing.T) {
	for _, name := range []string{"ufs1-le", "ufs1-be", "ufs2-le", "ufs2-be"} {
		t.Run(name, func(t *testing.T) { fstreetest.Mutate(t, name, open) })
	}
}

func TestAVolumeWithoutItsEndSaysSo(t *testing.T) { fstreetest.CutOff(t, "ufs2-le", ufs.Open) }

func TestItIsAFilesystemByTheStandardLibrarysTest(t *testing.T) {
	sizes, err := fs.Sub(opened(t, fstreetest.Image(t, "ufs2-be")), "sizes") // elsewhere links dangle, which TestFS opens
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(sizes, "0.bin", "200000.bin"); err != nil {
		t.Error(err)
	}
}
