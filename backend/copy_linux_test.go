package backend

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

func TestKernelCopiesBetweenFilesOfOneFilesystem(t *testing.T) {
	dir := t.TempDir()
	create := func(name string) *File {
		f, err := OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	src, dst := create("src"), create("dst")
	if _, err := src.WriteAt([]byte("0123456789"), 0); err != nil {
		t.Fatal(err)
	}
	section, err := NewSection(src, 2, 6)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := copyByKernel(t.Context(), dst, 4, section, 1, 5); n != 5 || err != nil {
		t.Fatalf("copyByKernel = %d, %v, want 5", n, err)
	}
	if got, err := os.ReadFile(dst.Name()); string(got) != "\x00\x00\x00\x0034567" || err != nil {
		t.Errorf("the target holds %q, %v", got, err)
	}
}

func TestMappedFilesShareTheirBlocksWhereTheFilesystemCan(t *testing.T) {
	oracle.Root(t)
	dir := t.TempDir()
	image, mnt := filepath.Join(dir, "image"), filepath.Join(dir, "mnt")
	oracle.Run(t, "truncate", "-s", "128M", image)
	oracle.Run(t, "mkfs.btrfs", "-q", image)
	if err := os.Mkdir(mnt, 0o755); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "mount", "-o", "loop", image, mnt)
	defer oracle.Run(t, "umount", mnt)
	create := func(name string) *File {
		f, err := OpenFile(filepath.Join(mnt, name), os.O_RDWR|os.O_CREATE, nil)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	src, dst := create("src"), create("dst")
	defer dst.Close()
	for i := range 512 {
		if _, err := src.WriteAt([]byte(strings.Repeat("data", 1024)), int64(i)*4096); err != nil {
			t.Fatal(err)
		}
	}
	m := NewMapped(src, nil)
	defer m.Close()
	if err := CopyRange(t.Context(), Unsynced(dst), 65536, m, 8192, 1<<20); err != nil {
		t.Fatal(err)
	}
	// What cannot be shared, for it is no whole block, is copied.
	if err := CopyRange(t.Context(), dst, 3<<20, m, 100, 5000); err != nil {
		t.Fatal(err)
	}
	extents := oracle.Run(t, "filefrag", "-v", dst.Name())
	if !strings.Contains(extents, "shared") {
		t.Errorf("nothing is shared:\n%s", extents)
	}
	got, err := os.ReadFile(dst.Name())
	if err != nil || string(got[65536:65536+1<<20]) != strings.Repeat("data", 1<<18) || string(got[3<<20:]) != strings.Repeat("data", 1250) {
		t.Errorf("the copy differs: %v", err)
	}
}
