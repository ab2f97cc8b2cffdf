package ext4

import (
	"errors"
	"fmt"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Some groups begin with copies of the superblock and of all group descriptors.
// The kernel looks at them only when it is told to (the option sb); here they
// are used where the first cannot be, and said.

const superGroupAt = 0x5A // in a superblock: the group that it lies in

// readSuperblock reads the superblock, or a copy if that is damaged.
func readSuperblock(cache *fstree.Cache) (_ *superblock, note string, err error) {
	if cache.Size() < superblockOffset+superblockSize {
		return nil, "", fmt.Errorf("ext4: a volume of %d bytes: %w", cache.Size(), fstree.ErrNotThis)
	}
	b, err := cache.Bytes(superblockOffset, superblockSize)
	if err != nil {
		return nil, "", fmt.Errorf("ext4: superblock: %w", err)
	}
	sb, err := parseSuperblock(b)
	if !errors.Is(err, fstree.ErrDamaged) {
		return sb, "", err
	}
	backup, at := backupSuperblock(cache, b)
	if backup == nil {
		return nil, "", err
	}
	return backup, fmt.Sprintf("the superblock is damaged and its copy in block %d is used: %v", at, err), nil
}

// backupSuperblock finds the copy in the second group, which every layout but
// that of sparse_super2 has, for each size that blocks may have: where that
// would be by the blocks in a group that the damaged one says, and for the powers
// of two from the usual down. It must be of the same filesystem, or the first have
// no identity any more.
func backupSuperblock(cache *fstree.Cache, damaged []byte) (*superblock, int64) {
	for bits := uint(10); bits <= maxBlockBits; bits++ {
		first := int64(superblockOffset >> bits) // the block of the first
		groups := []int64{int64(le.Uint32(damaged[0x20:]))}
		for blocks := int64(8) << bits; blocks >= minGroup; blocks /= 2 {
			groups = append(groups, blocks)
		}
		for _, blocks := range groups {
			if sb := sameSuperblock(cache, (first+blocks)<<bits, bits, damaged); sb != nil {
				return sb, first + blocks
			}
		}
	}
	return nil, 0
}

const minGroup = 256 // blocks that mke2fs lets a group have at least

// sameSuperblock returns the superblock of the second group at a byte, if it is
// a sound one of the same filesystem.
func sameSuperblock(cache *fstree.Cache, at int64, bits uint, damaged []byte) *superblock {
	b, err := cache.Bytes(at, superblockSize)
	if err != nil {
		return nil
	}
	sb, err := parseSuperblock(b)
	if err != nil || sb.blockBits != bits || le.Uint16(b[superGroupAt:]) != 1 {
		return nil
	}
	if id := [16]byte(damaged[0x68:]); id != sb.uuid && id != [16]byte{} {
		return nil
	}
	// A copy does not say whether the journal is to be replayed.
	if sb.compat.has(compatHasJournal) && sb.journalIno != 0 {
		sb.incompat |= incompatNeedsRecover
	}
	return sb
}

// backup reads a descriptor's copy in the first group after group 0 that has
// one. The groups of meta_bg keep theirs among themselves, and are not asked.
func (t *groupTable) backup(n uint64) *group {
	s := t.sb
	if s.incompat.has(incompatMetaBG) {
		return nil
	}
	perBlock := uint64(s.blockSize) / uint64(s.descSize)
	for from := uint64(1); from < min(s.groups, 1<<16); from++ {
		if !s.groupHasSuper(from) {
			continue
		}
		block := s.firstDataBlock + from*s.blocksPerGroup + 1 + n/perBlock
		d, err := t.descriptor(block, n)
		if err != nil {
			continue
		}
		if g := t.decode(n, d); !g.suspect && s.holds(g.inodeTable, s.inodeTableBlocks()) {
			g.copied = true
			return g
		}
	}
	return nil
}
