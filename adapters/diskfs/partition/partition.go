package partition

import (
	"cmp"
	"errors"
	"fmt"
	"io"

	"github.com/diskfs/go-diskfs/partition/gpt"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/probe"
)

var (
	// ErrNoTable is returned for a disk that has no partition table.
	ErrNoTable = errors.New("partition: no partition table")

	// ErrDamaged is returned for a disk whose MBR announces a GPT of which
	// neither copy is valid.
	ErrDamaged = errors.New("partition: damaged partition table")
)

// Scheme is the kind of a partition table, named as blkid and sfdisk do.
type Scheme string

const (
	GPT Scheme = "gpt"
	MBR Scheme = "dos"
	BSD Scheme = "bsd"
	Sun Scheme = "sun"
	SGI Scheme = "sgi"
)

// Table is what the partition table of a disk says.
type Table struct {
	Scheme     Scheme
	ID         string // GUID of the disk in upper case, or MBR signature "0xcafe1234"
	SectorSize int64  // bytes: what the table counts in
	Partitions []Partition
	Notes      []string // what a user should know: "the backup GPT was used", ...
	Problems   []error  // what the table describes, and is not among the partitions

	gpt *gpt.Table // as go-diskfs read it
}

// Partition is one entry of a table.
type Partition struct {
	Number   int    // as in the kernel's /dev/sda5
	Type     string // GPT: type GUID in upper case. Others: "0x83"
	Name     string // GPT alone
	UUID     string // PARTUUID as blkid prints it
	Offset   int64  // bytes from the start of the disk
	Size     int64  // bytes that the disk has of it
	Missing  int64  // bytes past the end of the disk
	Bootable bool   // MBR: active. GPT: legacy BIOS bootable
	Extended bool   // a container of others: logical partitions, those of a BSD label, or all of a disk
}

// Options say what the disk does not.
type Options struct {
	// SectorSize is 512 or 4096 bytes. 0 detects it: by where a GPT
	// lies, or by which size makes an MBR's entries lead to something.
	SectorSize int64
}

// Read reads the partition table of the size bytes of r. It returns
// [ErrNoTable] where there is none. A part of a table that can't be read hides
// what it describes, and is one of Table.Problems; an error means that there
// may be a table, and nothing of it can be had.
func Read(r io.ReaderAt, size int64, opts *Options) (*Table, error) {
	sectorSizes := []int64{512, 4096}
	if opts != nil && opts.SectorSize != 0 {
		if opts.SectorSize != 512 && opts.SectorSize != 4096 {
			return nil, fmt.Errorf("partition: sector size %d: only 512 and 4096 are known", opts.SectorSize)
		}
		sectorSizes = []int64{opts.SectorSize}
	}
	if size < 512 {
		return nil, ErrNoTable
	}
	d := disk{r: r, size: size}
	boot, err := d.read(0, 512)
	if err != nil {
		return nil, err
	}
	mbr, isMBR := parseMBR(boot)
	var unreadable error
	if !isMBR || mbr.protective() {
		for _, sector := range sectorSizes {
			table, err := d.readGPT(sector, isMBR)
			if table != nil {
				return table, nil
			}
			unreadable = cmp.Or(unreadable, err)
		}
	}
	switch {
	case !isMBR:
		if table := d.readDisklabel(boot); table != nil {
			return table, nil
		}
		return nil, ErrNoTable
	case !mbr.onlyProtective():
		return d.readMBR(mbr, sectorSizes), nil
	case unreadable != nil:
		return nil, fmt.Errorf("%w: neither copy of the GPT is valid: %w", ErrDamaged, unreadable)
	}
	return nil, fmt.Errorf("%w: neither copy of the GPT is valid", ErrDamaged)
}

// disk is what is read.
type disk struct {
	r    io.ReaderAt
	size int64
}

// read returns n bytes at off. An offset past the end is an error.
func (d disk) read(off, n int64) ([]byte, error) {
	if off < 0 || off > d.size-n {
		return nil, fmt.Errorf("partition: sector at %d lies outside the disk", off)
	}
	b := make([]byte, n)
	if got, err := d.r.ReadAt(b, off); got < len(b) {
		return nil, readError(off, err)
	}
	return b, nil
}

// readError is the error of a read that returned less than was asked for.
func readError(off int64, err error) error {
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("partition: read at %d: %w", off, err)
}

// add appends a partition, cut to the disk.
func (d disk) add(t *Table, p Partition) {
	switch {
	case p.Offset >= d.size:
		t.lose("partition %d begins past the end of the disk", p.Number)
		return
	case p.Size > d.size-p.Offset:
		t.note("partition %d ends past the end of the disk and is cut", p.Number)
		p.Missing = p.Size - (d.size - p.Offset)
		p.Size -= p.Missing
	}
	t.Partitions = append(t.Partitions, p)
}

// lose records that something of the disk is not among the partitions.
func (t *Table) lose(format string, args ...any) {
	t.Problems = append(t.Problems, fmt.Errorf("partition: "+format, args...))
}

func (t *Table) note(format string, args ...any) {
	t.Notes = append(t.Notes, fmt.Sprintf(format, args...))
}

// isFilesystem reports whether a boot sector that ends in 55 AA belongs to a
// filesystem (the same exceptions as libblkid/src/partitions/dos.c).
func isFilesystem(boot []byte) bool {
	oem := string(boot[3:11])
	return probe.IsFAT(boot) || oem == "NTFS    " || oem == "EXFAT   " || oem == "-FVE-FS-"
}
