package squashfs

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Types of inodes. An extended one is seven more than its basic one.
const (
	typeDir     = 1
	typeFile    = 2
	typeSymlink = 3
	typeBlock   = 4
	typeChar    = 5
	typeFIFO    = 6
	typeSocket  = 7

	extended = 7
)

const (
	noFragment = 1<<32 - 1
	noXattrs   = 1<<32 - 1

	maxTarget = 64 << 10 // of a symbolic link; the kernel has 64 KiB too
)

// fileMode is the type bits of a basic type.
func fileMode(kind uint16) (fs.FileMode, bool) {
	switch kind {
	case typeDir:
		return fs.ModeDir, true
	case typeFile:
		return 0, true
	case typeSymlink:
		return fs.ModeSymlink, true
	case typeBlock:
		return fs.ModeDevice, true
	case typeChar:
		return fs.ModeDevice | fs.ModeCharDevice, true
	case typeFIFO:
		return fs.ModeNamedPipe, true
	case typeSocket:
		return fs.ModeSocket, true
	}
	return 0, false
}

// inode is an inode of any type.
type inode struct {
	kind   uint16 // basic
	large  bool   // it is the extended one
	stat   fstree.Stat
	xattrs uint32 // index, or noXattrs

	// Of a directory: where its listing is.
	start  uint32
	offset uint16
	// Of a file: where its first block is, and its last part.
	data           uint64
	fragment       uint32
	fragmentOffset uint32

	rest *cursor // after the fixed part: a file's blocks, a link's target
}

// inode reads the inode at a place, which is also what identifies it.
func (e *engine) inode(id fstree.ID) (*inode, error) {
	c, err := e.cursor(e.inodeTable, id.Ino)
	if err != nil {
		return nil, err
	}
	b, err := c.take(16)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	n := &inode{kind: le.Uint16(b), xattrs: noXattrs, rest: c}
	if n.large = n.kind > extended; n.large {
		n.kind -= extended
	}
	mode, ok := fileMode(n.kind)
	if !ok {
		return nil, damage("inode", int64(id.Ino>>16), fmt.Sprintf("type %d", le.Uint16(b)))
	}
	uid, gid := int(le.Uint16(b[4:])), int(le.Uint16(b[6:]))
	if uid >= len(e.owners) || gid >= len(e.owners) {
		return nil, damage("inode", int64(id.Ino>>16), "no such owner")
	}
	n.stat = fstree.Stat{
		Ino: uint64(le.Uint32(b[12:])), Mode: fstree.UnixMode(uint32(le.Uint16(b[2:]))&0o7777|0o100000) | mode,
		UID: e.owners[uid], GID: e.owners[gid], Mtime: time.Unix(int64(le.Uint32(b[8:])), 0),
	}
	// The kernel has one time for all.
	n.stat.Atime, n.stat.Ctime = n.stat.Mtime, n.stat.Mtime
	switch {
	case n.kind == typeDir:
		err = n.directory()
	case n.kind == typeFile:
		err = n.file()
	default:
		err = n.other()
	}
	return n, err
}

func (n *inode) directory() error {
	le := binary.LittleEndian
	if !n.large {
		b, err := n.rest.take(16)
		if err != nil {
			return err
		}
		n.start, n.stat.Nlink, n.stat.Size, n.offset = le.Uint32(b), uint64(le.Uint32(b[4:])), int64(le.Uint16(b[8:])), le.Uint16(b[10:])
		return nil
	}
	b, err := n.rest.take(24)
	if err != nil {
		return err
	}
	n.stat.Nlink, n.stat.Size, n.start = uint64(le.Uint32(b)), int64(le.Uint32(b[4:])), le.Uint32(b[8:])
	n.offset, n.xattrs = le.Uint16(b[18:]), le.Uint32(b[20:])
	return nil
}

func (n *inode) file() error {
	le := binary.LittleEndian
	sparse := int64(0)
	if !n.large {
		b, err := n.rest.take(16)
		if err != nil {
			return err
		}
		n.data, n.fragment, n.fragmentOffset = uint64(le.Uint32(b)), le.Uint32(b[4:]), le.Uint32(b[8:])
		n.stat.Size, n.stat.Nlink = int64(le.Uint32(b[12:])), 1
	} else {
		b, err := n.rest.take(40)
		if err != nil {
			return err
		}
		n.data, n.stat.Size, sparse = le.Uint64(b), int64(le.Uint64(b[8:])), int64(le.Uint64(b[16:]))
		n.stat.Nlink, n.fragment, n.fragmentOffset = uint64(le.Uint32(b[24:])), le.Uint32(b[28:]), le.Uint32(b[32:])
		n.xattrs = le.Uint32(b[36:])
	}
	if n.stat.Size < 0 {
		return damage("inode", int64(n.stat.Ino), "negative size")
	}
	if sparse >= 0 && sparse <= n.stat.Size {
		n.stat.Blocks = (n.stat.Size-sparse-1)>>9 + 1
	}
	return nil
}

// other reads links, devices, pipes and sockets.
func (n *inode) other() error {
	le := binary.LittleEndian
	size := 4
	if n.kind == typeSymlink || n.kind == typeBlock || n.kind == typeChar {
		size = 8
	}
	b, err := n.rest.take(size)
	if err != nil {
		return err
	}
	n.stat.Nlink = uint64(le.Uint32(b))
	switch n.kind {
	case typeSymlink:
		n.stat.Size = int64(le.Uint32(b[4:]))
		return nil // attributes follow the target
	case typeBlock, typeChar:
		n.stat.Major, n.stat.Minor = decodeDevice(le.Uint32(b[4:]))
	}
	if !n.large {
		return nil
	}
	if b, err = n.rest.take(4); err == nil {
		n.xattrs = le.Uint32(b)
	}
	return err
}

// decodeDevice takes apart a number as new_decode_dev in
// include/linux/kdev_t.h does.
func decodeDevice(n uint32) (major, minor uint32) {
	return n >> 8 & 0xfff, n&0xff | n>>12&0xfff00
}

func (e *engine) Stat(id fstree.ID) (fstree.Stat, error) {
	n, err := e.inode(id)
	if err != nil {
		return fstree.Stat{}, err
	}
	// Damage there is for Xattrs to report.
	if x, err := e.xattrEntry(n); err == nil && x != nil && x.size > 0 {
		n.stat.Blocks += int64(x.size-1)>>9 + 1
	}
	return n.stat, nil
}

func (e *engine) Readlink(id fstree.ID) (string, error) {
	n, err := e.inode(id)
	if err != nil {
		return "", err
	}
	b, err := n.target()
	return string(b), err
}

func (n *inode) target() ([]byte, error) {
	if n.kind != typeSymlink || n.stat.Size > maxTarget {
		return nil, damage("symbolic link", int64(n.stat.Ino), fmt.Sprintf("%d bytes", n.stat.Size))
	}
	return n.rest.take(int(n.stat.Size))
}
