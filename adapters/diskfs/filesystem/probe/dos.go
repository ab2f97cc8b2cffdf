package probe

import "fmt"

// Filesystems of DOS and Windows.

// fatBoot is a FAT boot sector whose numbers agree with each other.
type fatBoot struct {
	sector      int64 // bytes
	cluster     int64 // bytes
	fatStart    int64 // bytes from the start of the volume, and so on
	rootStart   int64
	rootEntries int64
	dataStart   int64
	clusters    int64
	rootCluster int64 // FAT32 alone
	infoStart   int64 // FAT32 alone, 0 for none
	fat32       bool
	serial      []byte // four bytes, nil where the extended boot signature is absent
}

// parseFATBoot decides by the same rules as blkid (fat_valid_superblock in
// libblkid/src/superblocks/vfat.c) whether a sector begins a FAT volume. FAT
// has no real magic: a jump and 55 AA begin a partition table as well.
func parseFATBoot(b []byte) (fatBoot, bool) {
	if len(b) < 512 {
		return fatBoot{}, false
	}
	named := string(b[0x52:0x5a]) == "FAT32   " || string(b[0x52:0x57]) == "MSWIN" ||
		string(b[0x36:0x3b]) == "MSDOS" || string(b[0x36:0x3e]) == "FAT16   " ||
		string(b[0x36:0x3e]) == "FAT12   " || string(b[0x36:0x3e]) == "FAT     "
	if !named {
		jump := b[0] == 0xeb || b[0] == 0xe9 || b[510] == 0x55
		if !jump || b[510] != 0x55 || b[511] != 0xaa ||
			string(b[0x36:0x3e]) == "JFS     " || string(b[0x36:0x3e]) == "HPFS    " {
			return fatBoot{}, false
		}
	}
	sector, perCluster := int64(le.Uint16(b[11:])), int64(b[13])
	reserved, fats, media := int64(le.Uint16(b[14:])), int64(b[16]), b[21]
	if fats == 0 || reserved == 0 || media != 0xf0 && media < 0xf8 ||
		!powerOfTwo(uint32(perCluster)) || !powerOfTwo(uint32(sector)) || sector < 512 || sector > 4096 {
		return fatBoot{}, false
	}
	sectors := int64(le.Uint16(b[19:]))
	if sectors == 0 {
		sectors = int64(le.Uint32(b[32:]))
	}
	fatLength := int64(le.Uint16(b[22:]))
	f := fatBoot{sector: sector, cluster: sector * perCluster, fat32: fatLength == 0}
	most := int64(0xfff4)
	if f.fat32 {
		fatLength, most = int64(le.Uint32(b[36:])), 0x0ffffff6
		f.rootCluster = int64(le.Uint32(b[44:]))
		f.infoStart = int64(le.Uint16(b[48:])) * sector
	}
	f.rootEntries = int64(le.Uint16(b[17:]))
	rootSectors := (f.rootEntries*32 + sector - 1) / sector
	data := reserved + fatLength*fats + rootSectors
	f.clusters = (sectors - data) / perCluster
	if fatLength == 0 || sectors < data || f.clusters > most {
		return fatBoot{}, false
	}
	f.fatStart, f.rootStart, f.dataStart = reserved*sector, (reserved+fatLength*fats)*sector, data*sector
	extended := b[38:] // FAT12 and FAT16
	if f.fat32 {
		extended = b[66:]
	}
	if extended[0] == 0x28 || extended[0] == 0x29 {
		f.serial = extended[1:5]
	}
	return f, true
}

// bits follows from the number of clusters alone (Microsoft's FAT
// specification, "FAT type determination"), but for FAT32, which shows by the
// layout of its boot sector.
func (f fatBoot) bits() int {
	switch {
	case f.fat32:
		return 32
	case f.clusters < 4085:
		return 12
	}
	return 16
}

// IsFAT reports whether a volume's first sector begins a FAT filesystem. A
// reader of partition tables asks, as the two look alike.
func IsFAT(sector []byte) bool {
	_, ok := parseFATBoot(sector)
	return ok
}

// infoMakesSense reports whether the sector of counts that FAT32 has carries
// its two signatures, or none: some tools leave them out.
func (f fatBoot) infoMakesSense(v *volume) bool {
	info := v.bytes(f.infoStart, 512)
	if f.infoStart == 0 {
		return true
	}
	if info == nil {
		return false
	}
	first, second := string(info[:4]), string(info[484:488])
	return (first == "RRaA" || first == "RRdA" || first == "\x00\x00\x00\x00") &&
		(second == "rrAa" || second == "\x00\x00\x00\x00")
}

func vfat(v *volume) Signature {
	f, ok := parseFATBoot(v.bytes(0, 512))
	if !ok || f.fat32 && !f.infoMakesSense(v) {
		return Signature{}
	}
	return Signature{Type: "vfat", Label: fatLabel(v, f), UUID: serial(f.serial), FATBits: f.bits()}
}

// serial prints a volume's serial number as DOS does; all zeroes is none.
func serial(b []byte) string {
	if len(b) != 4 || allZero(b) {
		return ""
	}
	return fmt.Sprintf("%02X%02X-%02X%02X", b[3], b[2], b[1], b[0])
}

// The walk through a root directory for its label ends after so many clusters
// and bytes.
const (
	maxLabelClusters = 100
	maxLabelBytes    = 1 << 20
)

// fatLabel is the label that the root directory holds; the one in the boot
// sector is not kept up to date by Windows.
func fatLabel(v *volume, f fatBoot) string {
	if !f.fat32 {
		label, _ := fatDirLabel(v.bytes(f.rootStart, f.rootEntries*32))
		return label
	}
	most := max(min(maxLabelClusters, maxLabelBytes/f.cluster), 1)
	for c, n := f.rootCluster, int64(0); c >= 2 && c < f.clusters+2 && n < most; n++ {
		label, done := fatDirLabel(v.bytes(f.dataStart+(c-2)*f.cluster, f.cluster))
		if done {
			return label
		}
		entry := v.bytes(f.fatStart+c*4, 4)
		if entry == nil {
			return ""
		}
		c = int64(le.Uint32(entry) & 0x0fffffff)
	}
	return ""
}

// fatDirLabel looks for the label's entry; done says that there is nothing
// to look for after these entries.
func fatDirLabel(dir []byte) (label string, done bool) {
	for ; len(dir) >= 32; dir = dir[32:] {
		attr := dir[11]
		if dir[0] == 0 {
			return "", true
		}
		if dir[0] == 0xe5 || attr&0x3f == 0x0f || le.Uint16(dir[20:]) != 0 || le.Uint16(dir[26:]) != 0 || attr&0x18 != 0x08 {
			continue
		}
		name := append([]byte(nil), dir[:11]...)
		if name[0] == 0x05 { // stands for 0xE5, which would mark a free entry
			name[0] = 0xe5
		}
		return text(name), true
	}
	return "", dir == nil
}

// exfat follows Microsoft's specification of exFAT: the label is an entry of
// type 0x83 in the root directory.
func exfat(v *volume) Signature {
	if !v.has(3, "EXFAT   ") {
		return Signature{}
	}
	b := v.bytes(0, 512)
	if b == nil {
		return Signature{}
	}
	sig := Signature{Type: "exfat", UUID: serial(b[100:104])}
	sectorShift, clusterShift := b[108], b[109]
	if sectorShift < 9 || sectorShift > 12 || clusterShift > 25-sectorShift {
		return sig
	}
	fatStart, heap := int64(le.Uint32(b[80:]))<<sectorShift, int64(le.Uint32(b[88:]))<<sectorShift
	clusters, cluster := int64(le.Uint32(b[92:])), int64(1)<<(sectorShift+clusterShift)
	for c, n := int64(le.Uint32(b[96:])), 0; c >= 2 && c < clusters+2 && n < maxLabelClusters; n++ {
		// A label is among the first entries; a cluster may have 32 MiB.
		dir := v.bytes(heap+(c-2)*cluster, min(cluster, 4096))
		for ; len(dir) >= 32; dir = dir[32:] {
			switch dir[0] {
			case 0:
				return sig
			case 0x83:
				sig.Label = text16(dir[2:2+2*min(int(dir[1]), 11)], le)
				return sig
			}
		}
		next := v.bytes(fatStart+c*4, 4)
		if next == nil {
			return sig
		}
		c = int64(le.Uint32(next))
	}
	return sig
}

// ntfs takes the label out of the file record of $Volume, the fourth of the
// master file table.
func ntfs(v *volume) Signature { return ntfsBoot(v, v.bytes(0, 512)) }

// ntfsBoot recognises NTFS by its boot sector or the copy of that.
func ntfsBoot(v *volume, b []byte) Signature {
	if b == nil || string(b[3:11]) != ntfsMagic {
		return Signature{}
	}
	sector, perCluster := int64(le.Uint16(b[11:])), int64(b[13])
	if perCluster > 128 { // a power of two, negated
		perCluster = 1 << min(256-perCluster, 16)
	}
	if !powerOfTwo(uint32(sector)) || sector < 256 || sector > 4096 || !powerOfTwo(uint32(perCluster)) {
		return Signature{}
	}
	sig := Signature{Type: "ntfs", UUID: fmt.Sprintf("%016X", le.Uint64(b[72:]))}
	record := int64(int8(b[64])) * perCluster * sector
	if record <= 0 {
		record = 1 << min(-int64(int8(b[64])), 16)
	}
	mft := le.Uint64(b[48:])
	if record < 256 || record > 64<<10 || mft > uint64(v.size) {
		return sig
	}
	sig.Label = ntfsLabel(v.bytes(int64(mft)*sector*perCluster+3*record, record))
	return sig
}

func ntfsLabel(record []byte) string {
	if record == nil || string(record[:4]) != "FILE" {
		return ""
	}
	const volumeName = 0x60
	for at := int(le.Uint16(record[20:])); at+24 <= len(record); {
		kind, size := le.Uint32(record[at:]), le.Uint32(record[at+4:])
		if size < 24 || uint64(size) > uint64(len(record)-at) {
			return ""
		}
		if kind == volumeName && record[at+8] == 0 {
			attr := record[at : at+int(size)]
			length, offset := uint64(le.Uint32(attr[16:])), uint64(le.Uint16(attr[20:]))
			if offset+length > uint64(len(attr)) {
				return ""
			}
			return text16(attr[offset:offset+length], le)
		}
		at += int(size)
	}
	return ""
}

func refs(v *volume) Signature {
	if !v.has(0, "\x00\x00\x00ReFS\x00") {
		return Signature{}
	}
	return Signature{Type: "ReFS"}
}
