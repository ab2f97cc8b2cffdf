//go:build (linux && !386 && !arm && !mips && !mipsle) || darwin

package mounted

import (
	"context"
	"io"
	"iter"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/qedfile"
)

// blockDir is a directory of disks.
type blockDir struct {
	fs.Inode
	options *Options
	now     time.Time
}

var (
	_ fs.NodeOnAdder   = (*blockDir)(nil)
	_ fs.NodeGetattrer = (*blockDir)(nil)
)

func (d *blockDir) OnAdd(ctx context.Context) {
	for i, f := range d.options.Disks {
		child := &blockFile{DiskFile: f, dir: d}
		attr := fs.StableAttr{Mode: fuse.S_IFREG, Ino: rootNumber + 1 + uint64(i)}
		d.AddChild(f.Name, d.NewPersistentInode(ctx, child, attr), false)
	}
}

func (d *blockDir) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	d.fill(&out.Attr, fuse.S_IFDIR|0o555, 2)
	return 0
}

// fill sets what directory and files have in common.
func (d *blockDir) fill(out *fuse.Attr, mode, links uint32) {
	out.Mode, out.Nlink, out.Blksize = mode, links, 4096
	out.Owner = fuse.Owner{Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())}
	out.SetTimes(&d.now, &d.now, &d.now)
}

// blockFile is a disk as a file.
type blockFile struct {
	fs.Inode
	DiskFile
	dir *blockDir

	counting sync.Once
	blocks   uint64 // of 512 bytes that hold data
}

var (
	_ fs.NodeGetattrer = (*blockFile)(nil)
	_ fs.NodeOpener    = (*blockFile)(nil)
	_ fs.NodeReader    = (*blockFile)(nil)
	_ fs.NodeLseeker   = (*blockFile)(nil)
)

func (f *blockFile) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	f.counting.Do(f.count)
	out.Ino = f.StableAttr().Ino
	out.Size, out.Blocks = uint64(f.Disk.Size()), f.blocks
	f.dir.fill(&out.Attr, fuse.S_IFREG|0o444, 1)
	return 0
}

// count finds out how much data there is. What cannot be told counts as data.
func (f *blockFile) count() {
	var n int64
	for x, err := range f.runs(0) {
		if err != nil || !x.Hole {
			n += x.Length
		}
	}
	f.blocks = uint64(n+511) / 512
}

// runs are the data and the holes of the disk from off on. All of a disk that
// does not know them is data.
func (f *blockFile) runs(off int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		left := f.Disk.Size() - off
		mapper, ok := f.Disk.(qedfile.Mapper)
		switch {
		case left <= 0:
		case !ok:
			yield(fstree.Extent{Start: off, Length: left}, nil)
		default:
			for e, err := range mapper.Extents(off, left) {
				if !yield(fstree.Extent{Start: e.Start, Length: e.Length, Hole: e.Kind != qedfile.Data}, err) {
					return
				}
			}
		}
	}
}

func (f *blockFile) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return (*node)(nil).Open(ctx, flags)
}

func (f *blockFile) Flush(context.Context, fs.FileHandle) syscall.Errno { return syscall.ENOSYS }

func (f *blockFile) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n, err := f.Disk.ReadAt(dest, off)
	if err != nil && err != io.EOF {
		return nil, f.fail(err)
	}
	return fuse.ReadResultData(dest[:n]), 0
}

func (f *blockFile) Lseek(_ context.Context, _ fs.FileHandle, off uint64, whence uint32) (uint64, syscall.Errno) {
	return seek(off, whence, f.runs, f.fail)
}

func (f *blockFile) fail(err error) syscall.Errno {
	f.dir.options.Problem(f.Name, err)
	return syscall.EIO
}
