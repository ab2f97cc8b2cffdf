package xfs

import (
	"encoding/binary"
	"fmt"
)

// Fields of an inode item (XFS_ILOG_*): what of the inode was logged.
const (
	loggedDataLocal   = 0x002
	loggedDataExtents = 0x004
	loggedDataRoot    = 0x008
	loggedDevice      = 0x010
	loggedAttrLocal   = 0x040
	loggedAttrExtents = 0x080
	loggedAttrRoot    = 0x100
	loggedData        = loggedDataLocal | loggedDataExtents | loggedDataRoot
	loggedAttr        = loggedAttrLocal | loggedAttrExtents | loggedAttrRoot
)

const maxFlushes = 0xffff // DI_MAX_FLUSH

// inodeItem is struct xfs_inode_log_format.
type inodeItem struct {
	fields uint32
	device uint32
	where  bufferID // the cluster of inodes
	offset int64    // of the inode in it, bytes
}

func (p *replay) inodeItem(it *item) (inodeItem, error) {
	b := it.regions[0]
	// 32-bit kernels did not align the inode number.
	shift := 0
	switch len(b) {
	case 56:
	case 52:
		shift = 4
	default:
		return inodeItem{}, fmt.Errorf("an inode item of %d bytes: %w", len(b), errLogDamaged)
	}
	tail := b[24-shift:]
	out := inodeItem{
		fields: p.order.Uint32(b[4:]),
		device: p.order.Uint32(tail),
		where:  bufferID{sector: int64(p.order.Uint64(tail[16:])), length: int(p.order.Uint32(tail[24:]))},
		offset: int64(p.order.Uint32(tail[28:])),
	}
	if !p.inside(out.where.sector, int64(out.where.length)) || out.offset > int64(out.where.length)*sectorSize-int64(p.sb.inodeSize) {
		return inodeItem{}, fmt.Errorf("an inode at sector %d, byte %d: %w", out.where.sector, out.offset, errLogDamaged)
	}
	return out, nil
}

// applyInode is xlog_recover_inode_commit_pass2 of fs/xfs/xfs_inode_item_recover.c.
func (p *replay) applyInode(it *item, lsn uint64) error {
	in, err := p.inodeItem(it)
	if err != nil {
		return err
	}
	if p.cancelled[in.where] > 0 {
		return nil
	}
	at := in.where.sector*sectorSize + in.offset
	disk, err := p.overlay.load(at, int(p.sb.inodeSize))
	if err != nil {
		return err
	}
	core := inodeCoreV2
	if p.sb.v5 {
		core = inodeCoreV3
	}
	if len(it.regions) < 2 || len(it.regions[1]) < core-4 || len(it.regions[1]) > core ||
		binary.BigEndian.Uint16(disk) != inodeMagic || p.order.Uint16(it.regions[1]) != inodeMagic {
		return fmt.Errorf("an inode at sector %d, byte %d: %w", in.where.sector, in.offset, errLogDamaged)
	}
	logged := make([]byte, core)
	copy(logged, it.regions[1])
	if p.newer(disk, logged, lsn) {
		return nil
	}
	p.writeCore(disk[:core], logged)
	if in.fields&loggedDevice != 0 {
		binary.BigEndian.PutUint32(disk[core:], in.device)
	}
	if !p.writeForks(disk, core, in.fields, it.regions[2:]) {
		return fmt.Errorf("the forks of an inode at sector %d, byte %d: %w", in.where.sector, in.offset, errLogDamaged)
	}
	return p.overlay.write(disk, at)
}

// newer tells whether the inode on the disk was written after the transaction:
// by its sequence number, before version 5 by a count of writes that wraps.
func (p *replay) newer(disk, logged []byte, lsn uint64) bool {
	be := binary.BigEndian
	if p.sb.v5 {
		return be.Uint64(disk[112:]) > lsn && be.Uint64(disk[112:]) != ^uint64(0)
	}
	have, want := be.Uint16(disk[30:]), p.order.Uint16(logged[30:])
	wrapped := have == maxFlushes && want < maxFlushes/2
	return want < have && !wrapped
}

// writeCore turns a logged inode, which has the fields of one on disk in the
// byte order of the machine, into one on disk (xfs_log_dinode_to_disk). The
// list of unlinked inodes is not changed by it.
func (p *replay) writeCore(disk, logged []byte) {
	be := binary.BigEndian
	copy16 := func(at ...int) {
		for _, i := range at {
			be.PutUint16(disk[i:], p.order.Uint16(logged[i:]))
		}
	}
	copy32 := func(at ...int) {
		for _, i := range at {
			be.PutUint32(disk[i:], p.order.Uint32(logged[i:]))
		}
	}
	copy64 := func(at ...int) {
		for _, i := range at {
			be.PutUint64(disk[i:], p.order.Uint64(logged[i:]))
		}
	}
	v3 := logged[4] == 3 && len(disk) == inodeCoreV3
	var flags2 uint64
	if v3 {
		flags2 = p.order.Uint64(logged[120:])
	}
	copy16(0, 2, 20, 22, 80, 88, 90)
	copy(disk[4:6], logged[4:6])
	copy(disk[82:84], logged[82:84])
	be.PutUint16(disk[6:], 0) // links are counted in 32 bits by whoever logs
	copy64(24, 56, 64)        // from 24 on: pad and the count of writes, or nrext64's count of extents
	copy32(8, 12, 16, 72, 76, 84, 92)
	if !v3 {
		clear(disk[24:32]) // the count of writes begins anew
	}
	times := []int{32, 40, 48}
	if v3 {
		times = append(times, 144)
		copy64(104, 120, 152)
		copy32(128)
		clear(disk[132:144])
		copy(disk[160:176], logged[160:176])
	}
	for _, at := range times {
		if flags2&flag2BigTime != 0 {
			copy64(at)
		} else {
			copy32(at, at+4)
		}
	}
}

// writeForks puts logged contents of the forks into an inode. They are logged
// as they are on disk, except for the root of a B+tree.
func (p *replay) writeForks(disk []byte, core int, fields uint32, regions [][]byte) bool {
	attrAt := len(disk)
	if off := int(disk[82]) * 8; off != 0 {
		attrAt = core + off
	}
	if attrAt > len(disk) {
		return false
	}
	write := func(logged, root uint32, fork []byte) bool {
		if fields&logged == 0 {
			return true
		}
		if len(regions) == 0 {
			return false
		}
		region := regions[0]
		regions = regions[1:]
		if fields&logged == root {
			return p.writeRoot(fork, region)
		}
		copy(fork, region) // a region may be padded beyond its fork
		return true
	}
	return write(loggedData, loggedDataRoot, disk[core:attrAt]) && write(loggedAttr, loggedAttrRoot, disk[attrAt:])
}

// writeRoot turns the root of a B+tree, which is logged as a whole block, into
// what an inode has of it (xfs_bmbt_to_bmdr).
func (p *replay) writeRoot(fork, root []byte) bool {
	head := bmapHeadV4
	if p.sb.v5 {
		head = bmapLayout().size
	}
	if len(root) < head || len(fork) < 4 {
		return false
	}
	n := int(binary.BigEndian.Uint16(root[6:]))
	from, to := (len(root)-head)/recordSize, (len(fork)-4)/recordSize
	if n > from || n > to {
		return false
	}
	copy(fork[:4], root[4:8]) // level and count
	copy(fork[4:], root[head:head+8*n])
	copy(fork[4+8*to:], root[head+8*from:head+8*from+8*n])
	return true
}

// makeInodes writes the free inodes of a new chunk (struct xfs_icreate_log, of
// which all but the first word is big-endian), unless it was freed later.
func (p *replay) makeInodes(it *item) error {
	b := it.regions[0]
	if len(b) < 28 {
		return fmt.Errorf("a chunk of inodes of %d bytes: %w", len(b), errLogDamaged)
	}
	be := binary.BigEndian
	group, within := uint64(be.Uint32(b[4:])), uint64(be.Uint32(b[8:]))
	size, blocks, generation := be.Uint32(b[16:]), uint64(be.Uint32(b[20:])), be.Uint32(b[24:])
	number := group<<p.sb.agBlockLog | within
	off, ok := p.sb.blockOffset(number, blocks)
	if !ok || within>>p.sb.agBlockLog != 0 || size != p.sb.inodeSize || blocks<<p.sb.inodesLog > 64 && blocks > 1 {
		return fmt.Errorf("a chunk of %d blocks of inodes at block %d: %w", blocks, number, errLogDamaged)
	}
	length := int64(blocks) << p.sb.blockLog
	if p.made += length; p.made > p.size {
		return fmt.Errorf("more new inodes than the volume has room for: %w", errLogDamaged)
	}
	for sector := off / sectorSize; sector < (off+length)/sectorSize; sector++ {
		if p.voidAt[sector] > 0 {
			return nil
		}
	}
	inode := make([]byte, size)
	for i := range blocks << p.sb.inodesLog {
		clear(inode)
		be.PutUint16(inode, inodeMagic)
		inode[4] = 2
		be.PutUint32(inode[92:], generation)
		be.PutUint32(inode[96:], ^uint32(0))
		if p.sb.v5 {
			inode[4] = 3
			be.PutUint64(inode[152:], number<<p.sb.inodesLog+i)
			copy(inode[160:], p.sb.metaUUID[:])
		}
		if err := p.overlay.write(inode, off+int64(i)*int64(size)); err != nil {
			return err
		}
	}
	return nil
}
