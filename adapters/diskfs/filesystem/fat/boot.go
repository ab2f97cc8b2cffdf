package fat

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/clusters"
)

// bootSize is what of the boot sector is read; a sector may be longer.
const bootSize = 512

// geometry is what the boot sector says, checked.
type geometry struct {
	kind        clusters.Kind
	sector      int64  // bytes
	clusterBits uint   // log2 of the bytes of a cluster
	table       int64  // byte where the FAT that is in use begins
	root        int64  // FAT12 and 16: byte where the root directory begins
	rootSize    int64  // FAT12 and 16: its bytes
	rootCluster uint32 // FAT32
	heap        int64  // byte where cluster 2 begins
	count       uint32 // clusters
	serial      uint32
	hasSerial   bool
	dirty       bool
}

// bpb is the fields of a BIOS parameter block as they are stored.
type bpb struct {
	sector          int64
	sectorsPerClust int64
	reserved        int64
	fats            int64
	rootEntries     int64
	sectors         int64
	fatSectors      int64
	media           byte
	fat32           bool
	ext             []byte // from the drive number on: state, signature, serial, label
	flags           uint16
	rootCluster     uint32
}

// parseBoot reads a boot sector. What Linux does not mount as vfat is
// ErrNotThis (fs/fat/inode.c, fat_read_bpb and fat_fill_super), and so is
// what lacks any mark of a boot sector: the numbers alone may be chance.
func parseBoot(b []byte) (geometry, error) {
	if len(b) < bootSize {
		return geometry{}, notFAT("volume too small")
	}
	if !hasMark(b) {
		return geometry{}, notFAT("no mark of a boot sector")
	}
	p := decodeBPB(b)
	if err := p.check(); err != nil {
		return geometry{}, err
	}
	return p.geometry()
}

// copySector is where FAT32 keeps a copy of the boot sector, usually: the field
// that says where is in the boot sector itself.
const copySector = 6

// readBoot reads the boot sector, or the copy of it where it is damaged but
// says that it is one of FAT32. The kernel does not look at the copy.
func readBoot(cache *fstree.Cache) (g geometry, note string, err error) {
	boot, err := cache.Bytes(0, bootSize)
	if err != nil {
		return g, "", fmt.Errorf("fat: boot sector: %w", err)
	}
	if g, err = parseBoot(boot); err == nil || !bytes.Equal(boot[82:90], []byte("FAT32   ")) {
		return g, "", err
	}
	for sector := int64(512); sector <= 4096; sector *= 2 {
		b, cutOff := cache.Bytes(copySector*sector, bootSize)
		if cutOff != nil {
			break
		}
		backup, damaged := parseBoot(b)
		if damaged == nil && backup.sector == sector && backup.kind == clusters.FAT32 {
			return backup, fmt.Sprintf("the boot sector is damaged and its copy is used: %v", err), nil
		}
	}
	return g, "", err
}

// hasMark reports whether a boot sector has the signature and a jump
// instruction of a PC or an Atari (68000 BRA.S), and does not belong to another
// filesystem that copied the format. libblkid refuses the same ones.
func hasMark(b []byte) bool {
	for _, other := range []string{"JFS     ", "HPFS    ", "NTFS    ", "EXFAT   "} {
		if bytes.Equal(b[3:11], []byte(other)) || bytes.Equal(b[54:62], []byte(other)) {
			return false
		}
	}
	return b[510] == 0x55 && b[511] == 0xAA || b[0] == 0xE9 || b[0] == 0xEB || b[0] == 0x60
}

func decodeBPB(b []byte) bpb {
	u16 := func(at int) int64 { return int64(binary.LittleEndian.Uint16(b[at:])) }
	u32 := func(at int) int64 { return int64(binary.LittleEndian.Uint32(b[at:])) }
	p := bpb{
		sector: u16(11), sectorsPerClust: int64(b[13]), reserved: u16(14), fats: int64(b[16]),
		rootEntries: u16(17), sectors: u16(19), media: b[21], fatSectors: u16(22), ext: b[36:62],
	}
	if p.sectors == 0 {
		p.sectors = u32(32)
	}
	if p.fatSectors == 0 && u32(36) != 0 {
		p.fat32 = true
		p.fatSectors = u32(36)
		p.flags = binary.LittleEndian.Uint16(b[40:])
		p.rootCluster = binary.LittleEndian.Uint32(b[44:])
		p.ext = b[64:90]
	}
	return p
}

func (p *bpb) check() error {
	powerOf2 := func(n int64) bool { return n > 0 && n&(n-1) == 0 }
	switch {
	case !powerOf2(p.sector) || p.sector < 512 || p.sector > 4096:
		return notFAT("sectors of %d bytes", p.sector)
	case !powerOf2(p.sectorsPerClust):
		return notFAT("clusters of %d sectors", p.sectorsPerClust)
	case p.reserved == 0:
		return notFAT("no reserved sector")
	case p.fats == 0:
		return notFAT("no allocation table")
	case p.media != 0xF0 && p.media < 0xF8:
		return notFAT("media byte %#02x", p.media)
	case p.fatSectors == 0:
		return notFAT("allocation tables of no length")
	case p.rootEntries*dirent%p.sector != 0:
		return notFAT("%d root directory entries", p.rootEntries)
	}
	return nil
}

// geometry finds what lies where. The number of clusters decides between
// FAT12 and FAT16, as the specification has it, with the limit of Linux.
func (p *bpb) geometry() (geometry, error) {
	g := geometry{
		kind: clusters.FAT32, sector: p.sector,
		clusterBits: uint(bits.TrailingZeros64(uint64(p.sector * p.sectorsPerClust))),
		table:       p.reserved * p.sector,
		root:        (p.reserved + p.fats*p.fatSectors) * p.sector,
		rootSize:    p.rootEntries * dirent,
		rootCluster: p.rootCluster,
	}
	g.heap = g.root + g.rootSize
	total := p.sectors - g.heap/p.sector
	if total < p.sectorsPerClust {
		return g, notFAT("%d sectors, of which %d are metadata", p.sectors, g.heap/p.sector)
	}
	count := total / p.sectorsPerClust
	tableBits := p.fatSectors * p.sector * 8
	limit := int64(0x0FFFFFF6)
	switch {
	case p.fat32:
	case count > 0xFF4:
		g.kind, limit = clusters.FAT16, 0xFFF4
	default:
		g.kind, limit = clusters.FAT12, 0xFF4
	}
	// A table may be shorter than its volume; Linux uses what it reaches.
	count = min(count, tableBits/int64(g.kind)-clusters.First)
	if count < 1 || count > limit {
		return g, notFAT("%d clusters in a FAT%d", count, g.kind)
	}
	g.count = uint32(count)
	if active := int64(p.flags & 15); p.flags&0x80 != 0 && active < p.fats {
		g.table += active * p.fatSectors * p.sector // mirroring is off
	}
	g.dirty = p.ext[1]&1 != 0
	if sig := p.ext[2]; sig == 0x28 || sig == 0x29 {
		g.serial, g.hasSerial = binary.LittleEndian.Uint32(p.ext[3:]), true
	}
	return g, nil
}

func notFAT(format string, args ...any) error {
	return fmt.Errorf("fat: %w: %s", fstree.ErrNotThis, fmt.Sprintf(format, args...))
}
