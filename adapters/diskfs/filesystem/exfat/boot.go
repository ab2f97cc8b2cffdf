package exfat

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/clusters"
)

// Offsets and limits of the boot sector: exFAT specification, section 3.1.
const (
	bootSize    = 512
	bootSectors = 11 // that the checksum in the twelfth covers
)

// geometry is what the boot sector says, checked.
type geometry struct {
	volume clusters.Volume // without its cache
	root   uint32          // first cluster of the root directory
	sector int64           // bytes
	serial uint32
	dirty  bool
	failed bool // the medium had failures
}

// isExFAT says whether a boot sector is one of exFAT's.
func isExFAT(b []byte) bool {
	return bytes.Equal(b[3:11], []byte("EXFAT   ")) && b[510] == 0x55 && b[511] == 0xAA
}

// parseBoot reads a boot sector that [isExFAT].
func parseBoot(b []byte, size int64) (geometry, error) {
	u32 := func(at int) int64 { return int64(binary.LittleEndian.Uint32(b[at:])) }
	sectorBits, clusterBits, fats := uint(b[108]), uint(b[108])+uint(b[109]), b[110]
	length := binary.LittleEndian.Uint64(b[72:])
	flags := binary.LittleEndian.Uint16(b[106:])
	damaged := func(format string, args ...any) (geometry, error) {
		return geometry{}, &fstree.DamageError{FS: fsType, Structure: "boot sector", Block: 0, Why: fmt.Sprintf(format, args...)}
	}
	switch {
	case !bytes.Equal(b[11:64], make([]byte, 53)):
		return damaged("what must be zero is not")
	case sectorBits < 9 || sectorBits > 12:
		return damaged("sectors of 2^%d bytes", sectorBits)
	case clusterBits > 25:
		return damaged("clusters of 2^%d bytes", clusterBits)
	case fats != 1 && fats != 2:
		return damaged("%d allocation tables", fats)
	case length > uint64(1)<<(63-sectorBits):
		return damaged("%d sectors", length)
	}
	g := geometry{
		sector: 1 << sectorBits,
		root:   uint32(u32(96)),
		serial: uint32(u32(100)),
		dirty:  flags&2 != 0,
		failed: flags&4 != 0,
		volume: clusters.Volume{
			Type: fsType, Kind: clusters.ExFAT, Bits: clusterBits,
			Table: u32(80) << sectorBits, Heap: u32(88) << sectorBits,
			Count: uint32(u32(92)),
		},
	}
	if flags&1 != 0 && fats == 2 {
		g.volume.Table += u32(84) << sectorBits // the second one is active
	}
	v := &g.volume
	tableEnd := v.Table + (int64(v.Count)+clusters.First)*4
	switch {
	case v.Count == 0 || v.Count > 0xFFFFFFF5:
		return damaged("%d clusters", v.Count)
	case u32(84)<<sectorBits < (int64(v.Count)+clusters.First)*4:
		return damaged("a table of %d sectors for %d clusters", u32(84), v.Count)
	case v.Table < 24<<sectorBits || tableEnd > v.Heap:
		return damaged("the table at byte %d, the clusters at %d", v.Table, v.Heap)
	case uint64(v.Heap)>>sectorBits+uint64(v.Count)<<(clusterBits-sectorBits) > length:
		return damaged("%d clusters in %d sectors", v.Count, length)
	case v.Heap >= size:
		return damaged("the volume ends at byte %d, before its clusters", size)
	case !v.Valid(g.root):
		return damaged("the root directory in cluster %d of %d", g.root, v.Count)
	}
	return g, nil
}

// bootChecksum adds up the sectors of the boot region, but for the fields that
// change while the volume is in use (section 3.4).
func bootChecksum(region []byte) uint32 {
	var sum uint32
	for i, c := range region {
		if i == 106 || i == 107 || i == 112 {
			continue
		}
		sum = sum>>1 | sum<<31
		sum += uint32(c)
	}
	return sum
}

// readBoot reads the boot region, or the copy that follows it if that is
// damaged (section 3.1). What is no boot sector of exFAT at all has no copy: one
// may be left where there is another filesystem now.
func readBoot(cache *fstree.Cache, size int64) (g geometry, note string, err error) {
	boot, err := cache.Bytes(0, bootSize)
	if err != nil {
		return g, "", fmt.Errorf("exfat: boot sector: %w", err)
	}
	if !isExFAT(boot) {
		return g, "", fmt.Errorf("exfat: %w: no EXFAT in the boot sector", fstree.ErrNotThis)
	}
	if g, err = readRegion(cache, 0, boot, size); err == nil {
		return g, "", nil
	}
	for bits := 9; bits <= 12; bits++ {
		at := int64(bootSectors+1) << bits
		b, cutOff := cache.Bytes(at, bootSize)
		if cutOff != nil || !isExFAT(b) || int(b[108]) != bits {
			continue
		}
		if backup, damaged := readRegion(cache, at, b, size); damaged == nil {
			return backup, fmt.Sprintf("the boot region is damaged and its copy is used: %v", err), nil
		}
	}
	return g, "", err
}

// readRegion checks a boot region, whose first sector is boot.
func readRegion(cache *fstree.Cache, at int64, boot []byte, size int64) (geometry, error) {
	g, err := parseBoot(boot, size)
	if err == nil {
		err = checkBoot(cache, at, g.sector)
	}
	return g, err
}

// checkBoot compares the checksum of a boot region, which is stored over
// and over in its twelfth sector.
func checkBoot(cache *fstree.Cache, at, sector int64) error {
	region, err := cache.Bytes(at, (bootSectors+1)*sector)
	if err != nil {
		return fmt.Errorf("exfat: boot region: %w", err)
	}
	sum := bootChecksum(region[:bootSectors*sector])
	if stored := binary.LittleEndian.Uint32(region[bootSectors*sector:]); stored != sum {
		return &fstree.DamageError{FS: fsType, Structure: "boot region", Block: 0, Why: fmt.Sprintf("checksum %#08x, stored %#08x", sum, stored)}
	}
	return nil
}
