package ext4

import (
	"fmt"
	"math/bits"
	"strings"
)

// featureSet is one of the three feature words of the superblock.
type featureSet uint32

func (s featureSet) has(f featureSet) bool { return s&f != 0 }

// Compatible features: a reader may ignore those that it does not know.
const (
	compatHasJournal   featureSet = 0x4
	compatDirIndex     featureSet = 0x20
	compatSparseSuper2 featureSet = 0x200
	compatOrphanFile   featureSet = 0x1000
)

// Incompatible features: a reader must know every one.
const (
	incompatFiletype     featureSet = 0x2
	incompatNeedsRecover featureSet = 0x4
	incompatJournalDev   featureSet = 0x8
	incompatMetaBG       featureSet = 0x10
	incompatExtents      featureSet = 0x40
	incompat64Bit        featureSet = 0x80
	incompatMMP          featureSet = 0x100
	incompatFlexBG       featureSet = 0x200
	incompatEAInode      featureSet = 0x400
	incompatCsumSeed     featureSet = 0x2000
	incompatLargeDir     featureSet = 0x4000
	incompatInlineData   featureSet = 0x8000
	incompatEncrypt      featureSet = 0x10000
	incompatCasefold     featureSet = 0x20000

	incompatKnown = incompatFiletype | incompatNeedsRecover | incompatMetaBG |
		incompatExtents | incompat64Bit | incompatMMP | incompatFlexBG |
		incompatEAInode | incompatCsumSeed | incompatLargeDir |
		incompatInlineData | incompatEncrypt | incompatCasefold
)

// Read-only compatible features: a reader may ignore those that it does not
// know, a writer may not.
const (
	roSparseSuper featureSet = 0x1
	roLargeFile   featureSet = 0x2
	roBtreeDir    featureSet = 0x4
	roHugeFile    featureSet = 0x8
	roGdtCsum     featureSet = 0x10
	roBigalloc    featureSet = 0x200
	roMetaCsum    featureSet = 0x400
)

// What ext2 and ext3 may have before blkid calls them ext4
// (libblkid/src/superblocks/ext.c).
const (
	ext2Incompat = incompatFiletype | incompatMetaBG
	ext3Incompat = ext2Incompat | incompatNeedsRecover
	ext3ROCompat = roSparseSuper | roLargeFile | roBtreeDir
)

// incompatName is what debugfs calls an incompatible feature
// (e2fsprogs lib/e2p/feature.c).
func incompatName(f featureSet) string {
	switch f {
	case 0x1:
		return "compression"
	case incompatJournalDev:
		return "journal_dev"
	case 0x1000:
		return "dirdata"
	}
	return fmt.Sprintf("FEATURE_I%d", bits.TrailingZeros32(uint32(f)))
}

// incompatNames lists the features of a set, lowest first.
func incompatNames(s featureSet) string {
	var names []string
	for ; s != 0; s &= s - 1 {
		names = append(names, incompatName(s&-s))
	}
	return strings.Join(names, ", ")
}
