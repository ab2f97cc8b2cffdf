package xfs_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/xfs"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// TestInodeNumbersOfMoreThan32Bits makes a sparse filesystem of 4 TiB, whose
// directories the kernel spreads over groups of 1 TiB. Small directories then
// have numbers of eight bytes.
func TestInodeNumbersOfMoreThan32Bits(t *testing.T) {
	const size = 4<<40 - 4<<20
	oracle.Root(t)
	name := filepath.Join(t.TempDir(), "image")
	if err := errors.Join(os.WriteFile(name, nil, 0o600), os.Truncate(name, size)); err != nil {
		t.Skipf("no sparse file of 4 TiB here: %v", err)
	}
	oracle.Run(t, "mkfs.xfs", "-q", "-l", "size=64m", "-d", "agcount=4", name)
	mnt := t.TempDir()
	oracle.Run(t, "mount", "-t", "xfs", "-o", "loop,nouuid", name, mnt)
	defer oracle.Run(t, "umount", mnt)
	for i := range 8 {
		dir := filepath.Join(mnt, fmt.Sprint("dir", i))
		err := errors.Join(os.MkdirAll(filepath.Join(dir, "sub"), 0o755),
			os.WriteFile(filepath.Join(dir, "file"), []byte(dir), 0o644), os.Symlink("file", filepath.Join(dir, "link")))
		if err != nil {
			t.Fatal(err)
		}
	}
	oracle.Run(t, "mount", "-o", "remount,ro", mnt)
	image, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	fsys, err := xfs.Open(image, size)
	if err != nil {
		t.Fatal(err)
	}
	records := fstreetest.Manifest(t, mnt)
	wide := 0
	for _, r := range records {
		if r.Ino > 1<<32 {
			wide++
		}
	}
	if wide == 0 {
		t.Error("the kernel gave out no large number")
	}
	fstreetest.Compare(t, fsys, records, 0)
}

func TestNamesOfAnyCaseAreFound(t *testing.T) {
	c := version4("any case", 16, 60, "-n", "version=ci")
	image, _ := fstreetest.Build(t, c)
	fsys, err := xfs.Open(image, c.Size)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sizes/4096", "SIZES/4096", "Special/LINK50"} {
		if _, err := fsys.Lstat(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := fsys.Lstat("size/4096"); err == nil {
		t.Error("another name is found too")
	}
}

func TestOpeningAndListingTheRootReadsLittle(t *testing.T) {
	for _, name := range []string{"xfs-v5", "xfs-v4", "xfs-ordinary"} {
		image := fstreetest.Image(t, name)
		reads := counter{r: strings.NewReader(string(image))}
		fsys, err := xfs.Open(&reads, int64(len(image)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fsys.ReadDir("."); err != nil {
			t.Fatal(err)
		}
		if n := reads.calls.Load(); n > 40 {
			t.Errorf("%s: %d reads", name, n)
		}
	}
}
