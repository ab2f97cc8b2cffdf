package probe

// A boot sector that says what it is and whose numbers are damaged is called by
// that name where the volume is nothing else: the readers use the copy of it, or
// tell what is wrong. blkid recognises nothing then.

const ntfsMagic = "NTFS    "

// damagedFAT is a boot sector of FAT. Only FAT32 has a copy of it, in sector 6.
func damagedFAT(v *volume) Signature {
	switch {
	case v.has(0x52, "FAT32   "):
	case v.has(0x36, "FAT16   "), v.has(0x36, "FAT12   "):
		return Signature{Type: "vfat"}
	default:
		return Signature{}
	}
	f, ok := parseFATBoot(v.bytes(0, 512)) // its sector of counts is damaged, which nobody needs
	for sector := int64(512); !ok && sector <= 4096; sector *= 2 {
		f, ok = parseFATBoot(v.bytes(6*sector, 512))
		ok = ok && f.fat32 && f.sector == sector
	}
	if !ok {
		return Signature{Type: "vfat", FATBits: 32}
	}
	return Signature{Type: "vfat", Label: fatLabel(v, f), UUID: serial(f.serial), FATBits: f.bits()}
}

// damagedNTFS is a boot sector of NTFS, whose copy is the last sector of the
// partition.
func damagedNTFS(v *volume) Signature {
	if !v.has(3, ntfsMagic) {
		return Signature{}
	}
	for sector := int64(512); sector <= 4096; sector *= 2 {
		if sig := ntfsBoot(v, v.bytes(v.size-sector, 512)); sig.Type != "" {
			return sig
		}
	}
	return Signature{Type: "ntfs"}
}
