//go:build (linux && !386 && !arm && !mips && !mipsle) || darwin

package mounted

import (
	"context"
	"io"
	"iter"
	"math"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// handle is an open file.
type handle struct {
	node *node
	file fstree.File
}

var (
	_ fs.FileReader   = (*handle)(nil)
	_ fs.FileLseeker  = (*handle)(nil)
	_ fs.FileReleaser = (*handle)(nil)
)

func (h *handle) Read(_ context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n, err := h.file.ReadAt(dest, off)
	if err != nil && err != io.EOF {
		return nil, h.node.errno(err)
	}
	return fuse.ReadResultData(dest[:n]), 0
}

// Values of whence as FUSE has them: those of Linux (lseek(2)).
const (
	seekData = 3
	seekHole = 4
)

// Lseek finds data and holes; the kernel does the rest itself.
func (h *handle) Lseek(_ context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	runs := func(off int64) iter.Seq2[fstree.Extent, error] { return h.file.Extents(off, math.MaxInt64) }
	return seek(off, whence, runs, h.node.errno)
}

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

func (h *handle) Release(context.Context) syscall.Errno {
	return h.node.errno(h.file.Close())
}
