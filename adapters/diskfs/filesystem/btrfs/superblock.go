package btrfs

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	superOffset = 64 << 10
	superSize   = 4096
	superMagic  = "_BHRfS_M"
	csumSize    = 32  // bytes at the beginning of the superblock and each node
	superDevice = 201 // what the device is in the filesystem
	sysChunks   = 811
	sysChunkLen = 2048

	minNode = 4 << 10
	maxNode = 64 << 10
)

// Features that change what must be understood (BTRFS_FEATURE_INCOMPAT_*), by
// their bit. Those without a mark are refused.
var incompat = []struct {
	name string
	read bool
}{
	{"mixed_backref", true}, {"default_subvol", true}, {"mixed_groups", true}, {"compress_lzo", true},
	{"compress_zstd", true}, {"big_metadata", true}, {"extended_iref", true}, {"raid56", true},
	{"skinny_metadata", true}, {"no_holes", true}, {"metadata_uuid", true}, {"raid1c34", true},
	{"zoned", false}, {"extent_tree_v2", false}, {"raid_stripe_tree", false}, {"bit 15", false}, {"simple_quota", true},
}

var le = binary.LittleEndian

// superblock is the part of the superblock that reading needs, validated.
type superblock struct {
	fsid, metadataID      [16]byte
	generation            uint64
	root, chunkRoot       uint64 // logical addresses of trees
	rootLevel, chunkLevel uint8
	logRoot               uint64 // 0 if there is no log
	logLevel              uint8
	noHoles               bool
	totalBytes, bytesUsed uint64
	rootDir               uint64 // directory of the root tree that names the default subvolume
	sectorSize, nodeSize  int64
	sum                   checksum
	devices               uint64 // how many
	device                deviceID
	deviceSize            uint64 // bytes
	chunkGeneration       uint64
	label                 string
	systemChunks          []byte
}

func damaged(structure string, block int64, format string, args ...any) error {
	return &fstree.DamageError{FS: "btrfs", Structure: structure, Block: block, Why: fmt.Sprintf(format, args...)}
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("btrfs: %w: %s", fstree.ErrUnsupported, fmt.Sprintf(format, args...))
}

func readSuperblock(r io.ReaderAt, size int64) (*superblock, error) {
	b := make([]byte, superSize)
	if size < superOffset+superSize {
		return nil, fmt.Errorf("btrfs: %w", fstree.ErrNotThis)
	}
	if n, err := r.ReadAt(b, superOffset); n < len(b) {
		return nil, fmt.Errorf("btrfs: superblock: %w", err)
	}
	if string(b[64:72]) != superMagic {
		return nil, fmt.Errorf("btrfs: %w", fstree.ErrNotThis)
	}
	sum, err := checksumOf(le.Uint16(b[196:]))
	if err != nil {
		return nil, err
	}
	if !sum.fits(b[csumSize:], b) {
		return nil, damaged("superblock", superOffset, "checksum does not match")
	}
	return parseSuperblock(b, sum)
}

func parseSuperblock(b []byte, sum checksum) (*superblock, error) {
	device := parseDevice(b[superDevice:])
	sb := &superblock{
		fsid: [16]byte(b[32:48]), metadataID: [16]byte(b[32:48]), generation: le.Uint64(b[72:]),
		root: le.Uint64(b[80:]), chunkRoot: le.Uint64(b[88:]), logRoot: le.Uint64(b[96:]),
		totalBytes: le.Uint64(b[112:]), bytesUsed: le.Uint64(b[120:]), rootDir: le.Uint64(b[128:]),
		sectorSize: int64(le.Uint32(b[144:])), nodeSize: int64(le.Uint32(b[148:])),
		rootLevel: b[198], chunkLevel: b[199], logLevel: b[200], sum: sum,
		devices: le.Uint64(b[136:]), device: device.id, deviceSize: device.size, chunkGeneration: le.Uint64(b[164:]),
	}
	features := le.Uint64(b[188:])
	for f := features; f != 0; f &= f - 1 {
		bit := bits.TrailingZeros64(f)
		if bit >= len(incompat) {
			return nil, unsupported("feature bit %d", bit)
		}
		if !incompat[bit].read {
			return nil, unsupported("feature %s", incompat[bit].name)
		}
	}
	sb.noHoles = features&(1<<9) != 0
	if features&(1<<10) != 0 {
		sb.metadataID = [16]byte(b[571:587])
	}
	if !powerOfTwo(sb.nodeSize, minNode, maxNode) || !powerOfTwo(sb.sectorSize, 512, maxNode) || sb.sectorSize > sb.nodeSize {
		return nil, damaged("superblock", superOffset, "nodes of %d and sectors of %d bytes", sb.nodeSize, sb.sectorSize)
	}
	if sb.rootLevel > maxLevel || sb.chunkLevel > maxLevel || sb.logLevel > maxLevel {
		return nil, damaged("superblock", superOffset, "trees of %d, %d and %d levels", sb.rootLevel, sb.chunkLevel, sb.logLevel)
	}
	n := le.Uint32(b[160:])
	if n > sysChunkLen {
		return nil, damaged("superblock", superOffset, "system chunks of %d bytes", n)
	}
	sb.systemChunks = b[sysChunks : sysChunks+n]
	label, _, _ := strings.Cut(string(b[299:299+256]), "\x00")
	sb.label = label
	return sb, nil
}

func powerOfTwo(n, low, high int64) bool { return n >= low && n <= high && n&(n-1) == 0 }
