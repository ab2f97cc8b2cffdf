package main

import (
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

func TestTheCopyOfAPartitionHoldsItsFilesystem(t *testing.T) {
	file := filepath.Join(t.TempDir(), "root.img")
	if err := extract("../../testdata/gpt.qed", 2, file); err != nil {
		t.Fatal(err)
	}
	disk, err := imagefs.Open(file, &imagefs.Options{Format: imagefs.FormatRaw})
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	if b, err := fs.ReadFile(disk.FS(), "disk/etc/hostname"); string(b) != "example\n" {
		t.Errorf("%q, %v", b, err)
	}
	if disk.Size() != 16<<20 {
		t.Errorf("the copy has %d bytes", disk.Size())
	}
}

func TestAPartitionThatIsNotThereIsAnError(t *testing.T) {
	if err := extract("../../testdata/gpt.qed", 3, filepath.Join(t.TempDir(), "x")); err == nil {
		t.Error("no error")
	}
	if err := extract("../../testdata/missing.qed", 1, filepath.Join(t.TempDir(), "x")); err == nil {
		t.Error("no error")
	}
}
