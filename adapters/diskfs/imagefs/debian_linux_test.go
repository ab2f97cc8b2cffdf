package imagefs_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// QEDFS_DEBIAN_DISK names the directory in which .ci/debian-disk has made the
// disk of a whole Debian system.
func TestDebianSystemIsEqualToTheKernelsMountFileForFile(t *testing.T) {
	dir := os.Getenv("QEDFS_DEBIAN_DISK")
	if dir == "" {
		if oracle.Required() {
			t.Fatal("QEDFS_DEBIAN_DISK is not set")
		}
		t.Skip("SKIPPED, NOT PROVED HERE: QEDFS_DEBIAN_DISK names no disk; .ci/debian-disk makes one")
	}
	oracle.Root(t)
	mnt := t.TempDir()
	oracle.Run(t, "mount", "-t", "ext4", "-o", "loop,ro", filepath.Join(dir, "root.img"), mnt)
	t.Cleanup(func() { _ = exec.Command("umount", mnt).Run() })
	records := fstreetest.Manifest(t, mnt)

	d, err := imagefs.Open(filepath.Join(dir, "debian.qed"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	root, err := fs.Sub(d.FS(), "p2")
	if err != nil {
		t.Fatal(err)
	}
	fstreetest.Compare(t, root, records, 0)
	if len(records) < 5000 {
		t.Errorf("a Debian system of %d files", len(records))
	}
	loader, err := fs.ReadFile(d.FS(), "p1/EFI/debian/grubx64.efi")
	if err != nil || len(loader) == 0 {
		t.Errorf("the EFI system partition: %d bytes, %v", len(loader), err)
	}
}
