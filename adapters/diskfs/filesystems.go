package qeddiskfs

import (
	"fmt"
	"io"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/btrfs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/exfat"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ext4"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fat"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/foreign"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ntfs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/xfs"
)

// openFilesystem opens a volume with the reader of what it holds. It is the
// one place that knows which reader serves what.
func openFilesystem(kind string, r io.ReaderAt, size int64) (*fstree.FS, error) {
	switch kind {
	case "ext2", "ext3", "ext4":
		e, err := ext4.Open(r, size)
		if err != nil {
			return nil, err
		}
		return e.FS, nil
	case "vfat":
		f, err := fat.Open(r, size)
		if err != nil {
			return nil, err
		}
		return f.FS, nil
	case "exfat":
		x, err := exfat.Open(r, size)
		if err != nil {
			return nil, err
		}
		return x.FS, nil
	case "xfs":
		x, err := xfs.Open(r, size)
		if err != nil {
			return nil, err
		}
		return x.FS, nil
	case "btrfs":
		b, err := btrfs.Open(r, size)
		if err != nil {
			return nil, err
		}
		return b.FS, nil
	case "ntfs":
		n, err := ntfs.Open(r, size)
		if err != nil {
			return nil, err
		}
		return n.FS, nil
	case "iso9660":
		return foreign.OpenISO9660(r, size)
	case "squashfs":
		return foreign.OpenSquashfs(r, size)
	case "erofs":
		return foreign.OpenEROFS(r, size)
	case "LVM2_member":
		return nil, fmt.Errorf("a physical volume of LVM, its logical volumes stand beside it: %w", ErrUnsupported)
	case "":
		return nil, ErrNoFilesystem
	}
	return nil, fmt.Errorf("%s: %w", kind, ErrUnsupported)
}
