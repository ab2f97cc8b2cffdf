package probe

import (
	"encoding/binary"
	"hash/crc32"
)

// Volumes of other systems that are named and that nobody here reads, where
// one magic is not enough to know them.

// stratis is a device of a Stratis pool. Its header has a copy.
func stratis(v *volume) Signature {
	for _, sector := range [...]int64{1, 9} {
		h := v.bytes(sector*512, 512)
		if h == nil || string(h[4:20]) != "!Stra0tis\x86\xff\x02^\x41rh" ||
			crc32.Checksum(h[4:], crc32.MakeTable(crc32.Castagnoli)) != le.Uint32(h) {
			continue
		}
		return Signature{Type: "stratis", UUID: grouped(h[64:96], 8, 12, 16, 20)}
	}
	return Signature{}
}

// gfs are the two versions of the Global File System, whose label is the name
// of its lock table (fs/gfs2/gfs2_ondisk.h).
func gfs(v *volume) Signature {
	const smallest = 32 << 20
	sb := v.bytes(64<<10, 272)
	if v.size < smallest || sb == nil || string(sb[:4]) != "\x01\x16\x19\x70" {
		return Signature{}
	}
	sig := Signature{Label: text(sb[160:224]), UUID: formatUUID(sb[256:272])}
	switch format, multi := be.Uint32(sb[24:]), be.Uint32(sb[28:]); {
	case format == 1309 && multi == 1401:
		sig.Type = "gfs"
	case format/100 == 18 && multi/100 == 19:
		sig.Type = "gfs2"
	default:
		return Signature{}
	}
	return sig
}

// hpfs has its label and number in the boot sector, if that is its own.
func hpfs(v *volume) Signature {
	boot := v.bytes(0, 512)
	if !v.has(8<<10, "\x49\xe8\x95\xf9") || !v.has(0x2200, "\x49\x18\x91\xf9") || boot == nil {
		return Signature{}
	}
	sig := Signature{Type: "hpfs"}
	if string(boot[510:]) == "\x55\xaa" && string(boot[0x36:0x3a]) == "HPFS" && boot[0x26] == 0x28 {
		sig.Label, sig.UUID = text(boot[0x2b:0x36]), serial(boot[0x27:0x2b])
	}
	return sig
}

// sysv is a filesystem of System V, in either byte order (fs/sysv of Linux).
func sysv(v *volume) Signature {
	const magic = 0xfd187e20
	for _, block := range [...]int64{0, 9, 15, 18} {
		sb := v.bytes(block*1024+512, 512)
		if sb != nil && (le.Uint32(sb[504:]) == magic || be.Uint32(sb[504:]) == magic) {
			return Signature{Type: "sysv", Label: text(sb[440:446])}
		}
	}
	return Signature{}
}

func xenix(v *volume) Signature {
	if !v.has(2048, "\x2b\x55\x44") && !v.has(2048, "\x44\x55\x2b") {
		return Signature{}
	}
	return Signature{Type: "xenix", Label: text(v.bytes(1024+632, 6))}
}

// befs is the filesystem of BeOS and Haiku, at the start or after a boot
// sector. Its identifier is an attribute that lies in the root's inode.
func befs(v *volume) Signature {
	const (
		headerAt    = 32
		smallest    = 1440 << 10
		orderMark   = 0x42494745
		inodeMagic  = 0x3bbe0ad9
		smallDataAt = 232
	)
	if v.size < smallest {
		return Signature{}
	}
	for _, at := range [...]int64{0, 512} {
		sb := v.bytes(at, 132)
		if sb == nil {
			continue
		}
		var order binary.ByteOrder = le
		if string(sb[headerAt:headerAt+4]) == "BFS1" {
			order = be
		}
		shift := order.Uint32(sb[44:])
		if order.Uint32(sb[32:]) != 0x42465331 || order.Uint32(sb[36:]) != orderMark || order.Uint32(sb[68:]) != 0xdd121031 ||
			order.Uint32(sb[112:]) != 0x15b6830e || shift < 10 || shift > 13 || order.Uint32(sb[40:]) != 1<<shift {
			continue
		}
		sig := Signature{Type: "befs", Label: text(sb[:32])}
		group, groupShift := int64(order.Uint32(sb[116:])), min(order.Uint32(sb[76:]), 32)
		root := v.bytes((group<<groupShift+int64(order.Uint16(sb[120:])))<<shift, 1<<shift)
		if len(root) > smallDataAt && order.Uint32(root) == inodeMagic {
			sig.UUID = befsID(root[smallDataAt:], order)
		}
		return sig
	}
	return Signature{}
}

// befsID looks among the small attributes of an inode for that which numbers
// the volume.
func befsID(b []byte, order binary.ByteOrder) string {
	const (
		number = 0x554c4c47 // "ULLG"
		name   = "be:volume_id"
	)
	for len(b) >= 8 {
		nameSize, dataSize := int(order.Uint16(b[4:])), int(order.Uint16(b[6:]))
		size := 8 + nameSize + 3 + dataSize + 1
		if order.Uint32(b)|uint32(nameSize)|uint32(dataSize) == 0 || size > len(b) {
			return ""
		}
		if order.Uint32(b) == number && dataSize == 8 && string(b[8:8+nameSize]) == name {
			return serial16(b[8+nameSize+3:], order.Uint64)
		}
		b = b[size:]
	}
	return ""
}

// xfsLog is a log that an XFS filesystem keeps on a device of its own: no
// superblock, but a record's header somewhere near the start.
func xfsLog(v *volume) Signature {
	const (
		magic    = 0xfeedbabe
		smallest = 10 << 20
	)
	if v.size < smallest {
		return Signature{}
	}
	for b := v.head; len(b) >= 512; b = b[512:] {
		if string(b[:4]) == "XFSB" {
			return Signature{}
		}
		version, length, format := be.Uint32(b[8:]), be.Uint32(b[12:]), be.Uint32(b[300:])
		if be.Uint32(b) == magic && version&^3 == 0 && version != 0 && int32(length) > 0 && format >= 1 && format <= 3 {
			return Signature{Type: "xfs_external_log"}
		}
	}
	return Signature{}
}

// lvm1 is a physical volume of the first LVM. Two letters and a small number
// are a weak magic.
func lvm1(v *volume) Signature {
	h := v.bytes(0, 44+128)
	if h == nil || string(h[:2]) != "HM" || le.Uint16(h[2:]) != 1 && le.Uint16(h[2:]) != 2 {
		return Signature{}
	}
	return Signature{Type: "LVM1_member", UUID: lvmID(h[44:76])}
}
