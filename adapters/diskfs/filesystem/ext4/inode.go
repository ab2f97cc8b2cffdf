package ext4

import (
	"fmt"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Inode flags (fs/ext4/ext4.h).
const (
	flagIndex      = 0x1000 // directory with a hash tree
	flagEncrypt    = 0x800
	flagHugeFile   = 0x40000 // i_blocks counts blocks, not sectors
	flagExtents    = 0x80000
	flagEAInode    = 0x200000 // holds the value of an attribute
	flagInlineData = 0x10000000
	flagCasefold   = 0x40000000
)

const (
	modeType    = 0o170000
	modeFIFO    = 0o010000
	modeChar    = 0o020000
	modeDir     = 0o040000
	modeBlock   = 0o060000
	modeRegular = 0o100000
	modeSymlink = 0o120000
	modeSocket  = 0o140000

	blockMapSize   = 60 // bytes of i_block
	knownExtraSize = 32 // extra fields that the kernel knows
)

// inode is a decoded inode.
type inode struct {
	num        uint32
	mode       uint16
	links      uint16
	uid, gid   uint32
	size       int64
	sectors    int64 // 512 bytes each
	flags      uint32
	generation uint32
	xattrBlock uint64
	block      []byte // i_block, 60 bytes: the block map, extents, a target, inline data
	extra      []byte // what lies after the extra fields: attributes; nil without
	seed       uint32 // begins the checksums of what belongs to the inode

	mtime, atime, ctime, btime time.Time
}

func (in *inode) has(flag uint32) bool { return in.flags&flag != 0 }
func (in *inode) isType(t uint16) bool { return in.mode&modeType == t }

func (in *inode) damaged(block int64, format string, args ...any) error {
	return &fstree.DamageError{FS: "ext4", Structure: fmt.Sprintf("inode %d", in.num),
		Block: block, Why: fmt.Sprintf(format, args...)}
}

// inode reads an inode that a directory leads to, or the root.
func (e *engine) inode(num uint64) (*inode, error) {
	in := new(inode)
	if err := e.readInode(in, num); err != nil {
		return nil, err
	}
	return in, nil
}

// readInode is inode into memory that the caller has.
func (e *engine) readInode(in *inode, num uint64) error {
	if num != rootIno && num < uint64(e.sb.firstIno) {
		return &fstree.DamageError{FS: "ext4", Structure: fmt.Sprintf("inode %d", num),
			Block: -1, Why: fmt.Sprintf("no file has one below %d", e.sb.firstIno)}
	}
	if err := e.readAnyInode(in, num); err != nil {
		return err
	}
	// ext4_iget refuses it as stale: the file was deleted.
	if in.links == 0 || in.mode == 0 {
		return in.damaged(-1, "in use, but deleted")
	}
	if in.has(flagEAInode) {
		return in.damaged(-1, "the value of an attribute, not a file")
	}
	return nil
}

// anyInode reads an inode from 1 to sb.inodes, of a file or of the
// filesystem's own use, in use or not.
func (e *engine) anyInode(num uint64) (*inode, error) {
	in := new(inode)
	if err := e.readAnyInode(in, num); err != nil {
		return nil, err
	}
	return in, nil
}

func (e *engine) readAnyInode(in *inode, num uint64) error {
	raw, at, err := e.rawInode(num)
	if err != nil {
		return err
	}
	return e.decodeInode(in, uint32(num), raw, at)
}

// rawInode returns an inode as stored, and its block; -1 if it comes from a
// fast commit, which has a checksum of its own.
func (e *engine) rawInode(num uint64) (raw []byte, at int64, err error) {
	if raw, ok := e.fast.inode(num); ok {
		return raw, -1, nil
	}
	off, err := e.inodeOffset(num)
	if err != nil {
		return nil, 0, err
	}
	raw, err = e.cache.Bytes(off, int64(e.sb.inodeSize))
	if err != nil {
		return nil, 0, fmt.Errorf("ext4: inode %d: %w", num, err)
	}
	return raw, off >> e.sb.blockBits, nil
}

// inodeOffset is where an inode lies on the volume, in bytes.
func (e *engine) inodeOffset(num uint64) (int64, error) {
	if num < 1 || num > e.sb.inodes {
		return 0, &fstree.DamageError{FS: "ext4", Structure: fmt.Sprintf("inode %d", num),
			Block: -1, Why: fmt.Sprintf("there are %d", e.sb.inodes)}
	}
	g, err := e.groups.get((num - 1) / e.sb.inodesPerGroup)
	if err != nil {
		return 0, err
	}
	return int64(g.inodeTable)<<e.sb.blockBits + int64((num-1)%e.sb.inodesPerGroup)*int64(e.sb.inodeSize), nil
}

// decodeInode decodes what lies on disk, by the rules of __ext4_iget
// (fs/ext4/inode.c).
func (e *engine) decodeInode(in *inode, num uint32, raw []byte, at int64) error {
	*in = inode{
		num:        num,
		mode:       le.Uint16(raw[0x00:]),
		uid:        uint32(le.Uint16(raw[0x02:])) | uint32(le.Uint16(raw[0x78:]))<<16,
		gid:        uint32(le.Uint16(raw[0x18:])) | uint32(le.Uint16(raw[0x7A:]))<<16,
		links:      le.Uint16(raw[0x1A:]),
		flags:      le.Uint32(raw[0x20:]),
		generation: le.Uint32(raw[0x64:]),
		xattrBlock: uint64(le.Uint32(raw[0x68:])),
		block:      raw[0x28 : 0x28+blockMapSize : 0x28+blockMapSize],
	}
	extraSize := 0
	if len(raw) > goodOldInodeSize {
		extraSize = int(le.Uint16(raw[0x80:]))
		if goodOldInodeSize+extraSize > len(raw) || extraSize%4 != 0 {
			return in.damaged(at, "%d bytes of extra fields", extraSize)
		}
	}
	in.seed = crc32cUint32(crc32cUint32(e.sb.csumSeed, num), in.generation)
	if err := e.verifyInode(in, raw, extraSize, at); err != nil {
		return err
	}
	if e.sb.incompat.has(incompat64Bit) {
		in.xattrBlock |= uint64(le.Uint16(raw[0x76:])) << 32
	}
	in.size = int64(le.Uint32(raw[0x04:]))
	if in.isType(modeRegular) || e.sb.incompat.has(incompatLargeDir) {
		in.size |= int64(le.Uint32(raw[0x6C:])) << 32
	}
	if in.size < 0 {
		return in.damaged(at, "size %#x", uint64(in.size))
	}
	in.sectors = int64(le.Uint32(raw[0x1C:]))
	if e.sb.roCompat.has(roHugeFile) {
		in.sectors |= int64(le.Uint16(raw[0x74:])) << 32
		if in.has(flagHugeFile) {
			in.sectors <<= e.sb.blockBits - 9
		}
	}
	if extraSize > 0 {
		in.extra = raw[goodOldInodeSize+extraSize:]
	} else if len(raw) > goodOldInodeSize {
		extraSize = knownExtraSize // in an inode that tune2fs enlarged
	}
	in.decodeTimes(raw[:goodOldInodeSize+extraSize])
	return nil
}

func (e *engine) verifyInode(in *inode, raw []byte, extraSize int, at int64) error {
	if !e.sb.hasChecksums() || at < 0 {
		return nil
	}
	const low, high = 0x7C, 0x82
	want := uint32(le.Uint16(raw[low:]))
	crc := crc32cWithout(in.seed, raw[:goodOldInodeSize], low, 2)
	mask := uint32(0xFFFF)
	switch rest := raw[goodOldInodeSize:]; {
	case len(rest) > 0 && extraSize >= 4:
		crc = crc32cWithout(crc, rest, high-goodOldInodeSize, 2)
		want |= uint32(le.Uint16(raw[high:])) << 16
		mask = ^uint32(0)
	default:
		crc = crc32c(crc, rest)
	}
	if crc &= mask; crc != want {
		return in.damaged(at, "checksum is %08x, not %08x", crc, want)
	}
	return nil
}

// decodeTimes decodes the times from the fields that the inode has. The
// seconds are signed; two more bits and the nanoseconds lie in the extra
// fields (ext4_decode_extra_time).
func (in *inode) decodeTimes(raw []byte) {
	at := func(low, extra int) time.Time {
		seconds, nanoseconds := int64(int32(le.Uint32(raw[low:]))), int64(0)
		if extra+4 <= len(raw) {
			x := le.Uint32(raw[extra:])
			seconds += int64(x&3) << 32
			nanoseconds = int64(x >> 2)
		}
		return time.Unix(seconds, nanoseconds)
	}
	in.atime = at(0x08, 0x8C)
	in.ctime = at(0x0C, 0x84)
	in.mtime = at(0x10, 0x88)
	if len(raw) >= 0x94 {
		in.btime = at(0x90, 0x94)
	}
}

// device decodes a device number: 8 bits each in the first word, or 12 and
// 20 bits in the second (old_decode_dev, new_decode_dev).
func (in *inode) device() (major, minor uint32) {
	if old := le.Uint32(in.block); old != 0 {
		return old >> 8 & 0xFF, old & 0xFF
	}
	dev := le.Uint32(in.block[4:])
	return dev & 0xFFF00 >> 8, dev&0xFF | dev>>12&0xFFF00
}

// Subdirs implements [fstree.SubdirCounter].
func (e *engine) Subdirs(dir fstree.ID) (n uint64, ok bool) {
	st, err := e.Stat(dir)
	if err != nil {
		return 0, false
	}
	return fstree.SubdirsByLinks(&st)
}

// Stat implements [fstree.Engine].
func (e *engine) Stat(id fstree.ID) (fstree.Stat, error) {
	var in inode // on the stack: a listing asks for very many
	if err := e.readInode(&in, id.Ino); err != nil {
		return fstree.Stat{}, err
	}
	st := fstree.Stat{
		Ino:    id.Ino,
		Mode:   fstree.UnixMode(uint32(in.mode)),
		Nlink:  uint64(in.links),
		UID:    in.uid,
		GID:    in.gid,
		Size:   in.size,
		Blocks: in.sectors,
		Mtime:  in.mtime,
		Atime:  in.atime,
		Ctime:  in.ctime,
		Btime:  in.btime,
	}
	switch in.mode & modeType {
	case modeChar, modeBlock:
		st.Major, st.Minor = in.device()
	case modeRegular:
		// What lies in the inode counts as allocated (ext4_file_getattr).
		if in.has(flagInlineData) {
			st.Blocks += (in.size + 511) / 512
		}
	case modeSymlink:
		if in.has(flagEncrypt) {
			target, err := e.Readlink(id)
			if err != nil {
				return fstree.Stat{}, err
			}
			st.Size = int64(len(target))
		}
	case modeDir, modeFIFO, modeSocket:
	default:
		return fstree.Stat{}, in.damaged(-1, "mode %#o", in.mode)
	}
	return st, nil
}
