package squashfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// TestManyLargeAttributesAreRead takes a file with more of them than most
// filesystems hold from XFS, which holds any number.
func TestManyLargeAttributesAreRead(t *testing.T) {
	oracle.Root(t)
	source, mnt := filepath.Join(t.TempDir(), "source"), t.TempDir()
	if err := errors.Join(os.WriteFile(source, nil, 0o600), os.Truncate(source, 320<<20)); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, oracle.Tool(t, "mkfs.xfs"), "-q", source)
	oracle.Run(t, "mount", "-t", "xfs", "-o", "loop", source, mnt)
	defer oracle.Run(t, "umount", mnt)
	file := filepath.Join(mnt, "file")
	err := os.WriteFile(file, []byte("contents"), 0o644)
	for i := range 12 {
		err = errors.Join(err, unix.Setxattr(file, fmt.Sprint("user.", i), bytes.Repeat([]byte{byte(i)}, 60000+i), 0))
	}
	if err != nil {
		t.Fatal(err)
	}
	c := config("many-attributes", "")
	c.Fill, c.Large = func(testing.TB, string) {}, true
	c.Make = func(tb testing.TB, image, _ string) { mksquashfs()(tb, image, mnt) }
	fstreetest.Run(t, []fstreetest.Config{c}, open)
}
