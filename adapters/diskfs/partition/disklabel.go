package partition

import (
	"encoding/binary"
	"fmt"
)

// Disklabels: tables of BSD, Sun and SGI, on a disk of their own or, BSD's,
// inside an MBR partition.

// readDisklabel reads the disklabel of a whole disk, or returns nil where
// there is none. boot is its first sector.
func (d disk) readDisklabel(boot []byte) *Table {
	for _, read := range [...]func(boot []byte) *Table{d.readSun, d.readSGI, d.readBSD} {
		if t := read(boot); t != nil {
			return t
		}
	}
	return nil
}

// readSun reads a label of SunOS by the rules of the kernel's
// block/partitions/sun.c: it counts in cylinders, and the numbers of its slots
// are those of the partitions.
func (d disk) readSun(boot []byte) *Table {
	const (
		magic      = 0xdabe
		slots      = 8
		vtocSanity = 0x600ddeee
		wholeDisk  = 5
	)
	be := binary.BigEndian
	sum := uint16(0)
	for i := 0; i < 512; i += 2 {
		sum ^= be.Uint16(boot[i:])
	}
	if be.Uint16(boot[508:]) != magic || sum != 0 {
		return nil
	}
	version, count, sanity := be.Uint32(boot[128:]), be.Uint16(boot[140:]), be.Uint32(boot[188:])
	valid := sanity == vtocSanity && version == 1 && count <= slots
	tagged := valid || version == 0 && count == 0 && sanity == 0
	if !valid {
		count = slots
	}
	cylinder := int64(be.Uint16(boot[436:])) * int64(be.Uint16(boot[438:]))
	t := &Table{Scheme: Sun, SectorSize: 512}
	for i := range int(count) {
		tag := uint16(0)
		if tagged {
			tag = be.Uint16(boot[142+4*i:])
		}
		start, length := int64(be.Uint32(boot[444+8*i:]))*cylinder, int64(be.Uint32(boot[448+8*i:]))
		d.addSlot(t, slot{number: i + 1, kind: uint32(tag), start: start, length: length, container: tag == wholeDisk})
	}
	return t
}

// readSGI reads a volume header of IRIX (block/partitions/sgi.c).
func (d disk) readSGI(boot []byte) *Table {
	const (
		magic  = 0x0be5a941
		slots  = 16
		volume = 6 // the whole disk
	)
	be := binary.BigEndian
	sum := uint32(0)
	for i := 0; i < 512; i += 4 {
		sum += be.Uint32(boot[i:])
	}
	if be.Uint32(boot) != magic || sum != 0 {
		return nil
	}
	t := &Table{Scheme: SGI, SectorSize: 512}
	for i := range slots {
		e := boot[312+12*i:]
		kind := be.Uint32(e[8:])
		d.addSlot(t, slot{number: i + 1, kind: kind, start: int64(be.Uint32(e[4:])), length: int64(be.Uint32(e)), container: kind == volume})
	}
	return t
}

// readBSD reads a BSD label that has the disk for itself, in the second sector
// or after the boot code of the first. Partition a is number 1.
func (d disk) readBSD(boot []byte) *Table {
	second, err := d.read(512, 512)
	if err != nil {
		return nil // the disk is too small, or nothing is known of it
	}
	for _, sector := range [...][]byte{second, boot[64:]} {
		slots, ok := parseBSD(sector)
		if !ok {
			continue
		}
		t := &Table{Scheme: BSD, SectorSize: 512}
		for _, s := range slots {
			if s.kind == 0 {
				continue
			}
			s.container = s.start == 0 && s.length >= d.size/512 // c, the whole disk
			d.addSlot(t, s)
		}
		return t
	}
	return nil
}

// slot is an entry of a disklabel; numbers are in sectors.
type slot struct {
	number        int
	kind          uint32
	start, length int64
	container     bool // it holds other partitions
}

func (d disk) addSlot(t *Table, s slot) {
	if s.length == 0 {
		return
	}
	// A cylinder has less than 1<<32 sectors, a label of Sun less than 1<<32 of them.
	const farAway = 1 << 48
	d.add(t, Partition{
		Number:   s.number,
		Type:     fmt.Sprintf("0x%02x", s.kind),
		Offset:   min(s.start, farAway) * t.SectorSize,
		Size:     s.length * t.SectorSize,
		Extended: s.container,
	})
}

// parseBSD decodes a BSD label (sys/disklabel.h). Entries of kind 0 are not in
// use.
func parseBSD(b []byte) (slots []slot, ok bool) {
	const (
		magic   = 0x82564557
		most    = 16
		entries = 148
	)
	le := binary.LittleEndian
	if le.Uint32(b) != magic || le.Uint32(b[132:]) != magic {
		return nil, false
	}
	// OpenBSD's labels have a version since numbers have 48 bits, where the others
	// have nothing but zeroes, and the highest 16 where these have a size of fragments.
	long := le.Uint16(b[114:]) == 1
	for i := range min(int(le.Uint16(b[138:])), most) {
		e := b[entries+16*i:]
		s := slot{number: i + 1, kind: uint32(e[12]), start: int64(le.Uint32(e[4:])), length: int64(le.Uint32(e))}
		if long {
			s.start |= int64(le.Uint16(e[8:])) << 32
			s.length |= int64(le.Uint16(e[10:])) << 32
		}
		slots = append(slots, s)
	}
	return slots, true
}

// MBR partitions of the BSDs, which hold a label.
const (
	typeFreeBSD = 0xa5
	typeOpenBSD = 0xa6
	typeNetBSD  = 0xa9
)

// slices adds what the labels in an MBR's partitions hold, after the
// logical partitions and with the next numbers (parse_bsd in
// block/partitions/msdos.c).
func (d disk) slices(t *Table, mbr bootRecord, next int) {
	for i, e := range mbr.entries {
		if e.length == 0 || e.kind != typeFreeBSD && e.kind != typeOpenBSD && e.kind != typeNetBSD {
			continue
		}
		sector, err := d.read((e.start+1)*t.SectorSize, 512)
		if err != nil {
			t.lose("partition %d: its label is lost: %w", i+1, err)
			continue
		}
		label, ok := parseBSD(sector)
		if !ok {
			continue
		}
		base := int64(0)
		// Since version 10 FreeBSD counts from the slice, where c is at 0, be
		// it in use or not.
		const c = 2
		if e.kind == typeFreeBSD && (len(label) <= c || label[c].start == 0) {
			base = e.start
		}
		for _, s := range label {
			s.start += base
			switch {
			case s.kind == 0:
				continue
			case next >= maxPartitions:
				return
			case s.start == e.start && s.length == e.length: // c, the slice itself
				t.contain(i + 1)
				continue
			case s.start < e.start || s.start+s.length > e.start+e.length:
				t.lose("partition %d: partition %c of its label leaves it", i+1, 'a'+rune(s.number)-1)
				continue
			}
			t.contain(i + 1)
			s.number = next
			d.addSlot(t, s)
			next++
		}
	}
}

// contain says of a partition that it holds others.
func (t *Table) contain(number int) {
	for i := range t.Partitions {
		if t.Partitions[i].Number == number {
			t.Partitions[i].Extended = true
		}
	}
}
