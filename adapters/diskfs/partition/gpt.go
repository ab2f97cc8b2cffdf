package partition

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/diskfs/go-diskfs/partition/gpt"
)

const (
	gptMagic      = "EFI PART"
	gptEntrySize  = 128
	maxGPTEntries = 4096
	legacyBoot    = 1 << 2 // attribute bit of a GPT entry
)

// readGPT reads the GPT in sectors of a given size, or returns nil where
// there is none; the error then is what could not be read. go-diskfs parses
// it; it trusts the numbers in a header as soon as the checksum is right, so a
// header whose entries it could not hold is hidden from it.
func (d disk) readGPT(sector int64, announced bool) (*Table, error) {
	last := (d.size/sector - 1) * sector
	if last < 2*sector {
		return nil, nil
	}
	view := &gptView{disk: d, sector: sector}
	primary := view.hasHeader(sector)
	// A backup alone, on a disk whose MBR says nothing of it, is what
	// mkfs leaves behind at the end of a disk that once had partitions.
	backup := view.hasHeader(last) && announced
	if !primary && !backup {
		return nil, view.unreadable
	}
	if !primary {
		view.hide(sector)
	}
	if !backup {
		view.hide(last)
	}
	parsed, err := gpt.Read(view, int(sector), int(sector))
	if err != nil {
		return nil, view.unreadable // or a wrong checksum: not a table
	}
	t := d.gptTable(parsed, sector)
	if view.unreadable != nil {
		t.note("a copy of the GPT can't be read: %v", view.unreadable)
	}
	return t, nil
}

// gptTable turns what go-diskfs read into a Table.
func (d disk) gptTable(parsed *gpt.Table, sector int64) *Table {
	t := &Table{Scheme: GPT, ID: parsed.GUID, SectorSize: sector, gpt: parsed}
	if parsed.RecoveredFromBackup {
		t.note("the primary GPT is damaged; the backup at the end of the disk was used")
	}
	// Sectors beyond this are past the end of every disk; the cap keeps the
	// offsets in bytes within an int64.
	const farAway = 1 << 48
	for _, p := range parsed.Partitions {
		if p.Start > p.End {
			t.lose("partition %d ends before it begins", p.Index)
			continue
		}
		start, length := min(p.Start, farAway), min(p.End-p.Start, farAway)+1
		d.add(t, Partition{
			Number:   p.Index,
			Type:     string(p.Type),
			Name:     p.Name,
			UUID:     strings.ToLower(p.GUID),
			Offset:   int64(start) * sector,
			Size:     int64(length) * sector,
			Bootable: p.Attributes&legacyBoot != 0,
		})
	}
	return t
}

// gptView is a disk as go-diskfs reads it, with some sectors blanked. What
// can't be read is blank too: go-diskfs gives up at an error, and goes on to
// the backup at a wrong checksum.
type gptView struct {
	disk
	sector     int64
	hidden     []int64
	unreadable error // the first failure to read
	pos        int64
}

func (v *gptView) hide(off int64) { v.hidden = append(v.hidden, off) }

// hasHeader reports whether a sector holds a GPT header that is its own, not a
// copy of another sector's, and that may be shown to the parser.
func (v *gptView) hasHeader(off int64) bool {
	h := make([]byte, 512)
	if _, err := v.ReadAt(h, off); err != nil || string(h[:8]) != gptMagic {
		return false
	}
	own, first := binary.LittleEndian.Uint64(h[24:]), binary.LittleEndian.Uint64(h[72:])
	count, size := int64(binary.LittleEndian.Uint32(h[80:])), int64(binary.LittleEndian.Uint32(h[84:]))
	return own == uint64(off/v.sector) && size == gptEntrySize && count <= maxGPTEntries &&
		first < uint64(v.size/v.sector) && int64(first)*v.sector <= v.size-count*size
}

func (v *gptView) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	n, err := v.r.ReadAt(p, off)
	if n < len(p) {
		clear(p[n:])
		v.unreadable = cmp.Or(v.unreadable, readError(off, err))
	}
	for _, h := range v.hidden {
		from, to := max(h-off, 0), min(h+v.sector-off, int64(len(p)))
		if from < to {
			clear(p[from:to])
		}
	}
	return len(p), nil
}

// Seek is how go-diskfs asks for the size of the disk.
func (v *gptView) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		offset += v.size
	}
	v.pos = offset
	return offset, nil
}

func (v *gptView) Read([]byte) (int, error)   { return 0, fmt.Errorf("partition: %w", fs.ErrInvalid) }
func (v *gptView) Stat() (fs.FileInfo, error) { return nil, fs.ErrInvalid }
func (v *gptView) Close() error               { return nil }
