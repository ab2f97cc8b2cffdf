package ext4

import (
	"bytes"
	"fmt"
	"io"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Readlink implements [fstree.Engine].
func (e *engine) Readlink(id fstree.ID) (string, error) {
	in, err := e.inode(id.Ino)
	if err != nil {
		return "", err
	}
	if !in.isType(modeSymlink) {
		return "", in.damaged(-1, "mode %#o, not a symbolic link", in.mode)
	}
	return e.target(in)
}

func (e *engine) target(in *inode) (string, error) {
	stored, err := e.storedTarget(in)
	if err != nil {
		return "", err
	}
	if in.has(flagEncrypt) {
		return in.keylessTarget(stored)
	}
	// A target in a block ends at its first NUL, as the kernel has it
	// (nd_terminate_link); one in the inode has the length that it says.
	target, _, cut := bytes.Cut(stored, []byte{0})
	if cut && e.isFastSymlink(in) || len(target) == 0 {
		return "", in.damaged(-1, "a target of %d bytes, not %d", len(target), in.size)
	}
	return string(target), nil
}

// storedTarget returns the bytes of a target: in the place of the block map,
// or as a file's contents, of one block at most.
func (e *engine) storedTarget(in *inode) ([]byte, error) {
	if in.size > e.sb.blockSize {
		return nil, in.damaged(-1, "a target of %d bytes", in.size)
	}
	if e.isFastSymlink(in) {
		if in.size >= blockMapSize {
			return nil, in.damaged(-1, "a target of %d bytes in the inode", in.size)
		}
		return in.block[:in.size], nil
	}
	c, err := e.content(in)
	if err != nil {
		return nil, err
	}
	b := make([]byte, in.size)
	if _, err := c.ReadAt(b, 0); err != nil && err != io.EOF {
		return nil, fmt.Errorf("ext4: target of inode %d: %w", in.num, err)
	}
	return b, nil
}

// isFastSymlink reports whether a target lies in the inode: where values of
// attributes may have inodes of their own, which count as blocks of the link
// too, by its length, and else by the link having no blocks but perhaps that
// of its attributes (ext4_inode_is_fast_symlink).
func (e *engine) isFastSymlink(in *inode) bool {
	if e.sb.incompat.has(incompatEAInode) {
		return in.size < blockMapSize
	}
	if in.has(flagInlineData) {
		return false
	}
	var attributes int64
	if in.xattrBlock != 0 {
		attributes = int64(e.sb.clusterBlocks) << (e.sb.blockBits - 9)
	}
	return in.sectors == attributes
}
