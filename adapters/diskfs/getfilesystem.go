package qeddiskfs

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/diskfs/go-diskfs/disk"
	gofilesystem "github.com/diskfs/go-diskfs/filesystem"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/probe"
	"github.com/qedfs/qedfs/adapters/diskfs/partition"
	"github.com/qedfs/qedfs/backend/errs"
)

// FileSystem is go-diskfs's interface of a filesystem.
type FileSystem = gofilesystem.FileSystem

// TypeOther is the Type of a [FileSystem] for which go-diskfs has no
// constant, such as XFS.
const TypeOther = gofilesystem.Type(-1)

// GetFilesystem does what d.GetFilesystem does, with the readers of this
// module: it opens the filesystem of a partition, or of the whole disk if
// number is 0. It finds logical partitions too. The filesystem is for reading:
// every method that would change it returns [gofilesystem.ErrReadonlyFilesystem].
func GetFilesystem(d *disk.Disk, number int) (FileSystem, error) {
	offset, size := int64(0), d.Size
	if number != 0 {
		p, err := findPartition(d, number)
		if err != nil {
			return nil, err
		}
		offset, size = p.Offset, p.Size
	}
	r := io.NewSectionReader(d.Backend, offset, size)
	sig, err := probe.Identify(r, size)
	if sig.Type == "" && err != nil {
		return nil, errs.Errorf("qeddiskfs", "partition %d: %w", number, err)
	}
	fsys, err := filesystem.OpenType(sig.Type, r, size)
	if errors.Is(err, ErrNoFilesystem) {
		return nil, disk.NewUnknownFilesystemError(number)
	}
	if err != nil {
		return nil, errs.Errorf("qeddiskfs", "partition %d: %w", number, err)
	}
	return &goFilesystem{FS: fsys, sig: sig}, nil
}

// findPartition looks at the table of the disk itself: go-diskfs's has no
// logical partitions.
func findPartition(d *disk.Disk, number int) (*partition.Partition, error) {
	opts := &partition.Options{}
	if !d.DefaultBlocks {
		opts.SectorSize = d.LogicalBlocksize
	}
	table, err := partition.Read(d.Backend, d.Size, opts)
	if errors.Is(err, partition.ErrNoTable) {
		return nil, &disk.NoPartitionTableError{}
	}
	if err != nil {
		return nil, errs.Wrap("qeddiskfs", "", err)
	}
	p, err := table.Partition(number)
	if err != nil {
		return nil, disk.NewInvalidPartitionError(number)
	}
	return p, nil
}

// goFilesystem is a tree with the face that go-diskfs's own filesystems have.
type goFilesystem struct {
	*fstree.FS
	sig probe.Signature
}

var _ gofilesystem.FileSystem = (*goFilesystem)(nil)

func (g *goFilesystem) Type() gofilesystem.Type {
	switch g.sig.Type {
	case "ext2", "ext3", "ext4":
		return gofilesystem.TypeExt4
	case "vfat":
		return [...]gofilesystem.Type{12: gofilesystem.TypeFat12, 16: gofilesystem.TypeFat16, 32: gofilesystem.TypeFat32}[g.sig.FATBits]
	case "iso9660":
		return gofilesystem.TypeISO9660
	case "squashfs":
		return gofilesystem.TypeSquashfs
	}
	return TypeOther
}

func (g *goFilesystem) Label() string { return g.sig.Label }
func (g *goFilesystem) Close() error  { return nil }

// fromRoot makes a path that io/fs knows of one that may begin with a slash or
// "./". go-diskfs takes those in OpenFile and Stat of every filesystem, and on
// FAT in Open too. Here every method of FAT takes them; the others keep to
// io/fs, whose own test wants such paths refused.
func fromRoot(name string) string {
	return cmp.Or(strings.TrimPrefix(path.Clean("/"+name), "/"), ".")
}

func (g *goFilesystem) onFAT(name string) string {
	if g.sig.Type == "vfat" {
		return fromRoot(name)
	}
	return name
}

// Stat describes a file. As in go-diskfs, a symbolic link is followed.
func (g *goFilesystem) Stat(name string) (fs.FileInfo, error) { return g.FS.Stat(fromRoot(name)) }

// ReadFile returns the contents of a file.
func (g *goFilesystem) ReadFile(name string) ([]byte, error) { return g.FS.ReadFile(g.onFAT(name)) }

// Open opens a file or directory.
func (g *goFilesystem) Open(name string) (fs.File, error) { return g.FS.Open(g.onFAT(name)) }

// ReadDir lists a directory.
func (g *goFilesystem) ReadDir(name string) ([]fs.DirEntry, error) {
	return g.FS.ReadDir(g.onFAT(name))
}

// OpenFile opens a file for reading; every other flag is refused.
func (g *goFilesystem) OpenFile(name string, flag int) (gofilesystem.File, error) {
	if flag != os.O_RDONLY {
		return nil, readOnly("open", name)
	}
	f, err := g.FS.Open(fromRoot(name))
	if err != nil {
		return nil, err
	}
	file, ok := f.(fstree.File)
	if !ok {
		_ = f.Close()
		return nil, &fs.PathError{Op: "open", Path: name, Err: fstree.ErrIsDir}
	}
	return readOnlyFile{file, name}, nil
}

// readOnlyFile is an open file with the Write that go-diskfs asks of one.
type readOnlyFile struct {
	fstree.File
	name string
}

func (f readOnlyFile) Write([]byte) (int, error) { return 0, readOnly("write", f.name) }

func readOnly(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: gofilesystem.ErrReadonlyFilesystem}
}

func (g *goFilesystem) Mkdir(name string) error                  { return readOnly("mkdir", name) }
func (g *goFilesystem) Mknod(name string, _ uint32, _ int) error { return readOnly("mknod", name) }
func (g *goFilesystem) Link(_, name string) error                { return readOnly("link", name) }
func (g *goFilesystem) Symlink(_, name string) error             { return readOnly("symlink", name) }
func (g *goFilesystem) Chmod(name string, _ os.FileMode) error   { return readOnly("chmod", name) }
func (g *goFilesystem) Chown(name string, _, _ int) error        { return readOnly("chown", name) }
func (g *goFilesystem) Rename(name, _ string) error              { return readOnly("rename", name) }
func (g *goFilesystem) Remove(name string) error                 { return readOnly("remove", name) }
func (g *goFilesystem) SetLabel(string) error                    { return gofilesystem.ErrReadonlyFilesystem }

func (g *goFilesystem) Chtimes(name string, _, _, _ time.Time) error {
	return readOnly("chtimes", name)
}
