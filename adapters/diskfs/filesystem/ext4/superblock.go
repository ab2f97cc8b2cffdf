package ext4

import (
	"bytes"
	"fmt"
	"math/bits"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	superblockOffset = 1024
	superblockSize   = 1024
	superMagic       = 0xEF53

	rootIno = 2

	goodOldInodeSize = 128
	goodOldFirstIno  = 11
	maxBlockBits     = 16
	minDescSize      = 32
	minDescSize64    = 64

	stateValid  = 0x1 // unmounted cleanly
	stateErrors = 0x2

	flagUnsignedHash = 0x2
	checksumCRC32C   = 1
)

// superblock is what the reader needs of the superblock, validated.
type superblock struct {
	compat, incompat, roCompat featureSet

	blockSize      int64 // bytes
	blockBits      uint
	clusterBlocks  uint64 // blocks in a cluster; 1 without bigalloc
	blocks         uint64
	firstDataBlock uint64
	blocksPerGroup uint64
	inodesPerGroup uint64
	groups         uint64
	inodes         uint64
	reservedGDT    uint64
	firstMetaBG    uint64
	backupGroups   [2]uint32 // of sparse_super2
	overhead       uint64    // clusters, of bigalloc
	freeBlocks     uint64
	freeInodes     uint64
	inodeSize      int
	descSize       int
	firstIno       uint32

	uuid        [16]byte
	label       string
	state       uint16
	errors      uint32
	csumSeed    uint32
	hashSeed    [4]uint32
	hashVersion uint8
	flags       uint32

	journalIno  uint32
	journalDev  uint32
	journalUUID [16]byte
	orphanIno   uint32
}

// damagedSuper names no block: which one byte 1024 lies in follows from the
// superblock itself.
func damagedSuper(format string, args ...any) error {
	return &fstree.DamageError{FS: "ext4", Structure: "superblock", Block: -1, Why: fmt.Sprintf(format, args...)}
}

// parseSuperblock decodes and checks the 1024 bytes of a superblock, by the
// rules of ext4_fill_super (fs/ext4/super.c).
func parseSuperblock(b []byte) (*superblock, error) {
	if le.Uint16(b[0x38:]) != superMagic {
		return nil, fmt.Errorf("ext4: no magic 0xef53 in the superblock: %w", fstree.ErrNotThis)
	}
	s := &superblock{
		inodes:         uint64(le.Uint32(b[0x00:])),
		blocks:         uint64(le.Uint32(b[0x04:])),
		firstDataBlock: uint64(le.Uint32(b[0x14:])),
		blocksPerGroup: uint64(le.Uint32(b[0x20:])),
		inodesPerGroup: uint64(le.Uint32(b[0x28:])),
		freeBlocks:     uint64(le.Uint32(b[0x0C:])),
		freeInodes:     uint64(le.Uint32(b[0x10:])),
		state:          le.Uint16(b[0x3A:]),
		inodeSize:      goodOldInodeSize,
		firstIno:       goodOldFirstIno,
		descSize:       minDescSize,
		clusterBlocks:  1,
	}
	if revision := le.Uint32(b[0x4C:]); revision != 0 {
		s.firstIno = le.Uint32(b[0x54:])
		s.inodeSize = int(le.Uint16(b[0x58:]))
	}
	s.decodeFeatures(b)
	if s.incompat.has(incompatJournalDev) {
		return nil, fmt.Errorf("ext4: a journal device (journal_dev), which holds no files: %w", fstree.ErrUnsupported)
	}
	if unknown := s.incompat &^ incompatKnown; unknown != 0 {
		return nil, fmt.Errorf("ext4: feature %s: %w", incompatNames(unknown), fstree.ErrUnsupported)
	}
	if err := s.verifyChecksum(b); err != nil {
		return nil, err
	}
	if err := s.setGeometry(b); err != nil {
		return nil, err
	}
	return s, nil
}

// decodeFeatures decodes the features and what came with them. Revision 0 has
// none, but the kernel looks at these fields all the same.
func (s *superblock) decodeFeatures(b []byte) {
	s.compat = featureSet(le.Uint32(b[0x5C:]))
	s.incompat = featureSet(le.Uint32(b[0x60:]))
	s.roCompat = featureSet(le.Uint32(b[0x64:]))
	s.uuid = [16]byte(b[0x68:])
	label, _, _ := bytes.Cut(b[0x78:0x88], []byte{0})
	s.label = string(label)
	s.reservedGDT = uint64(le.Uint16(b[0xCE:]))
	s.journalUUID = [16]byte(b[0xD0:])
	s.journalIno = le.Uint32(b[0xE0:])
	s.journalDev = le.Uint32(b[0xE4:])
	for i := range s.hashSeed {
		s.hashSeed[i] = le.Uint32(b[0xEC+4*i:])
	}
	s.hashVersion = b[0xFC]
	s.firstMetaBG = uint64(le.Uint32(b[0x104:]))
	s.flags = le.Uint32(b[0x160:])
	s.errors = le.Uint32(b[0x194:])
	s.overhead = uint64(le.Uint32(b[0x248:]))
	s.backupGroups = [2]uint32{le.Uint32(b[0x24C:]), le.Uint32(b[0x250:])}
	s.orphanIno = le.Uint32(b[0x280:])
	if s.incompat.has(incompat64Bit) {
		s.blocks |= uint64(le.Uint32(b[0x150:])) << 32
		s.freeBlocks |= uint64(le.Uint32(b[0x158:])) << 32
		s.descSize = int(le.Uint16(b[0xFE:]))
	}
	s.csumSeed = crc32c(^uint32(0), s.uuid[:])
	if s.incompat.has(incompatCsumSeed) {
		s.csumSeed = le.Uint32(b[0x270:])
	}
}

func (s *superblock) verifyChecksum(b []byte) error {
	if !s.hasChecksums() {
		return nil
	}
	if b[0x175] != checksumCRC32C {
		return fmt.Errorf("ext4: metadata_csum with checksum type %d: %w", b[0x175], fstree.ErrUnsupported)
	}
	if want, got := le.Uint32(b[0x3FC:]), crc32c(^uint32(0), b[:0x3FC]); want != got {
		return damagedSuper("checksum is %08x, not %08x", got, want)
	}
	return nil
}

// setGeometry decodes and checks what everything else is computed from.
func (s *superblock) setGeometry(b []byte) error {
	logBlock, logCluster := le.Uint32(b[0x18:]), le.Uint32(b[0x1C:])
	if logBlock > maxBlockBits-10 {
		return damagedSuper("block size 2^%d", uint64(logBlock)+10)
	}
	s.blockBits = uint(logBlock) + 10
	s.blockSize = 1 << s.blockBits
	if s.roCompat.has(roBigalloc) {
		if logCluster < logBlock || logCluster > 20 {
			return damagedSuper("cluster size 2^%d of blocks of 2^%d", uint64(logCluster)+10, s.blockBits)
		}
		s.clusterBlocks = 1 << (logCluster - logBlock)
	}
	if s.inodeSize < goodOldInodeSize || bits.OnesCount(uint(s.inodeSize)) != 1 || int64(s.inodeSize) > s.blockSize {
		return damagedSuper("inode size %d", s.inodeSize)
	}
	if s.incompat.has(incompat64Bit) &&
		(s.descSize < minDescSize64 || bits.OnesCount(uint(s.descSize)) != 1 || int64(s.descSize) > s.blockSize) {
		return damagedSuper("group descriptor size %d", s.descSize)
	}
	perBlock := uint64(s.blockSize) / uint64(s.inodeSize)
	if s.inodesPerGroup < perBlock || s.inodesPerGroup > uint64(s.blockSize)*8 {
		return damagedSuper("%d inodes in a group", s.inodesPerGroup)
	}
	if s.blocksPerGroup == 0 || s.blocksPerGroup > uint64(s.blockSize)*8*s.clusterBlocks {
		return damagedSuper("%d blocks in a group", s.blocksPerGroup)
	}
	if s.firstDataBlock >= s.blocks || (s.firstDataBlock == 0 && s.blockSize == 1024 && s.clusterBlocks == 1) {
		return damagedSuper("first data block %d of %d", s.firstDataBlock, s.blocks)
	}
	if s.blocks > 1<<62>>s.blockBits {
		return damagedSuper("%d blocks", s.blocks)
	}
	s.groups = (s.blocks-s.firstDataBlock-1)/s.blocksPerGroup + 1
	if s.inodes != s.groups*s.inodesPerGroup {
		return damagedSuper("%d inodes, but %d groups of %d", s.inodes, s.groups, s.inodesPerGroup)
	}
	if s.groups*s.inodeTableBlocks() >= s.blocks {
		return damagedSuper("%d blocks of inode tables in %d blocks", s.groups*s.inodeTableBlocks(), s.blocks)
	}
	if s.firstIno < goodOldFirstIno {
		return damagedSuper("first inode %d", s.firstIno)
	}
	return nil
}

// hasChecksums reports metadata_csum.
func (s *superblock) hasChecksums() bool { return s.roCompat.has(roMetaCsum) }

// holds reports whether blocks [start, start+n) may hold data. The block of
// the superblock never does (ext4_inode_block_valid).
func (s *superblock) holds(start, n uint64) bool {
	return start > s.firstDataBlock && start < s.blocks && n <= s.blocks-start
}

// kind is what blkid and mount call the filesystem.
func (s *superblock) kind() string {
	journal := s.compat.has(compatHasJournal)
	switch {
	case s.roCompat&^ext3ROCompat != 0 || s.incompat&^ext3Incompat != 0:
		return "ext4"
	case journal:
		return "ext3"
	case s.incompat&^ext2Incompat != 0:
		return "ext4"
	}
	return "ext2"
}

// groupHasSuper reports whether a group begins with a copy of the superblock
// and the group descriptors (ext4_bg_has_super).
func (s *superblock) groupHasSuper(group uint64) bool {
	switch {
	case group == 0:
		return true
	case s.compat.has(compatSparseSuper2):
		return group == uint64(s.backupGroups[0]) || group == uint64(s.backupGroups[1])
	case group == 1 || !s.roCompat.has(roSparseSuper):
		return true
	case group%2 == 0:
		return false
	}
	return isPower(group, 3) || isPower(group, 5) || isPower(group, 7)
}

func isPower(n, base uint64) bool {
	for n%base == 0 {
		n /= base
	}
	return n == 1
}
