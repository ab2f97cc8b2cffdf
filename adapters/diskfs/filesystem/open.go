package filesystem

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/btrfs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/erofs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/exfat"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ext4"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fat"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/hfsplus"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/iso9660"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ntfs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/probe"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/squashfs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/udf"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ufs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/xfs"
)

var (
	// ErrNoFilesystem is returned for a volume in which nothing is recognised.
	ErrNoFilesystem = errors.New("no filesystem found")

	// ErrUnsupported is matched by the error for a volume that holds something
	// that is recognised and that no reader serves. It is [errors.ErrUnsupported].
	ErrUnsupported = fstree.ErrUnsupported
)

// Open recognises and opens the filesystem in size bytes of r. The error
// matches [ErrNoFilesystem] where nothing is recognised, [ErrUnsupported] where
// what is recognised has no reader, and names the damage otherwise.
func Open(r io.ReaderAt, size int64) (*fstree.FS, error) {
	sig, err := probe.Identify(r, size)
	if sig.Type == "" && err != nil {
		return nil, err
	}
	return OpenType(sig.Type, r, size)
}

// OpenType opens a filesystem whose type is known, by the name that blkid has
// for it: "ext4", "vfat", ... It is the one place that knows which reader
// serves what. Its errors are those of [Open]; "" is nothing recognised.
func OpenType(kind string, r io.ReaderAt, size int64) (*fstree.FS, error) {
	return OpenTypeWith(kind, r, size, nil)
}

// Options say how a filesystem is read. The zero value, or nil, is what [Open] does.
type Options struct {
	// Zone is where the clock stood whose times are stored without saying so: by
	// FAT, and by exFAT for some. nil is UTC.
	Zone *time.Location
}

// OpenTypeWith opens a filesystem as [OpenType] does, by options.
func OpenTypeWith(kind string, r io.ReaderAt, size int64, opts *Options) (*fstree.FS, error) {
	if kind == "" {
		return nil, ErrNoFilesystem
	}
	if opts == nil {
		opts = &Options{}
	}
	open := opts.reader(kind)
	if open == nil {
		return nil, fmt.Errorf("%s: %w", kind, ErrUnsupported)
	}
	return open(r, size)
}

func (o *Options) reader(kind string) func(io.ReaderAt, int64) (*fstree.FS, error) {
	switch kind {
	case "btrfs":
		return btrfs.Open
	case "erofs":
		return erofs.Open
	case "exfat":
		return func(r io.ReaderAt, size int64) (*fstree.FS, error) {
			return exfat.OpenWith(r, size, &exfat.Options{Zone: o.Zone})
		}
	case "ext2", "ext3", "ext4":
		return ext4.Open
	case "hfsplus":
		return hfsplus.Open
	case "iso9660":
		return openDisc
	case "ntfs":
		return ntfs.Open
	case "squashfs":
		return squashfs.Open
	case "udf":
		return udf.Open
	case "ufs":
		return ufs.Open
	case "vfat":
		return func(r io.ReaderAt, size int64) (*fstree.FS, error) {
			return fat.OpenWith(r, size, &fat.Options{Zone: o.Zone})
		}
	case "xfs":
		return xfs.Open
	}
	return nil
}

// openDisc opens the ISO 9660 side of a disc. Where that is a readme alone, as on the
// install media of Windows, it opens the UDF side, which has the files.
func openDisc(r io.ReaderAt, size int64) (*fstree.FS, error) {
	iso, err := iso9660.Open(r, size)
	if err != nil || !readmeAlone(iso) {
		return iso, err
	}
	if other, err := udf.Open(r, size); err == nil {
		return other, nil
	}
	return iso, nil
}

func readmeAlone(fsys *fstree.FS) bool {
	list, err := fsys.ReadDir(".")
	return err == nil && len(list) == 1 && list[0].Type().IsRegular() && strings.EqualFold(list[0].Name(), "readme.txt")
}
