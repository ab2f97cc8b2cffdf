package xfs

import "encoding/binary"

// recount sums the counters of the allocation groups: while a filesystem is
// mounted the superblock's are out of date (xfs_initialize_perag_data). Where
// a group cannot be read the superblock's remain.
func (v *volume) recount() {
	var inodes, freeInodes, freeBlocks uint64
	be := binary.BigEndian
	sector := int64(v.sb.sectorSize)
	for group := range uint64(v.sb.agCount) {
		start := int64(group*uint64(v.sb.agBlocks)) << v.sb.blockLog
		b, err := v.cache.Bytes(start+sector, 2*sector)
		if err != nil {
			return
		}
		space, numbers := b, b[sector:]
		if string(space[:4]) != "XAGF" || string(numbers[:4]) != "XAGI" {
			return
		}
		inodes += uint64(be.Uint32(numbers[16:]))
		freeInodes += uint64(be.Uint32(numbers[28:]))
		// Free blocks, those kept for the free list, and those of the B+trees
		// but for their roots.
		freeBlocks += uint64(be.Uint32(space[52:])) + uint64(be.Uint32(space[48:])) + uint64(be.Uint32(space[60:]))
	}
	v.sb.inodes, v.sb.freeInodes, v.sb.freeBlocks = inodes, freeInodes, freeBlocks
}
