package xfs

import (
	"encoding/binary"
	"fmt"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// setAside is how many free blocks of each allocation group the kernel gives to
// nobody (xfs_alloc_set_aside).
const setAside = 8

// counters say how full a filesystem is.
type counters struct {
	inodes, freeInodes, freeBlocks uint64
}

// describe counts as xfs_fs_statfs does: the log is not part of the size, and
// free blocks are inodes that could be. What a mounted filesystem reserves for
// the growth of its newer B+trees is counted as free.
func (v *volume) describe(log replayed) fstree.Info {
	sb, count := &v.sb, v.sb.counters
	var unknown error
	if log.dirty && sb.lazyCount {
		count, unknown = v.recount()
	}
	blocks := sb.blocks
	if sb.logStart != 0 {
		blocks -= min(blocks, uint64(sb.logBlocks))
	}
	free := min(count.freeBlocks, blocks)
	free -= min(free, setAside*uint64(sb.agCount))
	files := max(min(count.inodes+free<<sb.inodesLog, sb.maxInodes()), count.inodes)
	info := fstree.Info{
		Type: "xfs", Label: sb.label, UUID: fstree.FormatUUID(sb.uuid),
		BlockSize: int64(sb.blockSize),
		Size:      int64(blocks) << sb.blockLog,
		Free:      int64(free) << sb.blockLog,
		Files:     files,
		FreeFiles: files - (count.inodes - min(count.freeInodes, count.inodes)),
		FreeErr:   unknown,
		Dirty:     log.dirty,
	}
	if sb.needsRepair {
		info.Notes = append(info.Notes, "marked as needing xfs_repair; the kernel would not mount it")
	}
	if sb.rtBlocks > 0 {
		info.Notes = append(info.Notes, "files on the realtime device cannot be read")
	}
	info.Notes = append(info.Notes, log.notes...)
	info.CutOff(int64(sb.blocks)<<sb.blockLog, v.cache.Size())
	return info
}

// recount sums the counters of the allocation groups: while a filesystem is
// mounted the superblock's are out of date (xfs_initialize_perag_data). Where
// a group cannot be read the superblock's have to do, and the error says so.
func (v *volume) recount() (counters, error) {
	var sum counters
	be := binary.BigEndian
	sector := int64(v.sb.sectorSize)
	headers := make([]byte, 2*sector)
	space, numbers := headers, headers[sector:]
	for group := range uint64(v.sb.agCount) {
		start := int64(group*uint64(v.sb.agBlocks)) << v.sb.blockLog
		if _, err := v.cache.ReadDirect(headers, start+sector); err != nil {
			return v.sb.counters, err
		}
		if string(space[:4]) != "XAGF" || string(numbers[:4]) != "XAGI" {
			return v.sb.counters, &fstree.DamageError{
				FS: "xfs", Structure: fmt.Sprintf("allocation group %d", group), Block: v.blockOf(start + sector), Why: "no header of its free space, or none of its inodes",
			}
		}
		sum.inodes += uint64(be.Uint32(numbers[16:]))
		sum.freeInodes += uint64(be.Uint32(numbers[28:]))
		// Free blocks, those kept for the free list, and those of the B+trees
		// but for their roots.
		sum.freeBlocks += uint64(be.Uint32(space[52:])) + uint64(be.Uint32(space[48:])) + uint64(be.Uint32(space[60:]))
	}
	return sum, nil
}

// maxInodes is the number that sb_imax_pct permits, in whole chunks of 64
// inodes (xfs_ialloc_setup_geometry), or no limit.
func (sb *superblock) maxInodes() uint64 {
	if sb.maxInodePercent == 0 {
		return 1<<56 - 1 // XFS_MAXINUMBER
	}
	chunk := max(uint64(64)>>sb.inodesLog, 1)
	percent := uint64(sb.maxInodePercent)
	share := sb.blocks/100*percent + sb.blocks%100*percent/100
	return share / chunk * chunk << sb.inodesLog
}
