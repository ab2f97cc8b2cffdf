package ufs

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const fsType = "ufs"

// Magic numbers (FS_UFS1_MAGIC and others in FreeBSD's sys/ufs/ffs/fs.h; NetBSD has
// another for volumes of UFS2 with attributes).
const (
	magicUFS1   = 0x00011954
	magicUFS2   = 0x19540119
	magicUFS2EA = 0x19012038
	magicAt     = 1372
	superSize   = 1376 // bytes of a superblock that count
	superRoom   = 8192 // and that are set aside for it
)

// superPlaces are where the superblock may lie, in the order in which FreeBSD looks.
var superPlaces = [...]int64{64 << 10, 8 << 10, 0, 256 << 10}

// Flags of a superblock. Those of NetBSD mean something else from 0x100 on.
const (
	flagSoftUpdates = 0x02
	flagNeedsCheck  = 0x04
	flagJournal     = 0x08
	flagGJournal    = 0x40
	flagsMoved      = 0x80 // in the old flags: the new ones count
)

// superblock is what a superblock says, checked.
type superblock struct {
	order     binary.ByteOrder
	at        int64 // byte where it was found
	ufs2      bool
	oldDirs   bool // records of directories without a type
	oldInodes bool // owners of 16 bits
	sun       bool
	blockSize int64
	fragSize  int64
	frags     int64 // in a block
	size      int64 // fragments of the volume
	dataSize  int64 // fragments that files can have
	groups    int64
	perGroup  int64 // inodes in a cylinder group
	fpg       int64 // fragments in a cylinder group
	inodesAt  int64 // fragment of a group where its inodes begin
	offset    int64 // of UFS1: groups begin this much later than the one before,
	mask      int64 // in turns of this many
	maxLink   int64 // longer links have blocks
	freeBytes int64
	freeFiles int64
	label     string
	clean     bool
	flags     uint32
	snapshots int
	journaled bool // by WAPBL of NetBSD
	fsck      byte
}

func damage(structure string, block int64, format string, args ...any) error {
	return &fstree.DamageError{FS: fsType, Structure: structure, Block: block, Why: fmt.Sprintf(format, args...)}
}

// byteOrder is the order in which a superblock has a magic number, nil if none.
func byteOrder(b []byte) binary.ByteOrder {
	for _, order := range [...]binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(b[magicAt:]) {
		case magicUFS1, magicUFS2, magicUFS2EA:
			return order
		}
	}
	return nil
}

// readSuperblock finds the superblock, or a copy of it; copied is why, nil for the first.
func readSuperblock(cache *fstree.Cache) (_ *superblock, copied, err error) {
	var damaged []byte
	var unreadable error
	for _, at := range superPlaces {
		if at > cache.Size()-superSize {
			continue
		}
		b, readErr := cache.Bytes(at, superSize)
		if readErr != nil {
			unreadable = cmp.Or(unreadable, fmt.Errorf("ufs: superblock: %w", readErr))
			continue
		}
		if byteOrder(b) == nil {
			continue
		}
		sb, parseErr := parseSuperblock(b, at)
		if parseErr == nil && !sb.ours(b, at) {
			if !sb.ufs2 {
				continue
			}
			parseErr = damage("superblock", at/512, "it says that it lies at byte %d", int64(sb.order.Uint64(b[1000:])))
		}
		if parseErr == nil {
			return sb, nil, nil
		}
		if damaged == nil {
			damaged, err = b, parseErr
		}
	}
	err = cmp.Or(unreadable, err, fmt.Errorf("ufs: no superblock: %w", fstree.ErrNotThis))
	sb := firstCopy(cache, damaged)
	if sb == nil {
		return nil, nil, err
	}
	if errors.Is(err, fstree.ErrNotThis) {
		return sb, fmt.Errorf("the superblock is lost and its copy at byte %d is used", sb.at), nil
	}
	return sb, fmt.Errorf("the superblock is damaged and its copy at byte %d is used: %w", sb.at, err), nil
}

// ours reports whether a superblock is the first one, and not a copy of that of UFS1
// where UFS2 has its own (ffs_sbget in FreeBSD's sys/ufs/ffs/ffs_subr.c).
func (s *superblock) ours(b []byte, at int64) bool {
	if s.ufs2 {
		return s.order.Uint64(b[1000:]) == uint64(at)
	}
	return at <= 8<<10
}

// firstCopy finds the copy in the first cylinder group, which lies in the block after the
// room of the first, for each size that blocks may have. It must be of the same
// filesystem, or the first have no identity any more.
func firstCopy(cache *fstree.Cache, damaged []byte) *superblock {
	for _, first := range superPlaces {
		for block := int64(4 << 10); block <= 64<<10; block *= 2 {
			at := (first + superRoom + block - 1) &^ (block - 1)
			if at > cache.Size()-superSize {
				continue
			}
			b, err := cache.Bytes(at, superSize)
			if err != nil || byteOrder(b) == nil {
				continue
			}
			sb, err := parseSuperblock(b, at)
			if err != nil || sb.blockSize != block || int64(int32(sb.order.Uint32(b[8:])))*sb.fragSize != at {
				continue
			}
			if damaged != nil && !bytes.Equal(damaged[144:152], b[144:152]) && !bytes.Equal(damaged[144:152], make([]byte, 8)) {
				continue
			}
			return sb
		}
	}
	return nil
}

// parseSuperblock decodes and checks a superblock (struct fs).
func parseSuperblock(b []byte, at int64) (*superblock, error) {
	order := byteOrder(b)
	i32 := func(off int) int64 { return int64(int32(order.Uint32(b[off:]))) }
	i64 := func(off int) int64 { return int64(order.Uint64(b[off:])) }
	s := &superblock{
		order: order, at: at, ufs2: order.Uint32(b[magicAt:]) != magicUFS1,
		blockSize: i32(48), fragSize: i32(52), frags: i32(56), groups: i32(44), perGroup: i32(184), fpg: i32(188),
		inodesAt: i32(16), maxLink: i32(1320), fsck: b[209], flags: uint32(b[211]),
	}
	var free [3]int64 // blocks, inodes, fragments
	if s.ufs2 {
		s.size, s.dataSize, free = i64(1080), i64(1088), [3]int64{i64(1016), i64(1024), i64(1032)}
		s.label = labelOf(b[680:712])
	} else {
		s.size, s.dataSize, free = i32(36), i32(40), [3]int64{i32(196), i32(200), i32(204)}
		s.offset, s.mask = i32(24), i32(28)
		// Solaris keeps a sum of its state and the time (FSOKAY in sys/fs/ufs_fs.h).
		s.sun = i32(1336)+i32(32) == 0x7c269d38
	}
	const inodes44BSD = 2 // FS_44INODEFMT
	s.oldDirs, s.oldInodes = !s.ufs2 && s.maxLink <= 0, !s.ufs2 && i32(1324) < inodes44BSD
	if s.flags&flagsMoved != 0 {
		s.flags = order.Uint32(b[1312:])
	}
	if why := s.wrong(); why != "" {
		return nil, damage("superblock", at/512, "%s", why)
	}
	s.freeBytes = min(max(free[0], 0), s.size/s.frags)*s.blockSize + min(max(free[2], 0), s.size)*s.fragSize
	s.freeFiles = min(max(free[1], 0), s.groups*s.perGroup)
	s.clean = s.fsck&1 != 0
	if s.sun { // FSCLEAN, FSSTABLE, FSLOG
		s.clean = s.fsck == 1 || s.fsck == 2 || s.fsck == 0xfd
	}
	for n := range 20 {
		if !s.sun && order.Uint32(b[1116+4*n:]) != 0 {
			s.snapshots++
		}
	}
	version, place := order.Uint32(b[1208:]), order.Uint32(b[1212:])
	s.journaled = version == 1 && (place == 1 || place == 2)
	return s, nil
}

// wrong says what cannot be.
func (s *superblock) wrong() string {
	powerOfTwo := func(n int64) bool { return n > 0 && n&(n-1) == 0 }
	inode := s.inodeSize()
	switch {
	case !powerOfTwo(s.blockSize) || s.blockSize < 4096 || s.blockSize > 64<<10:
		return fmt.Sprintf("blocks of %d bytes", s.blockSize)
	case !powerOfTwo(s.fragSize) || s.fragSize < 512 || s.fragSize > s.blockSize || s.blockSize/s.fragSize > 8 || s.frags != s.blockSize/s.fragSize:
		return fmt.Sprintf("%d fragments of %d bytes in a block of %d", s.frags, s.fragSize, s.blockSize)
	case s.size <= 0 || s.size > 1<<62/s.fragSize || s.dataSize < 0 || s.dataSize > s.size:
		return fmt.Sprintf("%d fragments of %d", s.dataSize, s.size)
	case s.fpg <= 0 || s.perGroup <= 0 || s.perGroup*inode > s.fpg*s.fragSize || s.inodesAt <= 0 || s.inodesAt > s.fpg:
		return fmt.Sprintf("groups of %d fragments with %d inodes from fragment %d", s.fpg, s.perGroup, s.inodesAt)
	case s.groups <= 0 || s.groups-1 > s.size/s.fpg:
		return fmt.Sprintf("%d groups of %d fragments in %d", s.groups, s.fpg, s.size)
	case s.offset < 0 || s.offset > s.fpg:
		return fmt.Sprintf("groups that begin %d fragments later", s.offset)
	}
	return ""
}

func (s *superblock) inodeSize() int64 {
	if s.ufs2 {
		return 256
	}
	return 128
}

// inodeAt returns the byte where an inode lies (ino_to_fsba).
func (s *superblock) inodeAt(ino uint64) (int64, error) {
	if ino < rootIno || ino >= uint64(s.groups*s.perGroup) {
		return 0, damage(fmt.Sprintf("inode %d", ino), -1, "there are %d", s.groups*s.perGroup)
	}
	group := int64(ino) / s.perGroup
	start := group*s.fpg + s.offset*(group&^s.mask)
	return (start+s.inodesAt)*s.fragSize + int64(ino)%s.perGroup*s.inodeSize(), nil
}

// holds reports whether fragments lie in the volume.
func (s *superblock) holds(frag, n int64) bool { return frag > 0 && n <= s.size && frag <= s.size-n }

// notes are what a user should know.
func (s *superblock) notes() (notes []string) {
	if !s.clean {
		journal := ""
		switch {
		case s.flags&flagJournal != 0:
			journal = ", and its journal of soft updates is not replayed"
		case s.flags&flagGJournal != 0:
			journal = ", and its journal (gjournal) is not replayed"
		case s.journaled:
			journal = ", and its journal (WAPBL) is not replayed"
		case s.flags&flagSoftUpdates != 0:
			journal = " (it has soft updates)"
		}
		notes = append(notes, "the filesystem was not unmounted cleanly"+journal)
	}
	if s.sun && s.fsck == 0xfd {
		notes = append(notes, "the filesystem has a log of Solaris, which is not replayed")
	}
	if s.flags&flagNeedsCheck != 0 {
		notes = append(notes, "the filesystem is marked as damaged: it needs fsck")
	}
	if s.snapshots > 0 {
		notes = append(notes, fmt.Sprintf("the filesystem has %d snapshots, whose contents are not read", s.snapshots))
	}
	return notes
}

func labelOf(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return strings.TrimRight(string(b), " \t\n\v\f\r")
}
