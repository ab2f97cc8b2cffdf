package imagefs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// openCommitted opens an image of the project's testdata.
func openCommitted(tb testing.TB, name string) *imagefs.Disk {
	tb.Helper()
	d, err := imagefs.Open(filepath.Join("../../../testdata", name), nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := d.Close(); err != nil {
			tb.Error(err)
		}
	})
	return d
}

func memoryDisk(t *testing.T, b []byte) *qedfile.Raw {
	t.Helper()
	d, err := qedfile.NewRaw(backend.NewMemory(b))
	if err != nil {
		t.Fatal(err)
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
		"lvm.qed": "p1 LVM2_member  1048576+10485760; p2 LVM2_member  11534336+10485760; " +
			"vg-root ext4 lvroot -1+8388608; vg-my--data ext2 lvdata -1+4194304; vg-snapshots   -1+1048576",
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

func span(v imagefs.Volume) string { return fmt.Sprintf("%d+%d", v.Offset, v.Size) }

func TestTreesAreFilesystemsByTheStandardLibrarysTest(t *testing.T) {
	for _, c := range []struct {
		image, dir string
		files      []string
	}{
		{"gpt.qed", ".", []string{"p1/EFI/BOOT/BOOTX64.EFI", "p2/etc/os-release", "p2/home/user/hostname"}},
		{"bare-ext4.qed", ".", []string{"disk/etc/app/config.yaml", "disk/var/log/sparse"}},
		{"iso9660.qed", ".", []string{"disk/usr/bin/hello", "disk/etc/hello"}},
		{"squashfs.qed", ".", []string{"disk/usr/bin/hello", "disk/etc/hello"}},
		// TestFS opens every link, and the other volumes hold dangling ones.
		{"mbr-logical.qed", "p1", []string{"README.TXT"}},
		{"mbr-logical.qed", "p5/app", []string{"config.yaml"}},
		{"lvm.qed", "vg-root", []string{"etc/hostname"}},
	} {
		t.Run(c.image+" "+c.dir, func(t *testing.T) {
			t.Parallel()
			tree, err := fs.Sub(openCommitted(t, c.image).FS(), c.dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := fstest.TestFS(tree, c.files...); err != nil {
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

func TestWalkYieldsThePathsOfTheTree(t *testing.T) {
	tree := openCommitted(t, "gpt.qed").FS()
	for _, root := range []string{".", "p2", "p2/var"} {
		var got, want []string
		for e, err := range tree.Walk(t.Context(), root, nil) {
			if err != nil {
				t.Errorf("%s: %v", e.Path, err)
			}
			got = append(got, e.Path+" "+e.Name())
			e.Skip = e.Path == "p2/etc"
		}
		err := fs.WalkDir(tree, root, func(path string, d fs.DirEntry, err error) error {
			want = append(want, path+" "+d.Name())
			if path == "p2/etc" {
				return fs.SkipDir
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", root, got, want)
		}
	}
}

// An image that was cut ends in the clusters that were written last, which of
// a copied disk are those of the backup GPT.
func TestAnImageThatWasCutShowsTheRest(t *testing.T) {
	image, err := os.ReadFile("../../../testdata/gpt.qed")
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.qed")
	if err := os.WriteFile(cut, image[:len(image)-8192], 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := imagefs.Open(cut, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if b, err := fs.ReadFile(d.FS(), "p2/etc/os-release"); err != nil || len(b) == 0 {
		t.Errorf("%q, %v", b, err)
	}
	notes, err := d.Notes()
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0].Text, "corrupt image") {
		t.Errorf("notes are %+v, %v", notes, err)
	}
}

// badRange is a disk of which a range can't be read.
type badRange struct {
	qedfile.Disk
	from, to int64
}

func (d badRange) ReadAt(p []byte, off int64) (int, error) {
	if off < d.to && off+int64(len(p)) > d.from {
		return 0, errBad
	}
	return d.Disk.ReadAt(p, off)
}

var errBad = errors.New("bad sector")

func TestAVolumeThatCanNotBeReadHidesNoOther(t *testing.T) {
	image, err := qedfile.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := imagefs.OpenDisk(badRange{image, 1 << 20, 5 << 20}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := fs.Stat(d.FS(), "p2/etc/os-release"); err != nil {
		t.Error(err)
	}
	v, err := d.Volume("p1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.FS(); !errors.Is(err, errBad) || v.Filesystem != "" {
		t.Errorf("p1: %q, %v", v.Filesystem, err)
	}
}
