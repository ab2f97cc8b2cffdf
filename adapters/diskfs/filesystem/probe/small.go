package probe

import (
	"encoding/binary"
	"math"
)

// Filesystems for small media. Their magics are those of linux/magic.h.

// cramfs is stored in the byte order of the machine that it is for, and may
// lie after a boot sector.
func cramfs(v *volume) Signature {
	const magic = 0x28cd3d45
	for _, at := range [...]int64{0, 512} {
		if sb := v.bytes(at, 64); sb != nil && (le.Uint32(sb) == magic || be.Uint32(sb) == magic) {
			return Signature{Type: "cramfs", Label: text(sb[48:64])}
		}
	}
	return Signature{}
}

func romfs(v *volume) Signature {
	sb := v.bytes(0, 32)
	if sb == nil || string(sb[:8]) != "-rom1fs-" {
		return Signature{}
	}
	return Signature{Type: "romfs", Label: text(sb[16:32])}
}

// minix knows the three versions of include/linux/minix_fs.h, each with names
// of two lengths, in both byte orders. Two bytes are a weak magic: the maps
// have to have room for what they map, as fsck.minix asks.
func minix(v *volume) Signature {
	sb := v.bytes(1024, 32)
	if sb == nil {
		return Signature{}
	}
	for _, order := range [...]binary.ByteOrder{le, be} {
		if isMinix(sb, order) {
			return Signature{Type: "minix"}
		}
	}
	return Signature{}
}

func isMinix(sb []byte, order binary.ByteOrder) bool {
	const (
		bitsOfBlock = 1024 * 8
		states      = 1 | 2 // valid, with errors
	)
	u16 := func(at int) uint64 { return uint64(order.Uint16(sb[at:])) }
	u32 := func(at int) uint64 { return uint64(order.Uint32(sb[at:])) }
	inodes, zones, maps := u16(0), u16(2), 4
	switch u16(16) {
	case 0x137f, 0x138f:
	case 0x2468, 0x2478:
		zones = u32(20)
	default:
		if u16(24) != 0x4d5a {
			return false
		}
		inodes, zones, maps = u32(0), u32(20), 6
	}
	if maps == 4 && u16(18)&^states != 0 || inodes == 0 || inodes == math.MaxUint32 {
		return false
	}
	inodeMap, zoneMap, first, logZone := u16(maps), u16(maps+2), u16(maps+4), u16(maps+6)
	return logZone == 0 && inodeMap*bitsOfBlock > inodes && first <= zones && zoneMap*bitsOfBlock > zones-first
}
