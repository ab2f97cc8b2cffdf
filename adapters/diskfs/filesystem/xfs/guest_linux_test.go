package xfs_test

import (
	"os"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

// TestMain lets tests run in a virtual machine too.
func TestMain(m *testing.M) { os.Exit(fstreetest.Main(m)) }

// TestTreeEqualsAnotherKernels has a kernel that still mounts version 4 fill it,
// and recover it after a crash.
func TestTreeEqualsAnotherKernels(t *testing.T) {
	small := fstreetest.Tree{Entries: 150, Extents: 60}
	many := fstreetest.Tree{Entries: 500, Extents: 800}
	fstreetest.RunInGuest(t, []string{"crc32c_generic", "xfs"}, []fstreetest.Config{
		filled(crashed(config("xfs-v4-dirty", 16, small, "-m", "crc=0", "-b", "size=1k"), 2, ""), ordinary),
		large(config("xfs-v4-everything", 32, small, "-m", "crc=0")),
		large(config("xfs-v4-no-types-many", 64, many, "-m", "crc=0", "-n", "ftype=0", "-b", "size=512")),
		large(config("xfs-v4-attr1", 64, small, "-m", "crc=0", "-b", "size=1k", "-i", "attr=1,projid32bit=0", "-n", "size=8k")),
		large(crashed(config("xfs-v4-dirty-everything", 64, small, "-m", "crc=0", "-b", "size=512"), 12, "")),
		large(crashed(config("xfs-v4-dirty-old-log", 64, small, "-m", "crc=0", "-l", "version=1,lazy-count=0"), 8, "")),
		large(crashed(config("xfs-quota", 32, small), 3, "uquota,gquota,pquota")),
	}, open)
}
