package ufs

import (
	"fmt"
	"io/fs"
	"math"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	directBlocks = 12
	flagSnapshot = 0x00200000 // SF_SNAPSHOT in FreeBSD's sys/stat.h
)

// inode is a file as it is stored.
type inode struct {
	num                        uint64
	mode, flags                uint32
	nlink                      uint16
	uid, gid                   uint32
	size, blocks               int64 // bytes, units of 512 bytes
	atime, mtime, ctime, btime time.Time
	addresses                  []byte // of 12 blocks, and of 3 blocks of addresses; or a link
	attrs                      []byte // of UFS2: addresses of two blocks of attributes
	attrsSize                  int64
}

func (in *inode) damaged(format string, args ...any) error {
	return damage(fmt.Sprintf("inode %d", in.num), -1, format, args...)
}

// inode reads an inode (struct ufs1_dinode, struct ufs2_dinode).
func (e *engine) inode(ino uint64) (*inode, error) {
	at, err := e.sb.inodeAt(ino)
	if err != nil {
		return nil, err
	}
	b, err := e.cache.Bytes(at, e.sb.inodeSize())
	if err != nil {
		return nil, fmt.Errorf("ufs: inode %d: %w", ino, err)
	}
	in := &inode{num: ino, mode: uint32(e.sb.order.Uint16(b)), nlink: e.sb.order.Uint16(b[2:])}
	if e.sb.ufs2 {
		in.parse2(e.sb, b)
	} else {
		in.parse1(e.sb, b)
	}
	switch {
	case in.mode&0o170000 == 0:
		return nil, in.damaged("not in use")
	case in.size < 0 || in.blocks < 0:
		return nil, in.damaged("%d bytes in %d blocks", in.size, in.blocks)
	}
	return in, nil
}

func (in *inode) parse1(s *superblock, b []byte) {
	u16 := func(off int) uint32 { return uint32(s.order.Uint16(b[off:])) }
	u32 := func(off int) uint32 { return s.order.Uint32(b[off:]) }
	moment := func(off int) time.Time {
		nanos := u32(off + 4)
		if s.sun { // microseconds
			nanos *= 1000
		}
		return timeOf(int64(int32(u32(off))), nanos)
	}
	in.size, in.blocks, in.flags = int64(s.order.Uint64(b[8:])), int64(int32(u32(104))), u32(100)
	in.atime, in.mtime, in.ctime = moment(16), moment(24), moment(32)
	in.addresses = b[40:100]
	if !s.oldInodes {
		in.uid, in.gid = u32(112), u32(116)
		return
	}
	// Owners had 16 bits. Solaris has longer ones after its access list.
	in.uid, in.gid, in.flags = u16(4), u16(6), 0
	if s.sun && in.uid == math.MaxUint16 {
		in.uid = u32(120)
	}
	if s.sun && in.gid == math.MaxUint16 {
		in.gid = u32(124)
	}
}

func (in *inode) parse2(s *superblock, b []byte) {
	u32 := func(off int) uint32 { return s.order.Uint32(b[off:]) }
	i64 := func(off int) int64 { return int64(s.order.Uint64(b[off:])) }
	in.uid, in.gid, in.size, in.blocks, in.flags = u32(4), u32(8), i64(16), i64(24), u32(88)
	in.atime, in.mtime = timeOf(i64(32), u32(68)), timeOf(i64(40), u32(64))
	in.ctime, in.btime = timeOf(i64(48), u32(72)), timeOf(i64(56), u32(76))
	if i64(56) == 0 && u32(76) == 0 {
		in.btime = time.Time{}
	}
	in.attrsSize, in.attrs = int64(u32(92)), b[96:112]
	in.addresses = b[112:232]
}

// timeOf is a moment; a part of a second that is none is left out.
func timeOf(seconds int64, nanos uint32) time.Time {
	const most = 1 << 56 // what package time can tell apart
	if nanos >= 1e9 {
		nanos = 0
	}
	return time.Unix(min(max(seconds, -most), most), int64(nanos))
}

// shortLink reports whether a link's target stands where the addresses would.
func (in *inode) shortLink(s *superblock) bool {
	room := int64(len(in.addresses))
	if in.size > room {
		return false
	}
	return in.blocks == 0 || in.size < min(s.maxLink, room)
}

// device decodes the numbers of a device. In two bytes all systems agree; in four it is
// as NetBSD has them (sys/types.h), in which Linux does too.
func (in *inode) device(s *superblock) (major, minor uint32) {
	dev := s.order.Uint32(in.addresses)
	if s.ufs2 {
		dev = uint32(s.order.Uint64(in.addresses))
	}
	if s.sun && dev>>16 != 0 { // 14 and 18 bits
		return dev >> 18, dev & (1<<18 - 1)
	}
	return dev >> 8 & 0xfff, dev&0xff | dev>>12&0xfff00
}

func (in *inode) isDir() bool { return fstree.UnixMode(in.mode).Type() == fs.ModeDir }
