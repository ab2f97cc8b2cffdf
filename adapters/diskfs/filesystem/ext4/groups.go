package ext4

import (
	"fmt"
	"sync/atomic"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// groupPage is how many decoded group descriptors are kept together. Pages
// are made when they are first needed, so that a filesystem of millions of
// groups costs nothing to open.
const groupPage = 128

// group is a decoded group descriptor.
type group struct {
	inodeTable   uint64 // block
	freeClusters uint64
	freeInodes   uint64
	suspect      bool // its checksum is wrong
	copied       bool // from a copy, since the first is damaged
}

// groupTable finds group descriptors and keeps them.
type groupTable struct {
	sb    *superblock
	cache *fstree.Cache
	pages []atomic.Pointer[[groupPage]atomic.Pointer[group]]
}

func newGroupTable(sb *superblock, cache *fstree.Cache) *groupTable {
	// The superblock may claim more groups than the volume has descriptors.
	groups := min(sb.groups, uint64(cache.Size())/uint64(sb.descSize))
	pages := groups/groupPage + 1
	return &groupTable{sb: sb, cache: cache, pages: make([]atomic.Pointer[[groupPage]atomic.Pointer[group]], pages)}
}

// get returns the descriptor of a group, which must be below sb.groups.
func (t *groupTable) get(n uint64) (*group, error) {
	if n/groupPage >= uint64(len(t.pages)) {
		return nil, &fstree.DamageError{FS: "ext4", Structure: fmt.Sprintf("group descriptor %d", n), Block: -1, Why: "the volume has no room for it"}
	}
	slot := &t.pages[n/groupPage]
	page := slot.Load()
	if page == nil {
		slot.CompareAndSwap(nil, new([groupPage]atomic.Pointer[group]))
		page = slot.Load()
	}
	if g := page[n%groupPage].Load(); g != nil {
		return g, nil
	}
	g, err := t.read(n)
	if err != nil {
		return nil, err
	}
	page[n%groupPage].Store(g)
	return g, nil
}

// read finds a descriptor. A wrong checksum does not stop the kernel from
// mounting read-only (ext4_check_descriptors); where it cannot be read or says
// what cannot be, its copy is taken.
func (t *groupTable) read(n uint64) (*group, error) {
	perBlock := uint64(t.sb.blockSize) / uint64(t.sb.descSize)
	block := t.descriptorBlock(n / perBlock)
	d, err := t.descriptor(block, n)
	if err == nil {
		g := t.decode(n, d)
		if t.sb.holds(g.inodeTable, t.sb.inodeTableBlocks()) {
			return g, nil
		}
		err = damagedDescriptor(n, block, "inode table at block %d", g.inodeTable)
	}
	if g := t.backup(n); g != nil {
		return g, nil
	}
	return nil, err
}

func damagedDescriptor(n, block uint64, format string, args ...any) error {
	return &fstree.DamageError{FS: "ext4", Structure: fmt.Sprintf("group descriptor %d", n),
		Block: int64(block), Why: fmt.Sprintf(format, args...)}
}

// descriptor reads the descriptor of a group, or its copy, from a block.
func (t *groupTable) descriptor(block, n uint64) ([]byte, error) {
	if block >= t.sb.blocks {
		return nil, damagedDescriptor(n, block, "it lies past the end")
	}
	perBlock := uint64(t.sb.blockSize) / uint64(t.sb.descSize)
	off := int64(block)<<t.sb.blockBits + int64(n%perBlock)*int64(t.sb.descSize)
	d, err := t.cache.Bytes(off, int64(t.sb.descSize))
	if err != nil {
		return nil, fmt.Errorf("ext4: group descriptor %d: %w", n, err)
	}
	return d, nil
}

func (t *groupTable) decode(n uint64, d []byte) *group {
	g := &group{
		suspect:      le.Uint16(d[0x1E:]) != t.checksum(n, d),
		inodeTable:   uint64(le.Uint32(d[0x08:])),
		freeClusters: uint64(le.Uint16(d[0x0C:])),
		freeInodes:   uint64(le.Uint16(d[0x0E:])),
	}
	if t.sb.descSize >= minDescSize64 {
		g.inodeTable |= uint64(le.Uint32(d[0x28:])) << 32
		g.freeClusters |= uint64(le.Uint16(d[0x2C:])) << 16
		g.freeInodes |= uint64(le.Uint16(d[0x2E:])) << 16
	}
	return g
}

// inodeTableBlocks is how many blocks each group's inode table has.
func (s *superblock) inodeTableBlocks() uint64 {
	bytes := s.inodesPerGroup * uint64(s.inodeSize)
	return (bytes + uint64(s.blockSize) - 1) >> s.blockBits
}

// descriptorBlock finds the n-th block of group descriptors
// (descriptor_loc in fs/ext4/super.c).
func (t *groupTable) descriptorBlock(n uint64) uint64 {
	s := t.sb
	superBlock := uint64(superblockOffset >> s.blockBits)
	if !s.incompat.has(incompatMetaBG) || n < s.firstMetaBG {
		return superBlock + n + 1
	}
	first := uint64(s.blockSize) / uint64(s.descSize) * n
	block := first*s.blocksPerGroup + s.firstDataBlock
	if s.groupHasSuper(first) {
		block++
	}
	// With 1 KiB blocks and bigalloc, group 0 begins with the boot block.
	if s.blockSize == 1024 && n == 0 && s.firstDataBlock == 0 {
		block++
	}
	return block
}

// checksum computes the checksum of a descriptor, or returns the stored one
// where the filesystem keeps none (ext4_group_desc_csum).
func (t *groupTable) checksum(n uint64, d []byte) uint16 {
	const field = 0x1E
	switch {
	case t.sb.hasChecksums():
		return uint16(crc32cWithout(crc32cUint32(t.sb.csumSeed, uint32(n)), d, field, 2))
	case t.sb.roCompat.has(roGdtCsum):
		var number [4]byte
		le.PutUint32(number[:], uint32(n))
		crc := crc16(^uint16(0), t.sb.uuid[:])
		crc = crc16(crc, number[:])
		crc = crc16(crc, d[:field])
		if t.sb.incompat.has(incompat64Bit) {
			crc = crc16(crc, d[field+2:])
		}
		return crc
	}
	return le.Uint16(d[field:])
}
