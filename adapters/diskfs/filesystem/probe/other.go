package probe

import (
	"crypto/md5" //nolint:gosec // a name made from an identifier, not a protection
	"fmt"
)

// Filesystems of Apple and BSD.

func apfs(v *volume) Signature {
	sb := v.bytes(0, 96)
	// Object type 1 is the superblock of a container.
	if sb == nil || string(sb[32:36]) != "NXSB" || le.Uint16(sb[24:]) != 1 || le.Uint32(sb[36:]) != 4096 {
		return Signature{}
	}
	return Signature{Type: "apfs", UUID: formatUUID(sb[72:88])}
}

// hfsplus reads Technical Note TN1150's volume header, alone or wrapped in an
// old HFS volume.
func hfsplus(v *volume) Signature {
	const headerAt = 1024
	h := v.bytes(headerAt, 512)
	if h == nil {
		return Signature{}
	}
	base := int64(0)
	if string(h[:2]) == "BD" {
		if s := string(h[0x7c:0x7e]); s != "H+" && s != "HX" {
			if n := be.Uint32(h[20:]); n == 0 || n%512 != 0 { // two letters are a weak magic
				return Signature{}
			}
			return Signature{Type: "hfs", Label: pascal(h[36:64]), UUID: hfsUUID(h[92+24 : 92+32])}
		}
		block, first, start := int64(be.Uint32(h[20:])), int64(be.Uint16(h[28:])), int64(be.Uint16(h[0x7e:]))
		base = first*512 + start*block
		if h = v.bytes(base+headerAt, 512); h == nil {
			return Signature{}
		}
	}
	if s := string(h[:2]); s != "H+" && s != "HX" {
		return Signature{}
	}
	return Signature{Type: "hfsplus", Label: hfsplusLabel(v, base, h), UUID: hfsUUID(h[104:112])}
}

// hfsUUID makes a name-based UUID of the eight bytes that Mac OS identifies a
// volume by, in the name space that Apple uses for it.
func hfsUUID(id []byte) string {
	if allZero(id) {
		return ""
	}
	space := []byte{0xb3, 0xe2, 0x0f, 0x39, 0xf2, 0x92, 0x11, 0xd6, 0x97, 0xa4, 0x00, 0x30, 0x65, 0x43, 0xec, 0xac}
	sum := md5.Sum(append(space, id...)) //nolint:gosec // see the import
	sum[6] = 0x30 | sum[6]&0x0f
	sum[8] = 0x80 | sum[8]&0x3f
	return formatUUID(sum[:])
}

// hfsplusLabel is the name of the root folder: the key of the first record of
// the catalog's first leaf.
func hfsplusLabel(v *volume, base int64, h []byte) string {
	block := int64(be.Uint32(h[40:]))
	if !powerOfTwo(uint32(block)) || block < 512 {
		return ""
	}
	extents := h[288:352] // of the catalog file
	first := v.bytes(base+int64(be.Uint32(extents))*block, 512)
	if first == nil {
		return ""
	}
	leaf, node := int64(be.Uint32(first[24:])), int64(be.Uint16(first[32:]))
	if node < 512 || node > 32<<10 {
		return ""
	}
	at := leaf * node
	for ; len(extents) >= 8; extents = extents[8:] {
		start, length := int64(be.Uint32(extents))*block, int64(be.Uint32(extents[4:]))*block
		if at < length {
			key := v.bytes(base+start+at, 512)
			if key == nil || be.Uint32(key[16:]) != 1 { // child of the root's parent
				return ""
			}
			return text16(key[22:22+2*min(int(be.Uint16(key[20:])), 245)], be)
		}
		at -= length
	}
	return ""
}

// pascal is a string after its length.
func pascal(b []byte) string { return text(b[1:min(1+int(b[0]), len(b))]) }

// ufsSuperblocks are the places of fs/ufs/ufs_fs.h.
var ufsSuperblocks = [...]int64{0, 8 << 10, 64 << 10, 256 << 10}

func ufs(v *volume) Signature {
	for _, at := range ufsSuperblocks {
		sb := v.bytes(at, 1376)
		if sb == nil {
			continue
		}
		for _, word := range [...]func([]byte) uint32{le.Uint32, be.Uint32} {
			if sig := ufsAt(sb, word); sig.Type != "" {
				return sig
			}
		}
	}
	return Signature{}
}

// ufsAt is what a superblock in a byte order says.
func ufsAt(sb []byte, word func([]byte) uint32) Signature {
	switch word(sb[1372:]) {
	case 0x19540119, 0x19012038: // UFS2, which has a name; that of NetBSD with attributes, which blkid does not know
		return Signature{Type: "ufs", Label: text(sb[680:712]), UUID: ufsID(sb, word)}
	case 0x00011954, 0x00095014, 0x00195612, 0x05231994, 0x00612195:
		return Signature{Type: "ufs", UUID: ufsID(sb, word)}
	}
	return Signature{}
}

func ufsID(sb []byte, word func([]byte) uint32) string {
	if allZero(sb[144:152]) {
		return ""
	}
	return fmt.Sprintf("%08x%08x", word(sb[144:]), word(sb[148:]))
}
