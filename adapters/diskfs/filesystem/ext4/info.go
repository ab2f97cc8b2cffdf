package ext4

import (
	"fmt"

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
		info.UUID = fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
	}
	if s.state&stateErrors != 0 || s.errors != 0 {
		info.Notes = append(info.Notes, "the kernel found errors in this filesystem")
	}
	clusters, inodes, err := e.free()
	if err != nil {
		// The superblock's own numbers are only as new as the last unmount.
		info.Notes = append(info.Notes, err.Error())
		clusters, inodes = s.freeBlocks/s.clusterBlocks, s.freeInodes
	}
	info.Free = int64(min(clusters*s.clusterBlocks, s.blocks)) << s.blockBits
	info.FreeFiles = min(inodes, s.inodes)
	return info
}

// free adds up what is free in the groups.
func (e *engine) free() (clusters, inodes uint64, err error) {
	for n := range e.sb.groups {
		g, err := e.groups.get(n)
		if err != nil {
			return 0, 0, err
		}
		clusters += g.freeClusters
		inodes += g.freeInodes
	}
	return clusters, inodes, nil
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
	blocks := s.firstDataBlock + s.groups*(s.inodeTableBlocks()+2)
	for n := range s.groups {
		blocks += s.descriptorOverhead(n)
	}
	if s.compat.has(compatHasJournal) && s.journalIno != 0 && uint64(s.journalIno) <= s.inodes {
		if in, err := e.anyInode(uint64(s.journalIno)); err == nil {
			blocks += uint64(in.size) >> s.blockBits
		}
	}
	return blocks
}

// descriptorOverhead is how many blocks copies of the superblock and the
// descriptors take in a group (ext4_bg_num_gdb in fs/ext4/balloc.c).
func (s *superblock) descriptorOverhead(group uint64) uint64 {
	perBlock := uint64(s.blockSize) / uint64(s.descSize)
	meta, hasSuper := s.incompat.has(incompatMetaBG), s.groupHasSuper(group)
	var blocks uint64
	if hasSuper {
		blocks += 1 + s.reservedGDT
	}
	switch metaGroup := group / perBlock; {
	case !meta && hasSuper:
		blocks += (s.groups + perBlock - 1) / perBlock
	case meta && metaGroup < s.firstMetaBG:
		if hasSuper {
			blocks += s.firstMetaBG
		}
	case meta:
		if at := group % perBlock; at <= 1 || at == perBlock-1 {
			blocks++
		}
	}
	return blocks
}
