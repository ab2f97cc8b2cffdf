package qeddiskfs_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	qeddiskfs "github.com/qedfs/qedfs/adapters/diskfs"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// rawDisk is a raw file as a disk.
type rawDisk struct {
	*os.File
	size int64
}

func (r rawDisk) Size() int64 { return r.size }

func openRaw(tb testing.TB, name string) rawDisk {
	tb.Helper()
	f, err := os.Open(name)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	info, err := f.Stat()
	if err != nil {
		tb.Fatal(err)
	}
	return rawDisk{f, info.Size()}
}

// openCommitted opens an image of the project's testdata.
func openCommitted(tb testing.TB, name string) *qeddiskfs.Disk {
	tb.Helper()
	raw := filepath.Join(tb.TempDir(), "raw")
	oracle.Run(tb, "qemu-img", "convert", "-O", "raw", filepath.Join("../../testdata", name), raw)
	d, err := qeddiskfs.OpenDisk(openRaw(tb, raw), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func TestVolumesOfTheCommittedImages(t *testing.T) {
	for image, want := range map[string]string{
		"gpt.qed":         "p1 vfat ESP 1048576+4194304; p2 ext4 root 5242880+16777216",
		"mbr-logical.qed": "p1 vfat DOSDISK 1048576+3145728; p2   4194304+12582912; p5 ext2 logical5 5242880+4194304; p6 ext2 logical6 10485760+4194304",
		"bare-ext4.qed":   "disk ext4 bare 0+8388608",
		"iso9660.qed":     "disk iso9660 EXAMPLE 0+718848",
		"squashfs.qed":    "disk squashfs  0+4096",
	} {
		volumes, err := openCommitted(t, image).Volumes()
		if err != nil {
			t.Errorf("%s: %v", image, err)
			continue
		}
		var got []string
		for _, v := range volumes {
			got = append(got, strings.Join([]string{v.Name, v.Filesystem, v.Label, span(v)}, " "))
		}
		if s := strings.Join(got, "; "); s != want {
			t.Errorf("%s:\n got %s\nwant %s", image, s, want)
		}
	}
}

func span(v qeddiskfs.Volume) string { return fmt.Sprintf("%d+%d", v.Offset, v.Size) }

func TestWholeTreeIsAFilesystemByTheStandardLibrarysTest(t *testing.T) {
	for image, files := range map[string][]string{
		"gpt.qed":         {"p1/EFI/BOOT/BOOTX64.EFI", "p2/etc/os-release", "p2/home/user/hostname"},
		"mbr-logical.qed": {"p1/README.TXT"},
		"bare-ext4.qed":   {"disk/etc/app/config.yaml", "disk/var/log/sparse"},
		"iso9660.qed":     {"disk/usr/bin/hello", "disk/etc/hello"},
		"squashfs.qed":    {"disk/usr/bin/hello", "disk/etc/hello"},
	} {
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			d := openCommitted(t, image)
			if err := fstest.TestFS(d.FS(), files...); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnAbsoluteLinkBeginsAtTheRootOfItsVolume(t *testing.T) {
	tree := openCommitted(t, "gpt.qed").FS()
	b, err := fs.ReadFile(tree, "p2/home/user/hostname")
	if err != nil || string(b) != "example\n" {
		t.Errorf("got %q, %v", b, err)
	}
}
