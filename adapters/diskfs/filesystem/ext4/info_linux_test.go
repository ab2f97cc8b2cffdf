package ext4_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ext4"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"golang.org/x/sys/unix"
)

// A few files are enough: what is counted is the filesystem's own.
func fillLittle(tb testing.TB, dir string) {
	tb.Helper()
	for _, name := range []string{"one", "two", "three"} {
		if err := os.WriteFile(dir+"/"+name, make([]byte, 5000), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
}

func TestInfoEqualsStatfsAndBlkid(t *testing.T) {
	for _, c := range configs {
		t.Run(c.Name, func(t *testing.T) {
			c.Fill = fillLittle
			c.Mkfs = append(c.Mkfs, "-L", "the label")
			r, _ := fstreetest.Build(t, c)
			image := r.(*os.File)
			vol, err := ext4.Open(image, c.Size)
			if err != nil {
				t.Fatal(err)
			}
			got, want := vol.Info(), statfs(t, image.Name())
			for _, f := range []struct {
				field     string
				got, want uint64
			}{
				{"block size", uint64(got.BlockSize), uint64(want.Frsize)},
				{"size", uint64(got.Size), want.Blocks * uint64(want.Frsize)},
				{"free", uint64(got.Free), want.Bfree * uint64(want.Frsize)},
				{"files", got.Files, want.Files},
				{"free files", got.FreeFiles, want.Ffree},
			} {
				if f.got != f.want {
					t.Errorf("%s is %d, statfs says %d", f.field, f.got, f.want)
				}
			}
			blkid := map[string]string{}
			for line := range strings.Lines(oracle.Run(t, "blkid", "-p", "-o", "export", image.Name())) {
				key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
				blkid[key] = value
			}
			if got.Type != blkid["TYPE"] || got.UUID != blkid["UUID"] || got.Label != strings.ReplaceAll(blkid["LABEL"], `\`, "") {
				t.Errorf("%s %s %q, blkid says %v", got.Type, got.UUID, got.Label, blkid)
			}
			if got.Dirty || len(got.Notes) > 0 {
				t.Errorf("dirty %v, notes %q", got.Dirty, got.Notes)
			}
		})
	}
}

// statfs asks the kernel about a mounted image.
func statfs(t *testing.T, image string) unix.Statfs_t {
	t.Helper()
	dir := t.TempDir()
	oracle.Run(t, "mount", "-t", "ext4", "-o", "loop,ro", image, dir)
	defer func() { _ = exec.Command("umount", dir).Run() }()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return st
}
