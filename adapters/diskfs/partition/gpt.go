package partition

import (
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
// there is none. go-diskfs parses it; it trusts the numbers in a header as
// soon as the checksum is right, so a header whose entries it could not hold
// is hidden from it.
func (d disk) readGPT(sector int64, announced bool) (*Table, error) {
	last := (d.size/sector - 1) * sector
	if last < 2*sector {
		return nil, nil
	}
	view := &gptView{disk: d, sector: sector}
	primary, err := d.gptHeader(sector, sector)
	if err != nil {
		return nil, err
	}
	backup, err := d.gptHeader(last, sector)
	if err != nil {
		return nil, err
	}
	// A backup alone, on a disk whose MBR says nothing of it, is what
	// mkfs leaves behind at the end of a disk that once had partitions.
	backup = backup && announced
	if !primary && !backup {
		return nil, nil
	}
	if !primary {
		view.hide(sector)
	}
	if !backup {
		view.hide(last)
	}
	parsed, err := gpt.Read(view, int(sector), int(sector))
	if err != nil {
		return nil, nil // a wrong checksum: not a table
	}
	return d.gptTable(parsed, sector), nil
}

// gptHeader reports whether a sector holds a GPT header that may be shown to
// the parser.
func (d disk) gptHeader(off, sector int64) (bool, error) {
	h, err := d.read(off, 512)
	if err != nil {
		return false, err
	}
	if string(h[:8]) != gptMagic {
		return false, nil
	}
	first := binary.LittleEndian.Uint64(h[72:])
	count, size := int64(binary.LittleEndian.Uint32(h[80:])), int64(binary.LittleEndian.Uint32(h[84:]))
	fits := size == gptEntrySize && count <= maxGPTEntries &&
		first < uint64(d.size/sector) && int64(first)*sector <= d.size-count*size
	return fits, nil
}

// gptTable turns what go-diskfs read into a Table.
func (d disk) gptTable(parsed *gpt.Table, sector int64) *Table {
	t := &Table{Kind: GPT, ID: parsed.GUID, SectorSize: sector, gpt: parsed}
	if parsed.RecoveredFromBackup {
		t.note("the primary GPT is damaged; the backup at the end of the disk was used")
	}
	// Sectors beyond this are behind the end of every disk; the cap keeps the
	// offsets in bytes within an int64.
	const farAway = 1 << 48
	for _, p := range parsed.Partitions {
		if p.Start > p.End {
			t.note("partition %d ends before it begins and is left out", p.Index)
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

// gptView is a disk as go-diskfs reads it, with some sectors blanked.
type gptView struct {
	disk
	sector int64
	hidden []int64
	pos    int64
}

func (v *gptView) hide(off int64) { v.hidden = append(v.hidden, off) }

func (v *gptView) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	n, err := v.r.ReadAt(p, off)
	for _, h := range v.hidden {
		from, to := max(h-off, 0), min(h+v.sector-off, int64(n))
		if from < to {
			clear(p[from:to])
		}
	}
	if n == len(p) {
		err = nil
	}
	return n, err
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
