package xfs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Types in an inode's mode.
const (
	modeType    = 0o170000
	modeFIFO    = 0o010000
	modeChar    = 0o020000
	modeDir     = 0o040000
	modeBlock   = 0o060000
	modeRegular = 0o100000
	modeLink    = 0o120000
	modeSocket  = 0o140000
)

// Formats of a fork (enum xfs_dinode_fmt).
const (
	formatDevice  = 0
	formatLocal   = 1
	formatExtents = 2
	formatBtree   = 3
)

const (
	inodeMagic     = 0x494e // "IN"
	inodeCoreV2    = 100    // bytes before the data fork
	inodeCoreV3    = 176
	inodeCRC       = 100
	flagRealtime   = 0x1
	flag2BigTime   = 0x8
	flag2Reflink   = 0x2 // it may share blocks, with itself too
	flag2NRExt64   = 0x10
	bigTimeOrigin  = math.MinInt32 // seconds; bigtime counts nanoseconds from there
	maxBmapLevels  = 9             // XFS_BTREE_MAXLEVELS
	maxLinkLength  = 1024          // XFS_SYMLINK_MAXLEN
	deviceMinorLen = 18            // bits
)

// inode is an inode that was found allocated and whole. raw is a view of its
// record and must not be kept by what lives long.
type inode struct {
	num     uint64
	offset  int64 // bytes on the volume
	raw     []byte
	mode    uint16
	version uint8
	size    int64
	flags   uint16
	flags2  uint64
}

// inode reads an inode and applies the checks of xfs_dinode_verify
// (fs/xfs/libxfs/xfs_inode_buf.c) on which reading depends.
func (v *volume) inode(num uint64) (inode, error) {
	off, ok := v.sb.inodeOffset(num)
	if !ok {
		return inode{}, inodeDamage(num, -1, "its number lies outside the filesystem")
	}
	raw, err := v.cache.Bytes(off, int64(v.sb.inodeSize))
	if err != nil {
		return inode{}, v.readError(err, off, "inode %d", num)
	}
	be := binary.BigEndian
	ino := inode{
		num: num, offset: off, raw: raw,
		mode:    be.Uint16(raw[2:]),
		version: raw[4],
		size:    int64(be.Uint64(raw[56:])),
		flags:   be.Uint16(raw[90:]),
	}
	if why := v.checkInode(&ino); why != "" {
		return inode{}, inodeDamage(num, v.blockOf(off), why)
	}
	if ino.version == 3 {
		ino.flags2 = be.Uint64(raw[120:])
	}
	return ino, nil
}

func (v *volume) checkInode(ino *inode) string {
	be := binary.BigEndian
	switch {
	case be.Uint16(ino.raw) != inodeMagic:
		return fmt.Sprintf("magic %#04x", be.Uint16(ino.raw))
	case v.sb.v5 != (ino.version == 3) || ino.version < 1 || ino.version > 3:
		return fmt.Sprintf("version %d", ino.version)
	case v.sb.v5 && !checksumOK(ino.raw, inodeCRC) && !v.replayed.touches(ino.offset, int64(len(ino.raw))):
		return "its checksum is wrong"
	case v.sb.v5 && be.Uint64(ino.raw[152:]) != ino.num:
		return fmt.Sprintf("it says that it is inode %d", be.Uint64(ino.raw[152:]))
	case v.sb.v5 && !bytes.Equal(ino.raw[160:176], v.sb.metaUUID[:]):
		return "it belongs to another filesystem"
	case ino.mode == 0:
		return "it is free"
	case ino.size < 0:
		return fmt.Sprintf("a size of %d bytes", uint64(ino.size))
	case int(ino.raw[82])*8 >= len(ino.raw)-ino.core():
		return fmt.Sprintf("an attribute fork at %d", int(ino.raw[82])*8)
	}
	return ""
}

func inodeDamage(num uint64, block int64, why string) error {
	return &fstree.DamageError{FS: "xfs", Structure: fmt.Sprintf("inode %d", num), Block: block, Why: why}
}

// core is the length of what comes before the forks.
func (ino *inode) core() int {
	if ino.version == 3 {
		return inodeCoreV3
	}
	return inodeCoreV2
}

func (ino *inode) is(kind uint16) bool { return ino.mode&modeType == kind }

// dataFork returns what says where the contents are.
func (ino *inode) dataFork(v *volume) fork {
	end := len(ino.raw)
	if off := int(ino.raw[82]) * 8; off != 0 {
		end = ino.core() + off
	}
	count := uint64(binary.BigEndian.Uint32(ino.raw[76:]))
	if ino.largeCounts() {
		count = binary.BigEndian.Uint64(ino.raw[24:])
	}
	f := fork{v: v, owner: ino.num, block: v.blockOf(ino.offset), format: ino.raw[5], count: count, raw: ino.raw[ino.core():end]}
	if m := v.mended[ino.num]; m != nil {
		f.mended = m.extents
	}
	return f
}

// attrFork returns the fork of the extended attributes; there is none where
// its raw is empty.
func (ino *inode) attrFork(v *volume) fork {
	off := int(ino.raw[82]) * 8
	if off == 0 {
		return fork{}
	}
	count := uint64(binary.BigEndian.Uint16(ino.raw[80:]))
	if ino.largeCounts() {
		count = uint64(binary.BigEndian.Uint32(ino.raw[76:]))
	}
	return fork{v: v, owner: ino.num, block: v.blockOf(ino.offset), attr: true, format: ino.raw[83], count: count, raw: ino.raw[ino.core()+off:]}
}

// largeCounts tells of the feature nrext64, which moves the extent counters.
func (ino *inode) largeCounts() bool { return ino.flags2&flag2NRExt64 != 0 }

// stat is what stat(2) and statx(2) tell of the inode.
func (ino *inode) stat(v *volume) fstree.Stat {
	be := binary.BigEndian
	s := fstree.Stat{
		Ino:    ino.num,
		Mode:   fstree.UnixMode(uint32(ino.mode)),
		Nlink:  uint64(be.Uint32(ino.raw[16:])),
		UID:    be.Uint32(ino.raw[8:]),
		GID:    be.Uint32(ino.raw[12:]),
		Size:   ino.size,
		Blocks: int64(be.Uint64(ino.raw[64:]) << (v.sb.blockLog - 9)),
		Atime:  ino.time(32),
		Mtime:  ino.time(40),
		Ctime:  ino.time(48),
	}
	if m := v.mended[ino.num]; m != nil {
		s.Blocks += m.blocks << (v.sb.blockLog - 9)
	}
	if ino.version == 1 {
		s.Nlink = uint64(be.Uint16(ino.raw[6:]))
	}
	if ino.version == 3 {
		s.Btime = ino.time(144)
	}
	if (ino.is(modeChar) || ino.is(modeBlock)) && ino.raw[5] == formatDevice {
		s.Major, s.Minor = ino.device()
	}
	return s
}

// device decodes a device number as System V packs it: 14 bits of major number
// before 18 bits of minor number. The kernel keeps nine bits of the major one
// (xfs_to_linux_dev_t in fs/xfs/xfs_linux.h).
func (ino *inode) device() (major, minor uint32) {
	dev := binary.BigEndian.Uint32(ino.raw[ino.core():])
	return dev >> deviceMinorLen & 0x1ff, dev & (1<<deviceMinorLen - 1)
}

// time decodes a timestamp: two signed 32-bit numbers of seconds and
// nanoseconds, or with bigtime one unsigned count of nanoseconds.
func (ino *inode) time(at int) time.Time {
	raw := binary.BigEndian.Uint64(ino.raw[at:])
	if ino.flags2&flag2BigTime != 0 {
		return time.Unix(int64(raw/1e9)+bigTimeOrigin, int64(raw%1e9))
	}
	return time.Unix(int64(int32(raw>>32)), int64(int32(raw)))
}
