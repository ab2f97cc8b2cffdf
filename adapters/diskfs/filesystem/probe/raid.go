package probe

import "fmt"

// firmware are the RAID members that take more than a magic to know.
func firmware(v *volume) Signature {
	if v.size < largerThanFloppy {
		return Signature{}
	}
	last := v.bytes(v.size&^511-512, 512)
	switch {
	case last == nil:
		return Signature{}
	case le.Uint16(last) == 0xaa55 && last[2] <= 2 && sum8(last[:50]) == last[50]:
		return Signature{Type: "via_raid_member"}
	case le.Uint32(last[0x60:]) == 0x2f000000 && last[0x116] < 8 && -sum16(last[:0x13e]) == le.Uint16(last[0x13e:]):
		return Signature{Type: "silicon_medley_raid_member"}
	case be.Uint32(last) == 0x37fc4d1e && string(last[256:260]) == "DPTM":
		return Signature{Type: "adaptec_raid_member"}
	// Two letters are a weak magic: the header's words add up to nothing, or
	// to one where a driver rounded (drivers/ata of dmraid, "jm_checksum").
	case string(last[:2]) == "JM" && sum16(last[:128]) <= 1:
		return Signature{Type: "jmicron_raid_member"}
	}
	return recogniseFixed(firmwareRAID)(v)
}

func sum8(b []byte) (sum byte) {
	for _, c := range b {
		sum += c
	}
	return sum
}

func sum16(b []byte) (sum uint16) {
	for ; len(b) >= 2; b = b[2:] {
		sum += le.Uint16(b)
	}
	return sum
}

// ddf is a member of an array in SNIA's Common RAID Disk Data Format: the
// anchor header is the last sector, or 256 before it where a controller keeps
// its own data at the end, and names a primary header that has to be there.
func ddf(v *volume) Signature {
	if v.size < largerThanFloppy {
		return Signature{}
	}
	for _, sectors := range [...]int64{1, 257} {
		h := v.bytes(v.size&^511-sectors*512, 512)
		if h == nil {
			continue
		}
		order := be.Uint64
		switch uint32(0xde11de11) {
		case be.Uint32(h):
		case le.Uint32(h):
			order = le.Uint64
		default:
			continue
		}
		if primary := order(h[96:]); primary > 0 && (primary > uint64(v.size/512) || !v.has(int64(primary)*512, string(h[:4]))) {
			continue
		}
		return Signature{Type: "ddf_raid_member", UUID: text(h[8:32])}
	}
	return Signature{}
}

// drbd is a volume that DRBD replicates, by the metadata in its last 4 KiB
// (drbdmeta of drbd-utils).
func drbd(v *volume) Signature {
	const magic = 0x83740267
	if v.size < 64<<10 {
		return Signature{}
	}
	md := v.bytes(v.size-4096, 64)
	if md == nil {
		return Signature{}
	}
	id := 40
	switch be.Uint32(md[60:]) {
	case magic + 4, magic + 5: // version 8, clean or not
	case magic + 6: // version 9
		id = 48
	default:
		return Signature{}
	}
	sig := Signature{Type: "drbd"}
	if !allZero(md[id : id+8]) {
		sig.UUID = fmt.Sprintf("%x", be.Uint64(md[id:]))
	}
	return sig
}

// drbdmanage is the control volume of a cluster, whose header is a line of text.
func drbdmanage(v *volume) Signature {
	h := v.bytes(0, 44)
	if v.size < 64<<10 || h == nil || string(h[:10]) != "$DRBDmgr=q" || h[43] != '\n' {
		return Signature{}
	}
	for _, c := range h[11:43] {
		if !isHex(c) {
			return Signature{}
		}
	}
	return Signature{Type: "drbdmanage_control_volume", UUID: string(h[11:43])}
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// bcache and bcachefs, which grew out of it, have one magic in one place; a
// cache or its backing device says in which sector its superblock lies where
// the other has a checksum (include/uapi/linux/bcache.h of Linux 6.6).
func bcache(v *volume) Signature {
	const at = 4096
	sb := v.bytes(at, 56)
	if sb == nil || string(sb[24:40]) != bcacheMagic || le.Uint64(sb[8:]) != at/512 {
		return Signature{}
	}
	return Signature{Type: "bcache", UUID: formatUUID(sb[40:56])}
}

const bcacheMagic = "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"
