//go:build !386 && !arm && !mips && !mipsle

package mounted

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

func TestNumbersTellFilesApart(t *testing.T) {
	n := &numbers{volumes: map[string]uint64{"p1": 1, "p2": 2, "many": 1 << volumeBits}}
	seen := make(map[uint64]string)
	for _, volume := range []string{"p1", "p2", "many"} {
		for _, ino := range []uint64{0, 1, 2, 1<<inoBits - 1, 1 << inoBits, 1<<52 | 2, 2<<52 | 2, 1 << 63, 1<<63 | 1, 1<<64 - 1} {
			name := volume + "/file"
			number := n.of(name, &fstree.Stat{Ino: ino})
			if other, taken := seen[number]; taken {
				t.Errorf("%s, inode %d is %d, and so is %s", volume, ino, number, other)
			}
			seen[number] = name
			if again := n.of(volume+"/another/name", &fstree.Stat{Ino: ino}); again != number {
				t.Errorf("%s, inode %d is %d and then %d", volume, ino, number, again)
			}
			if number == 0 || number == rootNumber {
				t.Errorf("%s, inode %d is %d", volume, ino, number)
			}
		}
	}
	alone := &numbers{}
	if got := alone.of("p2/etc", &fstree.Stat{Ino: 12}); got != 12 {
		t.Errorf("in a volume that is mounted alone inode 12 is %d", got)
	}
}

func TestWhatAFailedMountLeftIsRemoved(t *testing.T) {
	oracle.Root(t)
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine")
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := directory(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := uncover(dir, before); err != nil {
		t.Errorf("where nothing was left: %v", err)
	}
	if err := unix.Mount("none", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, 0) })
	if _, err := os.Stat(mine); err == nil {
		t.Fatal("the mount hides nothing")
	}
	if err := uncover(dir, before); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
}
