package partition_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/partition"
)

const sector = 512

// newGPT returns a disk of 1 MiB with partitions 1 (sectors 64 to 127) and 3
// (128 to 255), as the UEFI specification lays it out.
func newGPT() []byte {
	const sectors = 2048
	disk := make([]byte, sectors*sector)
	entries := make([]byte, 128*128)
	for _, p := range [][3]uint64{{0, 64, 127}, {2, 128, 255}} {
		e := entries[p[0]*128:]
		copy(e, "\xaf\x3d\xc6\x0f\x83\x84\x72\x47\x8e\x79\x3d\x69\xd8\x47\x7d\xe4") // Linux data
		e[16] = byte(p[0]) + 1
		binary.LittleEndian.PutUint64(e[32:], p[1])
		binary.LittleEndian.PutUint64(e[40:], p[2])
	}
	header := func(at, other, array uint64) {
		copy(disk[array*sector:], entries)
		h := disk[at*sector:]
		copy(h, "EFI PART\x00\x00\x01\x00\x5c\x00\x00\x00")
		for off, n := range map[int]uint64{24: at, 32: other, 40: 34, 48: sectors - 34, 72: array} {
			binary.LittleEndian.PutUint64(h[off:], n)
		}
		h[56] = 0xd1
		binary.LittleEndian.PutUint32(h[80:], 128)
		binary.LittleEndian.PutUint32(h[84:], 128)
		binary.LittleEndian.PutUint32(h[88:], crc32.ChecksumIEEE(entries))
		seal(h)
	}
	header(1, sectors-1, 2)
	header(sectors-1, 1, sectors-33)
	setMBR(disk, 0, entry{kind: 0xee, start: 1, length: sectors - 1})
	return disk
}

// seal gives a GPT header its checksum.
func seal(h []byte) {
	clear(h[16:20])
	binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h[:92]))
}

type entry struct {
	flag, kind    byte
	start, length uint32
}

// setMBR writes a boot record with entries into a sector of the disk.
func setMBR(disk []byte, at int, entries ...entry) {
	s := disk[at*sector : (at+1)*sector]
	clear(s[446:510])
	for i, e := range entries {
		raw := s[446+16*i:]
		raw[0], raw[4] = e.flag, e.kind
		binary.LittleEndian.PutUint32(raw[8:], e.start)
		binary.LittleEndian.PutUint32(raw[12:], e.length)
	}
	s[510], s[511] = 0x55, 0xaa
}

func list(table *partition.Table) string {
	var s []string
	for _, p := range table.Partitions {
		s = append(s, fmt.Sprintf("%d:%d+%d", p.Number, p.Offset/sector, p.Size/sector))
	}
	return strings.Join(s, " ")
}

const intact = "1:64+64 3:128+128"

func TestGPTIsReadAsFarAsOneCopyIsGood(t *testing.T) {
	const last = 2047
	for _, c := range []struct {
		name string
		do   func(disk []byte) []byte
		want string
		note string // a part of what must be said
	}{
		{"intact", func(d []byte) []byte { return d }, intact, ""},
		{"primary header without signature", func(d []byte) []byte { clear(d[sector : 2*sector]); return d }, intact, "backup"},
		{"primary header with a wrong checksum", func(d []byte) []byte { d[sector+40]++; return d }, intact, "backup"},
		{"primary entries with a wrong checksum", func(d []byte) []byte { d[2*sector]++; return d }, intact, "backup"},
		{"primary header with four thousand million entries", func(d []byte) []byte {
			binary.LittleEndian.PutUint32(d[sector+80:], 0xffffffff)
			seal(d[sector:])
			return d
		}, intact, "backup"},
		{"primary header with entries of four thousand million bytes", func(d []byte) []byte {
			binary.LittleEndian.PutUint32(d[sector+84:], 0xffffff80)
			seal(d[sector:])
			return d
		}, intact, "backup"},
		{"primary header with entries behind the disk", func(d []byte) []byte {
			binary.LittleEndian.PutUint64(d[sector+72:], 1<<62)
			seal(d[sector:])
			return d
		}, intact, "backup"},
		{"primary header that says it lies elsewhere", func(d []byte) []byte {
			binary.LittleEndian.PutUint64(d[sector+24:], 7)
			seal(d[sector:])
			return d
		}, intact, "backup"},
		{"backup damaged", func(d []byte) []byte { clear(d[last*sector:]); return d }, intact, ""},
		{"no MBR at all", func(d []byte) []byte { clear(d[:sector]); return d }, intact, ""},
		{"grown disk", func(d []byte) []byte { return append(d, make([]byte, 1<<20)...) }, intact, ""},
		{"disk cut in a partition", func(d []byte) []byte { return d[:200*sector] }, "1:64+64 3:128+72", "cut"},
		{"disk cut before a partition", func(d []byte) []byte { return d[:128*sector] }, "1:64+64", "past the end"},
		{"hybrid MBR", func(d []byte) []byte {
			setMBR(d, 0, entry{0x80, 0x83, 64, 64}, entry{0, 0xee, 1, 63})
			return d
		}, intact, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := c.do(newGPT())
			table, err := partition.Read(bytes.NewReader(disk), int64(len(disk)), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := list(table); table.Scheme != partition.GPT || got != c.want {
				t.Errorf("%s with %q, want %q", table.Scheme, got, c.want)
			}
			if notes := said(table); !strings.Contains(notes, c.note) || (c.note == "") != (notes == "") {
				t.Errorf("notes %q, want something of %q", notes, c.note)
			}
		})
	}
}

func TestAnOldGPTBesideAnMBRIsNotBelieved(t *testing.T) {
	disk := newGPT()
	setMBR(disk, 0, entry{0, 0x83, 100, 50})
	table, err := partition.Read(bytes.NewReader(disk), int64(len(disk)), nil)
	if err != nil || table.Scheme != partition.MBR || list(table) != "1:100+50" {
		t.Errorf("got %+v, %v", table, err)
	}
}

func TestABackupGPTThatIsNotAnnouncedIsNoTable(t *testing.T) {
	disk := newGPT()
	clear(disk[:64*sector])
	if table, err := partition.Read(bytes.NewReader(disk), int64(len(disk)), nil); !errors.Is(err, partition.ErrNoTable) {
		t.Errorf("got %+v, %v", table, err)
	}
}

func TestAGPTOfWhichBothCopiesAreDamagedIsAnError(t *testing.T) {
	disk := newGPT()
	disk[sector+40]++
	disk[2047*sector+40]++
	if table, err := partition.Read(bytes.NewReader(disk), int64(len(disk)), nil); !errors.Is(err, partition.ErrDamaged) {
		t.Errorf("got %+v, %v", table, err)
	}
}

func TestMBRChains(t *testing.T) {
	const sectors = 2048
	for _, c := range []struct {
		name string
		do   func(disk []byte)
		want string
		note string
	}{
		{"a chain that loops", func(d []byte) {
			setMBR(d, 0, entry{0, 0x05, 100, 1000})
			setMBR(d, 100, entry{0, 0x83, 1, 9}, entry{0, 0x05, 50, 10})
			setMBR(d, 150, entry{0, 0x83, 1, 9}, entry{0, 0x05, 50, 10})
		}, "1:100+1000 5:101+9 6:151+9", "loops"},
		{"a chain without partitions that loops through two", func(d []byte) {
			setMBR(d, 0, entry{0, 0x05, 100, 1000})
			setMBR(d, 100, entry{0, 0x05, 50, 10})
			setMBR(d, 150, entry{0, 0x05, 0, 10})
		}, "1:100+1000", "loops"},
		{"a chain that leaves the disk", func(d []byte) {
			setMBR(d, 0, entry{0, 0x0f, 100, 1000})
			setMBR(d, 100, entry{0, 0x83, 1, 9}, entry{0, 0x05, 0xfffffff0, 10})
		}, "1:100+1000 5:101+9", "leaves the disk"},
		{"a chain that ends without a signature", func(d []byte) {
			setMBR(d, 0, entry{0, 0x85, 100, 1000})
			setMBR(d, 100, entry{0, 0x83, 1, 9}, entry{0, 0x85, 50, 10})
		}, "1:100+1000 5:101+9", ""},
		{"links before partitions in an EBR", func(d []byte) {
			setMBR(d, 0, entry{0, 0x05, 100, 1000})
			setMBR(d, 100, entry{0, 0x05, 50, 10}, entry{0, 0x83, 1, 9})
			setMBR(d, 150, entry{}, entry{0, 0x83, 1, 8})
		}, "1:100+1000 5:101+9 6:151+8", ""},
		{"third and fourth entries of an EBR inside and outside of it", func(d []byte) {
			setMBR(d, 0, entry{0, 0x05, 100, 1000})
			setMBR(d, 100, entry{0, 0x83, 1, 9}, entry{}, entry{0, 0x83, 10, 20}, entry{0, 0x83, 900, 200})
		}, "1:100+1000 5:101+9 6:110+20", ""},
		{"two extended partitions", func(d []byte) {
			setMBR(d, 0, entry{0, 0x05, 100, 100}, entry{}, entry{0, 0x05, 300, 100})
			setMBR(d, 100, entry{0, 0x83, 1, 9})
			setMBR(d, 300, entry{0, 0x83, 1, 7})
		}, "1:100+100 3:300+100 5:101+9 6:301+7", ""},
		{"partitions behind the end of the disk", func(d []byte) {
			setMBR(d, 0, entry{0, 0x83, 100, 100000}, entry{0, 0x83, 5000, 10})
		}, "1:100+1948", "past the end"},
		{"an extended partition at the end of 32 bits", func(d []byte) {
			setMBR(d, 0, entry{0, 0x83, 1, 10}, entry{0, 0x05, 0xffffffff, 0xffffffff})
		}, "1:1+10", "leaves the disk"},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := make([]byte, sectors*sector)
			c.do(disk)
			table, err := partition.Read(bytes.NewReader(disk), int64(len(disk)), &partition.Options{SectorSize: 512})
			if err != nil {
				t.Fatal(err)
			}
			expect(t, table, c.want, c.note)
		})
	}
}

// expect compares the partitions of a table, and looks for a note; "" is for a
// table without any.
func expect(t *testing.T, table *partition.Table, want, note string) {
	t.Helper()
	if got := list(table); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if notes := said(table); !strings.Contains(notes, note) || (note == "") != (notes == "") {
		t.Errorf("notes %q, want something of %q", notes, note)
	}
}

func TestPartitionsEndAtTheKernelsNumber(t *testing.T) {
	disk := make([]byte, 2048*sector)
	setMBR(disk, 0, entry{0, 0x05, 100, 1900})
	for i := range 400 {
		setMBR(disk, 100+2*i, entry{0, 0x83, 1, 1}, entry{0, 0x05, uint32(2*i + 2), 2})
	}
	table, err := partition.Read(bytes.NewReader(disk), int64(len(disk)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if last := table.Partitions[len(table.Partitions)-1].Number; last != 255 {
		t.Errorf("the last partition has number %d, the kernel stops at 255", last)
	}
}

func TestABootSectorIsNoPartitionTable(t *testing.T) {
	fat := make([]byte, 1<<20)
	copy(fat, "\xeb\x3c\x90mkfs.fat\x00\x02\x04\x01\x00\x02\x00\x02\x00\x08\xf8\x02\x00")
	fat[510], fat[511] = 0x55, 0xaa
	withEntry := bytes.Clone(fat) // boot code can look like an entry
	setMBR(withEntry, 0, entry{0x80, 0x83, 1, 100})
	ntfs := make([]byte, 1<<20)
	copy(ntfs, "\xeb\x52\x90NTFS    ")
	setMBR(ntfs, 0, entry{0x80, 0x07, 1, 100})
	text := make([]byte, 1<<20)
	setMBR(text, 0, entry{'N', 'o', 0x20747962, 0x746f6f62})
	empty := make([]byte, 1<<20)
	setMBR(empty, 0)
	for name, disk := range map[string][]byte{
		"FAT": fat, "FAT with boot code": withEntry, "NTFS": ntfs, "boot code": text,
		"a table without entries": empty, "nothing": make([]byte, 1<<20), "less than a sector": make([]byte, 100),
	} {
		if table, err := partition.Read(bytes.NewReader(disk), int64(len(disk)), nil); !errors.Is(err, partition.ErrNoTable) {
			t.Errorf("%s: got %+v, %v", name, table, err)
		}
	}
}

func TestGoTableHasTheLogicalPartitions(t *testing.T) {
	disk := make([]byte, 2048*sector)
	setMBR(disk, 0, entry{0x80, 0x0c, 10, 20}, entry{}, entry{0, 0x05, 100, 1000})
	setMBR(disk, 100, entry{0, 0x83, 1, 9})
	table, err := partition.Read(bytes.NewReader(disk), int64(len(disk)), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range table.GoTable().GetPartitions() {
		got = append(got, fmt.Sprintf("%d:%d+%d", p.GetIndex(), p.GetStart(), p.GetSize()))
	}
	if s := strings.Join(got, " "); s != "1:5120+10240 3:51200+512000 5:51712+4608" {
		t.Errorf("got %s", s)
	}
}

func FuzzRead(f *testing.F) {
	seeds := [][]byte{newGPT(), make([]byte, 4096)}
	f.Add(uint8(0), uint32(sector+80), []byte{0xff, 0xff, 0xff, 0xff})
	f.Add(uint8(0), uint32(446), []byte{0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff})
	f.Add(uint8(1), uint32(446), append(make([]byte, 64), 0x55, 0xaa))
	for _, c := range disklabels {
		f.Add(uint8(len(seeds)), uint32(0), []byte{})
		seeds = append(seeds, labelled(c.do))
	}
	f.Fuzz(func(t *testing.T, which uint8, off uint32, patch []byte) {
		disk := bytes.Clone(seeds[int(which)%len(seeds)])
		copy(disk[int(off)%len(disk):], patch)
		if which >= 128 { // behind a checksum that is right
			seal(disk[sector:])
		}
		table, err := partition.Read(bytes.NewReader(disk), int64(len(disk)), nil)
		if err != nil {
			return
		}
		for _, p := range table.Partitions {
			if p.Offset < 0 || p.Size <= 0 || p.Offset+p.Size > int64(len(disk)) {
				t.Fatalf("partition outside the disk: %+v", p)
			}
		}
		table.GoTable()
	})
}

// said is all that a table says of what is wrong with it.
func said(t *partition.Table) string {
	list := slices.Clone(t.Notes)
	for _, err := range t.Problems {
		list = append(list, err.Error())
	}
	return strings.Join(list, "; ")
}
