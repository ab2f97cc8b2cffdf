package partition

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/probe"
)

const (
	entriesAt  = 446
	entrySize  = 16
	mbrEntries = 4

	typeProtective = 0xee

	firstLogical  = 5
	maxPartitions = 256 // DISK_MAX_PARTS in include/linux/genhd.h
	maxEmptyLinks = 100 // EBRs in a row without a partition, as msdos.c has it
)

// bootRecord is a sector with four entries: an MBR or an EBR.
type bootRecord struct {
	signature uint32
	entries   [mbrEntries]entry
}

// entry is an entry of a boot record; numbers are in sectors.
type entry struct {
	active bool
	kind   byte
	start  int64
	length int64
}

func (e entry) extended() bool { return e.kind == 0x05 || e.kind == 0x0f || e.kind == 0x85 }

// parseBootRecord decodes a sector that ends in 55 AA.
func parseBootRecord(sector []byte) (b bootRecord, flags [mbrEntries]byte, ok bool) {
	if sector[510] != 0x55 || sector[511] != 0xaa {
		return b, flags, false
	}
	b.signature = binary.LittleEndian.Uint32(sector[440:])
	for i := range b.entries {
		raw := sector[entriesAt+i*entrySize:]
		flags[i] = raw[0]
		b.entries[i] = entry{
			active: raw[0] == 0x80,
			kind:   raw[4],
			start:  int64(binary.LittleEndian.Uint32(raw[8:])),
			length: int64(binary.LittleEndian.Uint32(raw[12:])),
		}
	}
	return b, flags, true
}

// parseMBR decodes the first sector of a disk, if it is a partition table with
// at least one partition.
func parseMBR(sector []byte) (bootRecord, bool) {
	b, flags, ok := parseBootRecord(sector)
	if !ok || isFilesystem(sector) {
		return b, false
	}
	used := false
	for i, e := range b.entries {
		if flags[i] != 0 && flags[i] != 0x80 {
			return b, false // boot code or text, not a table
		}
		used = used || e.length != 0
	}
	return b, used
}

// protective reports whether the MBR announces a GPT.
func (b bootRecord) protective() bool {
	for _, e := range b.entries {
		if e.kind == typeProtective {
			return true
		}
	}
	return false
}

// onlyProtective reports whether there is nothing but the announcement.
func (b bootRecord) onlyProtective() bool {
	for _, e := range b.entries {
		if e.length != 0 && e.kind != typeProtective {
			return false
		}
	}
	return true
}

// readMBR reads the logical partitions that belong to an MBR, under the
// sector size that makes more sense.
func (d disk) readMBR(mbr bootRecord, sectorSizes []int64) *Table {
	var best *Table
	bestSense := -1
	for _, sector := range sectorSizes {
		t := d.mbrTable(mbr, sector)
		if sense := d.sense(t); sense > bestSense {
			best, bestSense = t, sense
		}
	}
	return best
}

// sense counts the partitions that begin with something known, plus the links
// of the extended partition that were found.
func (d disk) sense(t *Table) int {
	n := 0
	for _, p := range t.Partitions {
		if p.Extended {
			continue
		}
		if p.Number >= firstLogical {
			n++
		}
		// What can't be read is nothing known.
		sig, _ := probe.Identify(io.NewSectionReader(d.r, p.Offset, p.Size), p.Size)
		if sig.Type != "" {
			n++
		}
	}
	return n
}

func (d disk) mbrTable(mbr bootRecord, sector int64) *Table {
	t := &Table{Scheme: MBR, ID: fmt.Sprintf("0x%08x", mbr.signature), SectorSize: sector}
	for i, e := range mbr.entries {
		if e.length != 0 {
			d.addEntry(t, i+1, e, e.start)
		}
	}
	next := firstLogical
	for _, e := range mbr.entries {
		if e.length != 0 && e.extended() {
			next = d.logical(t, e, next)
		}
	}
	d.slices(t, mbr, next)
	return t
}

// addEntry adds the partition that e describes, at an absolute sector.
func (d disk) addEntry(t *Table, number int, e entry, start int64) {
	p := Partition{
		Number:   number,
		Type:     fmt.Sprintf("0x%02x", e.kind),
		Offset:   start * t.SectorSize,
		Size:     e.length * t.SectorSize,
		Bootable: e.active,
		Extended: e.extended(),
	}
	if id := strings.TrimPrefix(t.ID, "0x"); id != "00000000" {
		p.UUID = fmt.Sprintf("%s-%02x", id, number)
	}
	d.add(t, p)
}

// logical follows the chain of EBRs that begins with an extended partition
// and numbers what it finds from next on. The numbers in an EBR count from
// the EBR for its partitions, and from the extended partition for the link.
// Damage ends the chain: the partitions before it are good.
func (d disk) logical(t *Table, extended entry, next int) int {
	seen := make(map[int64]bool)
	at, length := extended.start, extended.length
	for empty := 0; empty <= maxEmptyLinks && next < maxPartitions; empty++ {
		off := at * t.SectorSize
		if seen[at] {
			t.lose("the chain of logical partitions loops at sector %d", at)
			return next
		}
		seen[at] = true
		if off > d.size-512 {
			t.lose("the chain of logical partitions leaves the disk at sector %d", at)
			return next
		}
		sector, err := d.read(off, 512)
		if err != nil {
			t.lose("the chain of logical partitions is lost: %w", err)
			return next
		}
		ebr, _, ok := parseBootRecord(sector)
		if !ok {
			return next
		}
		for i, e := range ebr.entries {
			if e.length == 0 || e.extended() || next >= maxPartitions {
				continue
			}
			start := at + e.start
			// DOS uses two entries. What stands in the others is believed
			// as long as it stays where it belongs.
			outside := e.start+e.length > length || start < extended.start || start+e.length > extended.start+extended.length
			if i >= 2 && outside {
				continue
			}
			d.addEntry(t, next, e, start)
			next, empty = next+1, 0
		}
		link := ebr.link()
		if link.length == 0 {
			return next
		}
		at, length = extended.start+link.start, link.length
	}
	return next
}

// link is the first extended entry of an EBR, or a zero one.
func (b bootRecord) link() entry {
	for _, e := range b.entries {
		if e.length != 0 && e.extended() {
			return e
		}
	}
	return entry{}
}
