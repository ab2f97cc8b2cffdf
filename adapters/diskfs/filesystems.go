package qeddiskfs

import (
	"fmt"
	"io"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/btrfs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/erofs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/exfat"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ext4"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fat"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/iso9660"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ntfs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/squashfs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/xfs"
)

// openFilesystem opens a volume with the reader of what it holds, by the name
// that package probe has for it. It is the one place that knows which reader
// serves what.
func openFilesystem(kind string, r io.ReaderAt, size int64) (*fstree.FS, error) {
	switch kind {
	case "btrfs":
		return btrfs.Open(r, size)
	case "erofs":
		return erofs.Open(r, size)
	case "exfat":
		return exfat.Open(r, size)
	case "ext2", "ext3", "ext4":
		return ext4.Open(r, size)
	case "iso9660":
		return iso9660.Open(r, size)
	case "ntfs":
		return ntfs.Open(r, size)
	case "squashfs":
		return squashfs.Open(r, size)
	case "vfat":
		return fat.Open(r, size)
	case "xfs":
		return xfs.Open(r, size)
	case "LVM2_member":
		return nil, fmt.Errorf("a physical volume of LVM, its logical volumes stand beside it: %w", ErrUnsupported)
	case "":
		return nil, ErrNoFilesystem
	}
	return nil, fmt.Errorf("%s: %w", kind, ErrUnsupported)
}
