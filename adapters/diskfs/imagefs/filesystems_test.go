package imagefs_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

// Every committed image of a reader's tests is found and opened as a disk.
func TestEveryFilesystemIsOpenedByItsReader(t *testing.T) {
	images, err := filepath.Glob("../../../testdata/filesystems/*.img.gz")
	if err != nil || len(images) == 0 {
		t.Fatalf("no images: %v", err)
	}
	tried := make(map[string]bool)
	for _, image := range images {
		name := strings.TrimSuffix(filepath.Base(image), ".img.gz")
		kind, _, _ := strings.Cut(name, "-")
		if tried[kind] {
			continue
		}
		tried[kind] = true
		t.Run(name, func(t *testing.T) {
			d, err := imagefs.OpenDisk(memoryDisk(t, fstreetest.Image(t, name)), nil)
			if err != nil {
				t.Fatal(err)
			}
			v, err := d.Volume("disk")
			if err != nil {
				t.Fatal(err)
			}
			fsys, err := v.FS()
			if err != nil {
				t.Fatalf("%s: %v", v.Filesystem, err)
			}
			if info := fsys.Info(); info.Type != v.Filesystem {
				t.Errorf("blkid's name is %q, the reader's %q", v.Filesystem, info.Type)
			}
			if _, err := fsys.ReadDir("."); err != nil {
				t.Error(err)
			}
		})
	}
}
