package probe

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/qedfs/qedfs/backend"
)

// Volumes that are parts or containers of others.

// linuxRAID knows every place where an md superblock may lie
// (include/uapi/linux/raid/md_p.h): 1.1 at the start, 1.2 at 4 KiB, 1.0 and
// 0.90 near the end.
func linuxRAID(v *volume) Signature {
	sectors := v.size / 512
	for _, at := range [...]int64{0, 4096, ((sectors - 16) &^ 7) * 512} {
		sb := v.bytes(at, 256)
		if sb == nil || le.Uint32(sb) != mdMagic || le.Uint32(sb[4:]) != 1 {
			continue
		}
		if le.Uint64(sb[144:]) != uint64(at/512) {
			continue // a copy that lies elsewhere than it says
		}
		return Signature{Type: "linux_raid_member", Label: text(sb[32:64]), UUID: formatUUID(sb[16:32])}
	}
	return linuxRAID090(v)
}

const mdMagic = 0xa92b4efc

func linuxRAID090(v *volume) Signature {
	const reserved = 64 << 10
	sb := v.bytes(v.size&^(reserved-1)-reserved, 64)
	if sb == nil {
		return Signature{}
	}
	// This version is stored in the byte order of the machine.
	word := le.Uint32
	if be.Uint32(sb) == mdMagic {
		word = be.Uint32
	}
	if word(sb) != mdMagic || word(sb[4:]) != 0 {
		return Signature{}
	}
	var uuid []byte
	for _, at := range [...]int{20, 52, 56, 60} {
		uuid = be.AppendUint32(uuid, word(sb[at:]))
	}
	return Signature{Type: "linux_raid_member", UUID: formatUUID(uuid)}
}

// lvm2 finds the label of a physical volume in one of the first four sectors
// (lib/format_text/layout.h of LVM2).
func lvm2(v *volume) Signature {
	for sector := int64(0); sector < 4; sector++ {
		b := v.bytes(sector*512, 512)
		if b == nil || string(b[:8]) != "LABELONE" || string(b[24:32]) != "LVM2 001" || le.Uint64(b[8:]) != uint64(sector) {
			continue
		}
		return Signature{Type: "LVM2_member", UUID: lvmID(b[32:64])}
	}
	return Signature{}
}

// lvmID prints the 32 letters of an identifier in LVM's groups.
func lvmID(b []byte) string { return grouped(b, 6, 10, 14, 18, 22, 26) }

// grouped puts a hyphen before each of some places in a text.
func grouped(b []byte, before ...int) string {
	var id []byte
	for i, c := range b {
		if slices.Contains(before, i) {
			id = append(id, '-')
		}
		id = append(id, c)
	}
	return string(bytes.TrimRight(id, "\x00"))
}

// luks follows the on-disk formats of LUKS 1 and 2. LUKS 2 has a second
// header for when the first is lost.
func luks(v *volume) Signature {
	if sig := luksHeader(v, 0, "LUKS\xba\xbe"); sig.Type != "" {
		return sig
	}
	for at := int64(16 << 10); at <= 4<<20; at <<= 1 {
		if sig := luksHeader(v, at, "SKUL\xba\xbe"); sig.Type != "" {
			return sig
		}
	}
	return Signature{}
}

func luksHeader(v *volume, at int64, magic string) Signature {
	if !v.has(at, magic) {
		return Signature{}
	}
	h := v.bytes(at, 512)
	if h == nil {
		return Signature{}
	}
	sig := Signature{Type: "crypto_LUKS", UUID: text(h[168:208])}
	if be.Uint16(h[6:]) == 2 {
		sig.Label = text(h[24:72])
	}
	return sig
}

// verity is the hashes that dm-verity checks another volume against.
func verity(v *volume) Signature {
	if !v.has(0, "verity\x00\x00"+"\x01\x00\x00\x00") { // the only version
		return Signature{}
	}
	return Signature{Type: "DM_verity_hash", UUID: formatUUID(v.bytes(16, 16))}
}

// integrity is a volume of dm-integrity, which keeps a checksum of each sector.
func integrity(v *volume) Signature {
	if !v.has(0, "integrt\x00") || v.has(8, "\x00") { // there is no version 0
		return Signature{}
	}
	return Signature{Type: "DM_integrity"}
}

func bitLocker(v *volume) Signature {
	const toGo = "\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01"
	if v.has(3, "-FVE-FS-") || v.has(3, "MSWIN4.1") && v.has(424, toGo) {
		return Signature{Type: "BitLocker"}
	}
	return Signature{}
}

// zfs asks for an uberblock in the ring of one of the four labels, and takes
// the pool's name and GUID out of the list of pairs that the label holds.
func zfs(v *volume) Signature {
	const label = 256 << 10
	end := v.size &^ (label - 1)
	labels := [...]int64{0, label, end - 2*label, end - label}
	var rings []backend.Range
	for _, at := range labels {
		rings = append(rings, backend.Range{Off: at + 128<<10, Len: 128 << 10})
	}
	backend.Prefetch(v.r, rings)
	for _, at := range labels {
		ring := v.bytes(at+128<<10, 128<<10)
		if ring == nil || !hasUberblock(ring) {
			continue
		}
		pairs := v.bytes(at+16<<10, 112<<10)
		sig := Signature{Type: "zfs_member"}
		if value := xdrPair(pairs, "name", xdrString); len(value) >= 4 {
			if n := be.Uint32(value); uint64(n) <= uint64(len(value)-4) {
				sig.Label = text(value[4 : 4+n])
			}
		}
		if value := xdrPair(pairs, "pool_guid", xdrUint64); len(value) >= 8 {
			sig.UUID = strconv.FormatUint(be.Uint64(value), 10)
		}
		return sig
	}
	return Signature{}
}

// hasUberblock wants several, as blkid does: one may be left over.
func hasUberblock(ring []byte) bool {
	const magic, wanted = 0x00bab10c, 4
	found := 0
	for ; len(ring) >= 1024; ring = ring[1024:] {
		if le.Uint64(ring) == magic || be.Uint64(ring) == magic {
			found++
		}
	}
	return found >= wanted
}

// Types of the values in a list of pairs (DATA_TYPE_* in sys/nvpair.h).
const (
	xdrUint64 = 8
	xdrString = 9
)

// xdrPair returns the encoded value of the first pair with a name and a type:
// encoded size, decoded size, length and text of the name padded to four
// bytes, type, count of elements, value.
func xdrPair(pairs []byte, name string, kind uint32) []byte {
	if len(pairs) < 12 {
		return nil
	}
	for b := pairs[12:]; len(b) >= 12; { // after encoding, version and flags
		size, length := be.Uint32(b), be.Uint32(b[8:])
		if size < 20 || uint64(size) > uint64(len(b)) || length > size-20 {
			return nil
		}
		after := 12 + (int(length)+3)&^3
		if string(b[12:12+length]) == name && after+8 <= int(size) && be.Uint32(b[after:]) == kind {
			return b[after+8 : size]
		}
		b = b[size:]
	}
	return nil
}
