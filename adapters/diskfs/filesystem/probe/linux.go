package probe

import "hash/crc32"

// Filesystems and swap of Linux. The offsets are those of the structures in
// the kernel's fs/*/ headers, which libblkid repeats.

// Feature bits of ext2, ext3 and ext4 (fs/ext4/ext4.h). A volume is an ext2
// or ext3 as long as it has none but these.
const (
	extCompatJournal         = 0x4
	extIncompatRecover       = 0x4
	extIncompatJournal       = 0x8        // the volume is a journal of another one
	extIncompatExt2          = 0x2 | 0x10 // filetype, meta_bg
	extROCompatExt2          = 0x1 | 0x2 | 0x4
	extIncompatExt3          = extIncompatExt2 | extIncompatRecover
	extSuperblock      int64 = 1024
)

// ext is a volume whose superblock makes sense. The magic has two bytes, which
// are found in one of 65,536 images of whatever is compressed.
func ext(v *volume) Signature {
	const revisions, maxLogBlock = 1, 6
	sb := v.bytes(extSuperblock, 1024)
	if sb == nil || le.Uint32(sb[76:]) > revisions || le.Uint32(sb[24:]) > maxLogBlock || le.Uint32(sb[20:]) > 1 {
		return Signature{}
	}
	return damagedExt(v)
}

// damagedExt is a volume with the magic and whatever beside it: it is called
// by its name where it is nothing else.
func damagedExt(v *volume) Signature {
	sb := v.bytes(extSuperblock, 1024)
	if sb == nil || le.Uint16(sb[56:]) != 0xef53 {
		return Signature{}
	}
	compat, incompat, roCompat := le.Uint32(sb[92:]), le.Uint32(sb[96:]), le.Uint32(sb[100:])
	sig := Signature{Type: "ext4", Label: text(sb[120:136]), UUID: formatUUID(sb[104:120])}
	switch journal := compat&extCompatJournal != 0; {
	case incompat&extIncompatJournal != 0:
		sig.Type = "jbd"
	case roCompat&^uint32(extROCompatExt2) != 0:
	case journal && incompat&^uint32(extIncompatExt3) == 0:
		sig.Type = "ext3"
	case !journal && incompat&^uint32(extIncompatExt2) == 0:
		sig.Type = "ext2"
	}
	return sig
}

func xfs(v *volume) Signature {
	if !v.has(0, "XFSB") {
		return Signature{}
	}
	sb := v.bytes(0, 512)
	if sb == nil {
		return Signature{}
	}
	return Signature{Type: "xfs", Label: text(sb[108:120]), UUID: formatUUID(sb[32:48])}
}

func btrfs(v *volume) Signature {
	const superblock = 64 << 10
	sb := v.bytes(superblock, 1024)
	if sb == nil || string(sb[64:72]) != "_BHRfS_M" {
		return Signature{}
	}
	return Signature{Type: "btrfs", Label: text(sb[0x12b : 0x12b+256]), UUID: formatUUID(sb[32:48])}
}

func f2fs(v *volume) Signature {
	sb := v.bytes(1024, 0x7c+1024)
	if sb == nil || le.Uint32(sb) != 0xf2f52010 {
		return Signature{}
	}
	return Signature{Type: "f2fs", Label: text16(sb[0x7c:], le), UUID: formatUUID(sb[0x6c:0x7c])}
}

func jfs(v *volume) Signature {
	sb := v.bytes(32<<10, 184)
	if sb == nil || string(sb[:4]) != "JFS1" {
		return Signature{}
	}
	// OS/2 left the magic behind on other filesystems; the sizes tell.
	blockShift, factor, sectorShift := le.Uint16(sb[20:]), le.Uint16(sb[22:]), le.Uint16(sb[28:])
	if blockShift > 16 || sectorShift > 16 || blockShift-sectorShift != factor ||
		le.Uint32(sb[16:]) != 1<<blockShift || le.Uint32(sb[24:]) != 1<<sectorShift {
		return Signature{}
	}
	return Signature{Type: "jfs", Label: text(sb[152:168]), UUID: formatUUID(sb[136:152])}
}

func reiserfs(v *volume) Signature {
	for _, at := range [...]int64{64 << 10, 8 << 10} {
		sb := v.bytes(at, 116)
		if sb == nil || string(sb[52:58]) != "ReIsEr" {
			continue
		}
		// A filesystem that was stored as a file in another one leaves a
		// copy in that one's journal; it lies too far past its own.
		perBlock := int64(le.Uint16(sb[44:]) >> 9)
		if perBlock == 0 || at>>10/perBlock > int64(le.Uint32(sb[12:]))/2 {
			continue
		}
		switch magic := string(sb[52:61]); {
		case magic == "ReIsEr2Fs" || magic == "ReIsEr3Fs":
			return Signature{Type: "reiserfs", Label: text(sb[100:116]), UUID: formatUUID(sb[84:100])}
		case magic[:8] == "ReIsErFs": // version 3.5 had neither label nor UUID
			return Signature{Type: "reiserfs"}
		}
	}
	return Signature{}
}

func nilfs2(v *volume) Signature {
	first, second := nilfs2Superblock(v, 1024), nilfs2Superblock(v, (v.size>>12-1)<<12)
	sb := first
	if first == nil || second != nil && le.Uint64(first[56:]) <= le.Uint64(second[56:]) {
		sb = second // of the later checkpoint
	}
	if sb == nil {
		return Signature{}
	}
	return Signature{Type: "nilfs2", Label: text(sb[168:248]), UUID: formatUUID(sb[152:168])}
}

// nilfs2Superblock returns a superblock whose checksum is right: two bytes are
// a weak magic.
func nilfs2Superblock(v *volume, at int64) []byte {
	const (
		longest = 1024
		sumAt   = 16
	)
	sb := v.bytes(at, longest)
	if sb == nil || le.Uint16(sb[6:]) != 0x3434 {
		return nil
	}
	n := le.Uint16(sb[8:])
	if n < 248 || n > longest {
		return nil
	}
	// The kernel's crc32_le begins and ends without the complement.
	sum := ^le.Uint32(sb[12:])
	for _, part := range [...][]byte{sb[:sumAt], {0, 0, 0, 0}, sb[sumAt+4 : n]} {
		sum = crc32.Update(sum, crc32.IEEETable, part)
	}
	if ^sum != le.Uint32(sb[sumAt:]) {
		return nil
	}
	return sb
}

func bcachefs(v *volume) Signature {
	const magic = "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef"
	sb := v.bytes(4096, 104)
	if sb == nil || string(sb[24:40]) != magic && string(sb[24:40]) != bcacheMagic {
		return Signature{}
	}
	return Signature{Type: "bcachefs", Label: text(sb[72:104]), UUID: formatUUID(sb[56:72])}
}

func squashfs(v *volume) Signature {
	sb := v.bytes(0, 32)
	if sb == nil {
		return Signature{}
	}
	switch major := le.Uint16(sb[28:]); {
	case string(sb[:4]) == "hsqs" && major >= 4:
		return Signature{Type: "squashfs"}
	case string(sb[:4]) == "hsqs", string(sb[:4]) == "sqsh":
		return Signature{Type: "squashfs3"}
	}
	return Signature{}
}

func erofs(v *volume) Signature {
	sb := v.bytes(1024, 128)
	if sb == nil || le.Uint32(sb) != 0xe0f5e1e2 {
		return Signature{}
	}
	return Signature{Type: "erofs", Label: text(sb[64:80]), UUID: formatUUID(sb[48:64])}
}

// swap looks at the end of the first page, whatever the size of a page is on
// the machine that made the area (include/linux/swap.h). A hibernated system
// leaves another word there.
func swap(v *volume) Signature {
	if v.has(0, "\xed\xc3\x02\xe9\x98\x56\xe5\x0c") { // TuxOnIce, which leaves the area's own magic
		return swapHeader(v, "swsuspend")
	}
	for page := int64(4 << 10); page <= 64<<10; page <<= 1 {
		magic := string(v.bytes(page-10, 10))
		switch {
		case magic == "SWAPSPACE2":
			return swapHeader(v, "swap")
		case magic == "SWAP-SPACE":
			return Signature{Type: "swap"}
		case magic == "LINHIB0001", len(magic) == 10 && (magic[:9] == "S1SUSPEND" ||
			magic[:9] == "S2SUSPEND" || magic[:9] == "ULSUSPEND"):
			return swapHeader(v, "swsuspend")
		}
	}
	return Signature{}
}

func swapHeader(v *volume, kind string) Signature {
	h := v.bytes(1024, 512)
	// The version is 1 in the byte order of the machine that made it.
	if h == nil || le.Uint32(h) != 1 && be.Uint32(h) != 1 {
		return Signature{}
	}
	return Signature{Type: kind, Label: text(h[28:44]), UUID: formatUUID(h[12:28])}
}
