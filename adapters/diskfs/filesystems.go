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
		return openWith(btrfs.Open, func(f *btrfs.FS) *fstree.FS { return f.FS }, r, size)
	case "erofs":
		return openWith(erofs.Open, func(f *erofs.FS) *fstree.FS { return f.FS }, r, size)
	case "exfat":
		return openWith(exfat.Open, func(f *exfat.FS) *fstree.FS { return f.FS }, r, size)
	case "ext2", "ext3", "ext4":
		return openWith(ext4.Open, func(f *ext4.FS) *fstree.FS { return f.FS }, r, size)
	case "iso9660":
		return openWith(iso9660.Open, func(f *iso9660.FS) *fstree.FS { return f.FS }, r, size)
	case "ntfs":
		return openWith(ntfs.Open, func(f *ntfs.FS) *fstree.FS { return f.FS }, r, size)
	case "squashfs":
		return openWith(squashfs.Open, func(f *squashfs.FS) *fstree.FS { return f.FS }, r, size)
	case "vfat":
		return openWith(fat.Open, func(f *fat.FS) *fstree.FS { return f.FS }, r, size)
	case "xfs":
		return openWith(xfs.Open, func(f *xfs.FS) *fstree.FS { return f.FS }, r, size)
	case "LVM2_member":
		return nil, fmt.Errorf("a physical volume of LVM, its logical volumes stand beside it: %w", ErrUnsupported)
	case "":
		return nil, ErrNoFilesystem
	}
	return nil, fmt.Errorf("%s: %w", kind, ErrUnsupported)
}

// openWith opens a volume with a reader's Open and takes the tree out of what
// that returns.
func openWith[F any](open func(io.ReaderAt, int64) (*F, error), tree func(*F) *fstree.FS, r io.ReaderAt, size int64) (*fstree.FS, error) {
	f, err := open(r, size)
	if err != nil {
		return nil, err
	}
	return tree(f), nil
}
