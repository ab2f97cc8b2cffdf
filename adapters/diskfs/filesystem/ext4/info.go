package ext4

import (
	"fmt"
	"slices"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Info implements [fstree.Engine]. The first call reads all group
// descriptors, since only they know what is free; later ones are free of cost.
func (e *engine) Info() fstree.Info { return e.info() }

func (e *engine) makeInfo() fstree.Info {
	s := e.sb
	info := fstree.Info{
		Type:      s.kind(),
		Label:     s.label,
		BlockSize: s.blockSize,
		Size:      int64(s.blocks-min(s.blocks, e.overhead())) << s.blockBits,
		Files:     s.inodes,
		Dirty:     s.state&stateValid == 0 || s.incompat.has(incompatNeedsRecover),
		Notes:     append([]string{}, e.notes...),
	}
	if u := s.uuid; u != [16]byte{} {
		info.UUID = fstree.FormatUUID(u)
	}
	if s.state&stateErrors != 0 || s.errors != 0 {
		info.Notes = append(info.Notes, "the kernel found errors in this filesystem")
	}
	free := e.free()
	if free.suspect > 0 {
		info.Notes = append(info.Notes, fmt.Sprintf("%d group descriptors have a wrong checksum, the first that of group %d; they are used as the kernel does on a read-only mount", free.suspect, free.firstSuspect))
	}
	if free.copied > 0 {
		info.Notes = append(info.Notes, fmt.Sprintf("%d group descriptors are damaged and their copies are used", free.copied))
	}
	if free.err != nil {
		// The superblock's own numbers are only as new as the last unmount.
		info.FreeErr = free.err
		free.blocks, free.inodes = s.freeBlocks, s.freeInodes
	}
	info.Free = int64(min(free.blocks, s.blocks)) << s.blockBits
	info.FreeFiles = min(free.inodes, s.inodes)
	info.CutOff(int64(s.blocks)<<s.blockBits, e.cache.Size())
	return info
}

// maxCounted is how many groups are asked for what they have free: 128 TiB of
// them, at the usual size. A filesystem that claims more is believed.
const maxCounted = 1 << 20

// freeCount is what the group descriptors say together.
type freeCount struct {
	blocks, inodes uint64
	suspect        uint64 // descriptors with a wrong checksum
	firstSuspect   uint64 // group
	copied         uint64 // descriptors that come from their copies
	err            error  // nothing is known
}

// free adds up what is free in the groups.
func (e *engine) free() freeCount {
	s := e.sb
	if s.groups > maxCounted {
		return freeCount{blocks: s.freeBlocks, inodes: s.freeInodes}
	}
	var c freeCount
	for n := range s.groups {
		g, err := e.groups.get(n)
		if err != nil {
			return freeCount{err: err}
		}
		c.blocks += g.freeClusters * s.clusterBlocks
		c.inodes += g.freeInodes
		if g.copied {
			c.copied++
		}
		if g.suspect {
			if c.suspect == 0 {
				c.firstSuspect = n
			}
			c.suspect++
		}
	}
	return c
}

// overhead is how many blocks statfs does not count, because they never hold
// files (ext4_calculate_overhead in fs/ext4/super.c): superblocks, group
// descriptors, bitmaps, inode tables and the journal. With bigalloc the
// kernel takes the number that mke2fs stored, and so does this.
func (e *engine) overhead() uint64 {
	s := e.sb
	if s.clusterBlocks > 1 {
		return s.overhead * s.clusterBlocks
	}
	blocks := s.firstDataBlock + s.groups*(s.inodeTableBlocks()+2) + s.descriptorOverhead()
	if s.compat.has(compatHasJournal) && s.journalIno != 0 && uint64(s.journalIno) <= s.inodes {
		if in, err := e.anyInode(uint64(s.journalIno)); err == nil {
			blocks += uint64(in.size) >> s.blockBits
		}
	}
	return blocks
}

// descriptorOverhead is how many blocks the copies of the superblock and the
// descriptors take (ext4_bg_num_gdb in fs/ext4/balloc.c).
func (s *superblock) descriptorOverhead() uint64 {
	perBlock := uint64(s.blockSize) / uint64(s.descSize)
	blocks := s.supersBelow(s.groups) * (1 + s.reservedGDT)
	if !s.incompat.has(incompatMetaBG) {
		return blocks + s.supersBelow(s.groups)*((s.groups+perBlock-1)/perBlock)
	}
	// From firstMetaBG on, the block that describes some groups lies in the
	// first, the second and the last of them.
	old := min(s.groups, s.firstMetaBG*perBlock)
	meta, rest := (s.groups-old)/perBlock, (s.groups-old)%perBlock
	return blocks + s.supersBelow(old)*s.firstMetaBG + 3*meta + min(rest, 2)
}

// supersBelow counts the groups with a copy of the superblock, as
// groupHasSuper has them, below a number.
func (s *superblock) supersBelow(n uint64) uint64 {
	if !s.compat.has(compatSparseSuper2) && !s.roCompat.has(roSparseSuper) {
		return n
	}
	candidates := []uint64{0, 1, uint64(s.backupGroups[0]), uint64(s.backupGroups[1])}
	for _, base := range []uint64{3, 5, 7} {
		for power := base; power < n; power *= base {
			candidates = append(candidates, power)
		}
	}
	slices.Sort(candidates)
	var count uint64
	for _, group := range slices.Compact(candidates) {
		if group < n && s.groupHasSuper(group) {
			count++
		}
	}
	return count
}
