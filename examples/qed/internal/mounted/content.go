//go:build (linux && !386 && !arm && !mips && !mipsle) || darwin

package mounted

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math"
	"runtime"
	"sync/atomic"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// The kernel need not tell of files that are opened and closed: it has their
// attributes, keeps their pages, and reads by inode. So a small file costs one
// request, and none when it is read again.
var (
	_ fs.NodeOpener  = (*node)(nil)
	_ fs.NodeFlusher = (*node)(nil)
	_ fs.NodeReader  = (*node)(nil)
	_ fs.NodeLseeker = (*node)(nil)
)

// Open answers ENOSYS, by which Linux learns not to ask again
// (FUSE_NO_OPEN_SUPPORT).
func (n *node) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	switch {
	case flags&(syscall.O_WRONLY|syscall.O_RDWR) != 0:
		return nil, 0, syscall.EROFS
	case runtime.GOOS == "linux":
		return nil, 0, syscall.ENOSYS
	}
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

// Flush answers ENOSYS to the same end.
func (*node) Flush(context.Context, fs.FileHandle) syscall.Errno { return syscall.ENOSYS }

func (n *node) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	f, err := n.content()
	if err != nil {
		return nil, n.errno(err)
	}
	k, err := f.ReadAt(dest, off)
	if err != nil && err != io.EOF {
		return nil, n.errno(err)
	}
	return fuse.ReadResultData(dest[:k]), 0
}

// Lseek finds data and holes; the kernel does the rest itself.
func (n *node) Lseek(_ context.Context, _ fs.FileHandle, off uint64, whence uint32) (uint64, syscall.Errno) {
	f, err := n.content()
	if err != nil {
		return 0, n.errno(err)
	}
	runs := func(off int64) iter.Seq2[fstree.Extent, error] { return f.Extents(off, math.MaxInt64) }
	return seek(off, whence, runs, n.errno)
}

// content is the file, open: one of those that were used last stays so.
func (n *node) content() (fstree.File, error) {
	if f := n.file.Load(); f != nil {
		return *f, nil
	}
	opened, err := n.mount.Tree.Open(n.path)
	if err != nil {
		return nil, err
	}
	f, ok := opened.(fstree.File)
	if !ok {
		return nil, fmt.Errorf("%s: is no file any more", n.path)
	}
	n.file.Store(&f)
	n.mount.recent.add(n)
	return f, nil
}

// recent are the nodes whose files are open. A file holds nothing but memory,
// and need not be closed.
type recent struct {
	nodes [256]atomic.Pointer[node]
	next  atomic.Uint32
}

// add has a node take the place of the one that came first.
func (r *recent) add(n *node) {
	place := &r.nodes[r.next.Add(1)%uint32(len(r.nodes))]
	if old := place.Swap(n); old != nil && old != n {
		old.file.Store(nil)
	}
}

// Values of whence as FUSE has them: those of Linux (lseek(2)).
const (
	seekData = 3
	seekHole = 4
)

// seek finds data or a hole among the runs of a file.
func seek(off uint64, whence uint32, runs func(off int64) iter.Seq2[fstree.Extent, error], errno func(error) syscall.Errno) (uint64, syscall.Errno) {
	if whence != seekData && whence != seekHole {
		return 0, syscall.EINVAL
	}
	if off > math.MaxInt64 {
		return 0, syscall.ENXIO
	}
	end := int64(off)
	for x, err := range runs(int64(off)) {
		if err != nil {
			return 0, errno(err)
		}
		if x.Hole == (whence == seekHole) {
			return uint64(x.Start), 0
		}
		end = x.Start + x.Length
	}
	// The end of a file is a hole, and beyond it there is nothing.
	if whence == seekData || end == int64(off) {
		return 0, syscall.ENXIO
	}
	return uint64(end), 0
}
