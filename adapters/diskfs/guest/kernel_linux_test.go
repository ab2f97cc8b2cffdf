package guest_test

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/guest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// TestTreeIsTheKernelsWhenItMountsTheSame mounts by hand what the guests' fstab
// says, and compares every file.
func TestTreeIsTheKernelsWhenItMountsTheSame(t *testing.T) {
	oracle.Root(t)
	for _, c := range []struct {
		image  string
		mounts [][]string // volume or path, point, type, options
		dirs   []string
	}{
		{"guest/debian.qed", [][]string{
			{"p3", "", "ext4", "loop,ro"},
			{"p2", "boot", "ext2", "loop,ro"},
			{"p4", "home", "ext4", "loop,ro"},
			{"/home/user/shared", "srv/shared", "none", "bind"},
			{"/home/user/note", "srv/note", "none", "bind"},
		}, []string{"etc", "home", "srv/shared", "usr", "var/lib/dpkg", "bin"}},
		{"guest/fedora.qed", [][]string{
			{"disk", "", "btrfs", "loop,ro,subvol=root"},
			{"disk", "home", "btrfs", "loop,ro,subvol=/home"},
			{"disk", "var", "btrfs", "loop,ro,subvolid=258"},
			{"disk", "mnt/all", "btrfs", "loop,ro,subvolid=5"},
		}, []string{"etc", "home", "var", "mnt/all/home", "mnt/all/root", "usr"}},
	} {
		t.Run(filepath.Base(c.image), func(t *testing.T) {
			d := open(t, c.image)
			found, err := guest.Find(d)
			if err != nil {
				t.Fatal(err)
			}
			work, mnt := t.TempDir(), t.TempDir()
			for _, m := range c.mounts {
				source := mnt + m[0]
				if m[3] != "bind" {
					source = filepath.Join(work, m[0])
					v, err := d.Volume(m[0])
					if err != nil {
						t.Fatal(err)
					}
					if _, err := os.Stat(source); err != nil {
						write(t, source, v.Reader())
					}
				}
				at := filepath.Join(mnt, m[1])
				oracle.Run(t, "mount", "-t", m[2], "-o", m[3], source, at)
				t.Cleanup(func() { _ = exec.Command("umount", at).Run() })
			}
			for _, dir := range c.dirs {
				sub, err := fs.Sub(found[0].Root(), dir)
				if err != nil {
					t.Fatal(err)
				}
				records := fstreetest.Manifest(t, filepath.Join(mnt, dir))
				fstreetest.Compare(t, sub, records, 0)
				if len(records) == 0 {
					t.Errorf("nothing in %s", dir)
				}
			}
		})
	}
}

func write(t *testing.T, name string, r io.Reader) {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", name, err))
	}
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
