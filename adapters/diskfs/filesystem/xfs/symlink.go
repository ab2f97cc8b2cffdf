package xfs

import (
	"encoding/binary"
	"fmt"
	"io/fs"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	linkMagic  = 0x58534c4d // "XSLM"
	valueMagic = 0x5841524d // "XARM"
)

// Readlink returns a symbolic link's target, from the inode or from blocks of
// its own.
func (v *volume) Readlink(id fstree.ID) (string, error) {
	ino, err := v.inode(id.Ino)
	if err != nil {
		return "", err
	}
	if !ino.is(modeLink) {
		return "", fmt.Errorf("xfs: inode %d is not a symbolic link: %w", id.Ino, fs.ErrInvalid)
	}
	f := ino.dataFork(v)
	if ino.size == 0 || ino.size > maxLinkLength {
		return "", f.damage(f.block, "a link of %d bytes", ino.size)
	}
	if f.format != formatLocal {
		target, err := v.remote(&f, 0, int(ino.size), linkMagic)
		return string(target), err
	}
	if ino.size > int64(len(f.raw)) {
		return "", f.damage(f.block, "a link of %d bytes in the inode", ino.size)
	}
	return string(f.raw[:ino.size]), nil
}

// remote reads n bytes that were stored in blocks of the fork from one on:
// just so by version 4, after headers by version 5 (struct xfs_dsymlink_hdr and
// xfs_attr3_rmt_hdr, which are alike). A value of an attribute has a header in
// each block, a link one in each run of blocks.
func (v *volume) remote(f *fork, start uint64, n int, magic uint32) ([]byte, error) {
	room := int(v.sb.blockSize)
	if v.sb.v5 {
		room -= remoteLayout().size
	}
	out := make([]byte, 0, n)
	for block, end := start, start+uint64((n+room-1)/room); block < end; {
		count := uint64(1)
		if magic == linkMagic {
			// A hole is left to fileBlock, which says so.
			e, _, err := f.find(block)
			if err != nil {
				return nil, err
			}
			count = max(min(e.start+e.length, end), block+1) - block
		}
		b, off, err := v.fileBlock(f, block, count)
		if err != nil {
			return nil, err
		}
		if b, err = v.remotePart(f, b, off, len(out), n-len(out), magic); err != nil {
			return nil, err
		}
		out = append(out, b...)
		block += count
	}
	return out, nil
}

// remotePart checks one buffer of a remote value and returns at most n of its
// bytes, from at on.
func (v *volume) remotePart(f *fork, b []byte, off int64, at, n int, magic uint32) ([]byte, error) {
	if !v.sb.v5 {
		return b[:min(n, len(b))], nil
	}
	be := binary.BigEndian
	head := remoteLayout()
	n = min(n, len(b)-head.size)
	block := v.blockOf(off)
	switch why := v.verify(b, off, f.owner, head); {
	case be.Uint32(b) != magic:
		return nil, f.damage(block, "magic %#08x", be.Uint32(b))
	case why != "":
		return nil, f.damage(block, "%s", why)
	case be.Uint32(b[4:]) != uint32(at) || be.Uint32(b[8:]) != uint32(n):
		return nil, f.damage(block, "%d bytes at %d where %d at %d are wanted", be.Uint32(b[8:]), be.Uint32(b[4:]), n, at)
	}
	return b[head.size : head.size+n], nil
}
