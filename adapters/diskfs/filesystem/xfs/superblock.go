package xfs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	superMagic   = 0x58465342 // "XFSB"
	superBytes   = 272        // what is read of a superblock, to the end of sb_meta_uuid and the metadata directory's number
	superCRC     = 224        // offset of sb_crc
	minAGBlocks  = 64         // XFS_MIN_AG_BLOCKS
	maxDirBlkLog = 16         // XFS_MAX_BLOCKSIZE_LOG: a directory block has at most 64 KiB
)

// Bits of sb_versionnum (fs/xfs/libxfs/xfs_format.h, XFS_SB_VERSION_*).
const (
	versionNumber   = 0x000f
	versionDirV2    = 0x2000
	versionASCIICI  = 0x4000
	versionMoreBits = 0x8000
	versionLogV2    = 0x0400
	versionKnown    = 0x000f | 0x0010 | 0x0020 | 0x0040 | 0x0080 | 0x0100 | versionLogV2 | 0x0800 | 0x1000 | versionDirV2 | versionASCIICI | versionMoreBits
)

// Bits of sb_features2 (XFS_SB_VERSION2_*).
const (
	features2LazyCount = 0x0002
	features2FType     = 0x0200
	features2Known     = features2LazyCount | 0x0008 | 0x0080 | 0x0100 | features2FType
)

// Bits of sb_features_incompat (XFS_SB_FEAT_INCOMPAT_*).
const (
	incompatFType       = 0x01
	incompatMetaUUID    = 0x04
	incompatNeedsRepair = 0x10
	incompatNRExt64     = 0x20
	incompatKnown       = incompatFType | 0x02 | incompatMetaUUID | 0x08 | incompatNeedsRepair | incompatNRExt64 | 0x40 | 0x80
)

// logIncompatKnown is the bits of sb_features_log_incompat that are known:
// extended attributes by intents (XFS_SB_FEAT_INCOMPAT_LOG_XATTRS).
const logIncompatKnown = 0x1

// incompatNames names the incompatible features from bit 0 on, as mkfs.xfs
// and xfs_info call them.
func incompatNames() []string {
	return []string{"ftype", "sparse inodes", "meta uuid", "bigtime", "needs repair", "nrext64",
		"exchange range", "parent pointers", "metadata directory tree", "zoned realtime device", "zone gaps"}
}

// superblock holds the validated geometry and features of a filesystem.
type superblock struct {
	blockSize   uint32 // bytes
	blockLog    uint8
	sectorSize  uint32 // bytes
	inodeSize   uint32 // bytes
	inodesLog   uint8  // log2 of the inodes in a block
	dirBlockLog uint8  // log2 of the filesystem blocks in a directory block
	agBlocks    uint32 // blocks in an allocation group; the last one may have fewer
	agCount     uint32
	agBlockLog  uint8 // bits of a block number within its allocation group
	blocks      uint64
	rtBlocks    uint64
	root        uint64 // inode number

	logStart    uint64 // filesystem block; 0 if the log is on a device of its own
	logBlocks   uint32
	logFeatures uint32 // that this reader does not know

	v5, ftype, asciiCI, nrext64, lazyCount, logV2, needsRepair bool

	uuid, metaUUID [16]byte
	label          string

	counters
	maxInodePercent uint8
}

// readSuperblock reads and validates the superblock at the volume's start, by
// the rules of xfs_validate_sb_common in fs/xfs/libxfs/xfs_sb.c. The checksum
// does not hold for what a replay changed.
func readSuperblock(r io.ReaderAt, size int64, replayed *overlay) (superblock, error) {
	if size < 512 {
		return superblock{}, fmt.Errorf("xfs: a volume of %d bytes: %w", size, fstree.ErrNotThis)
	}
	raw := make([]byte, 512)
	if _, err := r.ReadAt(raw, 0); err != nil {
		return superblock{}, fmt.Errorf("xfs: reading the superblock: %w", err)
	}
	if binary.BigEndian.Uint32(raw) != superMagic {
		return superblock{}, fmt.Errorf("xfs: no superblock: %w", fstree.ErrNotThis)
	}
	sb := decodeSuperblock(raw)
	if err := sb.checkVersion(raw); err != nil {
		return superblock{}, err
	}
	if why := sb.checkGeometry(raw); why != "" {
		return superblock{}, superDamage(why)
	}
	if !sb.v5 {
		return sb, nil
	}
	if int64(sb.sectorSize) > size {
		return superblock{}, superDamage("it is cut off")
	}
	sector := make([]byte, sb.sectorSize)
	if _, err := r.ReadAt(sector, 0); err != nil {
		return superblock{}, fmt.Errorf("xfs: reading the superblock: %w", err)
	}
	if !checksumOK(sector, superCRC) && !replayed.touches(0, int64(len(sector))) {
		return superblock{}, superDamage("its checksum is wrong")
	}
	return sb, nil
}

func superDamage(why string) error {
	return &fstree.DamageError{FS: "xfs", Structure: "superblock", Block: 0, Why: why}
}

// decodeSuperblock takes the fields as they are.
func decodeSuperblock(raw []byte) superblock {
	be := binary.BigEndian
	version := be.Uint16(raw[100:])
	// Old 64-bit kernels put sb_features2 four bytes further on; the kernel
	// takes the union.
	features2 := be.Uint32(raw[200:]) | be.Uint32(raw[204:])
	if version&versionMoreBits == 0 {
		features2 = 0
	}
	incompat := be.Uint32(raw[216:])
	sb := superblock{
		blockSize:       be.Uint32(raw[4:]),
		blocks:          be.Uint64(raw[8:]),
		rtBlocks:        be.Uint64(raw[16:]),
		logStart:        be.Uint64(raw[48:]),
		root:            be.Uint64(raw[56:]),
		agBlocks:        be.Uint32(raw[84:]),
		agCount:         be.Uint32(raw[88:]),
		logBlocks:       be.Uint32(raw[96:]),
		sectorSize:      uint32(be.Uint16(raw[102:])),
		inodeSize:       uint32(be.Uint16(raw[104:])),
		label:           string(bytes.TrimRight(raw[108:120], "\x00")),
		blockLog:        raw[120],
		inodesLog:       raw[123],
		agBlockLog:      raw[124],
		maxInodePercent: raw[127],
		counters:        counters{be.Uint64(raw[128:]), be.Uint64(raw[136:]), be.Uint64(raw[144:])},
		dirBlockLog:     raw[192],
		v5:              version&versionNumber == 5,
		asciiCI:         version&versionASCIICI != 0,
		lazyCount:       features2&features2LazyCount != 0,
		logV2:           version&versionLogV2 != 0,
		ftype:           features2&features2FType != 0,
	}
	copy(sb.uuid[:], raw[32:])
	sb.metaUUID = sb.uuid
	if sb.v5 {
		sb.ftype = incompat&incompatFType != 0
		sb.nrext64 = incompat&incompatNRExt64 != 0
		sb.needsRepair = incompat&incompatNeedsRepair != 0
		sb.lazyCount, sb.logV2 = true, true
		sb.logFeatures = be.Uint32(raw[220:]) &^ logIncompatKnown
		if incompat&incompatMetaUUID != 0 {
			copy(sb.metaUUID[:], raw[248:])
		}
	}
	if i := strings.IndexByte(sb.label, 0); i >= 0 {
		sb.label = sb.label[:i]
	}
	return sb
}

// checkVersion refuses what this reader does not know, by name.
func (sb *superblock) checkVersion(raw []byte) error {
	be := binary.BigEndian
	version := be.Uint16(raw[100:])
	refuse := func(feature string) error {
		return fmt.Errorf("xfs: %s: %w", feature, fstree.ErrUnsupported)
	}
	switch n := version & versionNumber; {
	case n < 4 || n > 5:
		return refuse(fmt.Sprintf("format version %d", n))
	case version&versionDirV2 == 0:
		return refuse("directories of version 1")
	case version&^versionKnown != 0 && n == 4:
		return refuse(fmt.Sprintf("version flags %#x", version&^versionKnown))
	case n == 4:
		if unknown := be.Uint32(raw[200:]) &^ features2Known; unknown != 0 && version&versionMoreBits != 0 {
			return refuse(fmt.Sprintf("version 4 features %#x", unknown))
		}
		return nil
	}
	unknown := be.Uint32(raw[216:]) &^ incompatKnown
	if unknown == 0 {
		return nil
	}
	bit := bits.TrailingZeros32(unknown)
	if names := incompatNames(); bit < len(names) {
		return refuse(names[bit])
	}
	return refuse(fmt.Sprintf("incompatible feature bit %d", bit))
}

// checkGeometry says what is wrong with the numbers that everything else is
// computed from.
func (sb *superblock) checkGeometry(raw []byte) string {
	minBlock, minInode := uint32(512), uint32(256)
	if sb.v5 {
		minBlock, minInode = 1024, 512
	}
	groups := (sb.blocks + uint64(sb.agBlocks) - 1) / max(uint64(sb.agBlocks), 1)
	switch {
	case !isPower(sb.blockSize, minBlock, 64<<10) || sb.blockSize != 1<<(sb.blockLog&31):
		return fmt.Sprintf("a block size of %d bytes", sb.blockSize)
	case !isPower(sb.sectorSize, 512, 32<<10) || sb.sectorSize > sb.blockSize:
		return fmt.Sprintf("a sector size of %d bytes", sb.sectorSize)
	case !isPower(sb.inodeSize, minInode, 2048) || sb.inodeSize > sb.blockSize:
		return fmt.Sprintf("an inode size of %d bytes", sb.inodeSize)
	case sb.blockSize>>(sb.inodesLog&31) != sb.inodeSize:
		return fmt.Sprintf("%d bits of inodes in a block", sb.inodesLog)
	case sb.blockLog > maxDirBlkLog || sb.dirBlockLog > maxDirBlkLog-sb.blockLog:
		return fmt.Sprintf("directory blocks of %d bits", sb.dirBlockLog)
	case sb.agBlocks < minAGBlocks || int(sb.agBlockLog) != bits.Len32(sb.agBlocks-1):
		return fmt.Sprintf("allocation groups of %d blocks, %d bits", sb.agBlocks, sb.agBlockLog)
	case sb.blocks == 0 || sb.blocks > 1<<63>>sb.blockLog || groups != uint64(sb.agCount):
		return fmt.Sprintf("%d blocks in %d allocation groups", sb.blocks, sb.agCount)
	case raw[126] != 0:
		return "mkfs or growfs did not finish"
	}
	if _, ok := sb.inodeOffset(sb.root); !ok {
		return fmt.Sprintf("root inode %d", sb.root)
	}
	return ""
}

func isPower(n, low, high uint32) bool {
	return n >= low && n <= high && n&(n-1) == 0
}

// groupBlocks is the number of blocks in one allocation group.
func (sb *superblock) groupBlocks(group uint64) uint64 {
	if group+1 == uint64(sb.agCount) {
		return sb.blocks - group*uint64(sb.agBlocks)
	}
	return uint64(sb.agBlocks)
}

// inodeOffset finds an inode: its number is the group, the block in the group
// and the index in the block, one after the other in bits.
func (sb *superblock) inodeOffset(num uint64) (int64, bool) {
	block := num >> sb.inodesLog
	off, ok := sb.blockOffset(block, 1)
	index := num & (1<<sb.inodesLog - 1)
	return off + int64(index)*int64(sb.inodeSize), ok
}

// blockOffset turns a run of filesystem blocks, whose number is the group and
// the block in the group, into the volume's bytes. A run lies in one group.
func (sb *superblock) blockOffset(block, count uint64) (int64, bool) {
	group, within := block>>sb.agBlockLog, block&(1<<sb.agBlockLog-1)
	if group >= uint64(sb.agCount) {
		return 0, false
	}
	if length := sb.groupBlocks(group); within >= length || count > length-within {
		return 0, false
	}
	return int64(group*uint64(sb.agBlocks)+within) << sb.blockLog, true
}

// dirBlockSize is in bytes.
func (sb *superblock) dirBlockSize() int {
	return int(sb.blockSize) << sb.dirBlockLog
}
