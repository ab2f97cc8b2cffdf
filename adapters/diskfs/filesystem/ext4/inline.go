package ext4

import (
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// inlineData returns what lies in the inode instead of blocks: the place of
// the block map, and the rest as the value of an attribute
// (fs/ext4/inline.c).
func (e *engine) inlineData(in *inode) ([]byte, error) {
	entries, err := in.bodyXattrs()
	if err != nil {
		return nil, err
	}
	for _, x := range entries {
		if x.index == xattrSystem && x.name == "data" && x.ino == 0 {
			return slices.Concat(in.block, x.value), nil
		}
	}
	return nil, in.damaged(-1, "inline data without the attribute system.data")
}

// inlineDir returns the entries of a directory that lies in its inode. Four
// bytes stand for "." and "..": the parent's number.
func (e *engine) inlineDir(in *inode) (dirBlock, error) {
	data, err := e.inlineData(in)
	if err != nil {
		return dirBlock{}, err
	}
	return dirBlock{data: data[4:], at: -1}, nil
}

// inlineContent is a file whose bytes lie in its inode. Where its size says
// more than is there, the kernel shows zeroes; mke2fs makes such files.
type inlineContent struct {
	data []byte
	size int64
}

func (e *engine) inlineContent(in *inode) (fstree.Content, error) {
	data, err := e.inlineData(in)
	if err != nil {
		return nil, err
	}
	return &inlineContent{data: data[:min(in.size, int64(len(data)))], size: in.size}, nil
}

func (c *inlineContent) Size() int64 { return c.size }

// ReadAt implements [io.ReaderAt].
func (c *inlineContent) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("ext4: read at offset %d", off)
	}
	if off >= c.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), c.size-off))
	copied := 0
	if off < int64(len(c.data)) {
		copied = copy(p[:n], c.data[off:])
	}
	clear(p[copied:n])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Extents implements [fstree.Content].
func (c *inlineContent) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		if off < 0 || n <= 0 || off >= c.size {
			return
		}
		n = min(n, c.size-off)
		if stored := min(n, int64(len(c.data))-off); stored > 0 {
			if !yield(fstree.Extent{Start: off, Length: stored, Offset: -1}, nil) {
				return
			}
			off += stored
			n -= stored
		}
		if n > 0 {
			yield(fstree.Extent{Start: off, Length: n, Hole: true, Offset: -1}, nil)
		}
	}
}
