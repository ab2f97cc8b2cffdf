package filesystem_test

import (
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

func TestABadSectorMakesNoOtherFilesystemAndNoOtherSize(t *testing.T) {
	for _, name := range []string{
		"btrfs-log", "erofs-plain", "erofs-lz4", "exfat-cluster4k", "ext2-1k", "ext4-4k", "ext4-meta-bg", "crash-ext4-4k", "crash-ext4-fast-4k",
		"fat-12-floppy", "fat-16", "fat-32", "iso9660-plain", "iso9660-joliet", "iso9660-rock-ridge", "ntfs", "squashfs-xz", "udf-201",
		"ufs1-be", "ufs2-le", "hfsplus-4k", "hfsplus-wrapped",
		"xfs-v5", "xfs-dirty", "xfs-v4-dirty",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fstreetest.BadSectors(t, name, filesystem.Open)
			fstreetest.BreaksDown(t, name, filesystem.Open)
		})
	}
}
