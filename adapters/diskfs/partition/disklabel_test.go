package partition_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/partition"
)

// bsdLabel writes a label with entries of a type, an offset and a size into a
// sector; a type of 0 is not in use.
func bsdLabel(b []byte, entries ...[3]uint32) {
	le := binary.LittleEndian
	le.PutUint32(b, 0x82564557)
	le.PutUint32(b[132:], 0x82564557)
	le.PutUint16(b[138:], uint16(len(entries)))
	for i, e := range entries {
		raw := b[148+16*i:]
		raw[12] = byte(e[0])
		le.PutUint32(raw[4:], e[1])
		le.PutUint32(raw, e[2])
	}
}

// sunLabel writes a label with cylinders of 16 sectors, and entries of a tag,
// a cylinder and a number of sectors.
func sunLabel(boot []byte, sanity uint32, entries ...[3]uint32) {
	be := binary.BigEndian
	be.PutUint32(boot[188:], sanity)
	if sanity != 0 {
		be.PutUint32(boot[128:], 1)
		be.PutUint16(boot[140:], uint16(len(entries)))
	}
	be.PutUint16(boot[436:], 2)
	be.PutUint16(boot[438:], 8)
	for i, e := range entries {
		be.PutUint16(boot[142+4*i:], uint16(e[0]))
		be.PutUint32(boot[444+8*i:], e[1])
		be.PutUint32(boot[448+8*i:], e[2])
	}
	be.PutUint16(boot[508:], 0xdabe)
	sum := uint16(0)
	for i := 0; i < 510; i += 2 {
		sum ^= be.Uint16(boot[i:])
	}
	be.PutUint16(boot[510:], sum)
}

// sgiLabel writes a volume header with entries of a type, an offset and a size.
func sgiLabel(boot []byte, entries map[int][3]uint32) {
	be := binary.BigEndian
	be.PutUint32(boot, 0x0be5a941)
	for i, e := range entries {
		raw := boot[312+12*(i-1):]
		be.PutUint32(raw[8:], e[0])
		be.PutUint32(raw[4:], e[1])
		be.PutUint32(raw, e[2])
	}
	sum := uint32(0)
	for i := 0; i < 504; i += 4 {
		sum -= be.Uint32(boot[i:])
	}
	be.PutUint32(boot[504:], sum)
}

// disklabels are disks of 1 MiB.
var disklabels = []struct {
	name string
	kind partition.Scheme
	do   func(disk []byte)
	want string // an x stands for a container
}{
	{"sun", partition.Sun, func(d []byte) {
		sunLabel(d, 0x600ddeee, [3]uint32{0x83, 0, 512}, [3]uint32{0x82, 32, 256}, [3]uint32{5, 0, 2048})
	},
		"1:0+512 2:512+256 3:0+2048x"},
	{"sun without a table of tags", partition.Sun, func(d []byte) { sunLabel(d, 0x12345678, [3]uint32{5, 0, 512}, [3]uint32{}, [3]uint32{5, 32, 2}) }, "1:0+512 3:512+2"},
	{"sun of old Linux", partition.Sun, func(d []byte) { sunLabel(d, 0, [3]uint32{0x83, 0, 512}, [3]uint32{5, 0, 2048}) }, "1:0+512 2:0+2048x"},
	{"sgi", partition.SGI, func(d []byte) {
		sgiLabel(d, map[int][3]uint32{1: {0x83, 63, 500}, 2: {3, 600, 8}, 9: {0, 0, 63}, 11: {6, 0, 2048}})
	}, "1:63+500 2:600+8 9:0+63 11:0+2048x"},
	{"openbsd in a slice", partition.MBR, func(d []byte) {
		setMBR(d, 0, entry{0, 0x83, 10, 20}, entry{}, entry{}, entry{0x80, 0xa6, 100, 1000})
		bsdLabel(d[101*sector:], [3]uint32{7, 100, 300}, [3]uint32{1, 400, 100}, [3]uint32{0, 0, 2048}, [3]uint32{7, 500, 600})
	}, "1:10+20 4:100+1000x 5:100+300 6:400+100 7:500+600"},
	{"freebsd counting from its slice, behind logical partitions", partition.MBR, func(d []byte) {
		setMBR(d, 0, entry{0, 0xa5, 100, 1000}, entry{0, 0x05, 1200, 100})
		setMBR(d, 1200, entry{0, 0x83, 1, 9})
		bsdLabel(d[101*sector:], [3]uint32{7, 16, 300}, [3]uint32{1, 400, 100}, [3]uint32{99, 0, 1000})
	}, "1:100+1000x 2:1200+100x 5:1201+9 6:116+300 7:500+100"},
	{"freebsd counting from the disk", partition.MBR, func(d []byte) {
		setMBR(d, 0, entry{0, 0xa5, 100, 1000})
		bsdLabel(d[101*sector:], [3]uint32{7, 116, 300}, [3]uint32{1, 500, 100}, [3]uint32{99, 100, 1000})
	}, "1:100+1000x 5:116+300 6:500+100"},
	{"freebsd counting from the disk, with a whole that is not in use", partition.MBR, func(d []byte) {
		setMBR(d, 0, entry{0, 0xa5, 100, 1000})
		bsdLabel(d[101*sector:], [3]uint32{7, 116, 300}, [3]uint32{1, 500, 100}, [3]uint32{0, 100, 1000})
	}, "1:100+1000x 5:116+300 6:500+100"},
	{"netbsd with a partition outside", partition.MBR, func(d []byte) {
		setMBR(d, 0, entry{0, 0xa9, 100, 1000})
		bsdLabel(d[101*sector:], [3]uint32{7, 100, 300}, [3]uint32{7, 99, 10}, [3]uint32{7, 1000, 101}, [3]uint32{7, 1000, 100})
	}, "1:100+1000x 5:100+300 6:1000+100"},
	{"a slice without a label", partition.MBR, func(d []byte) { setMBR(d, 0, entry{0, 0xa5, 100, 1000}) }, "1:100+1000"},
	{"a slice with a label of one magic", partition.MBR, func(d []byte) {
		setMBR(d, 0, entry{0, 0xa5, 100, 1000})
		copy(d[101*sector:], "\x57\x45\x56\x82")
	}, "1:100+1000"},
}

// bare are labels that no kernel of Linux reads.
var bare = []struct {
	name string
	do   func(disk []byte)
	want string
}{
	{"bsd", func(d []byte) {
		bsdLabel(d[sector:], [3]uint32{7, 16, 300}, [3]uint32{0, 0, 0}, [3]uint32{99, 0, 2048}, [3]uint32{7, 316, 100})
	}, "1:16+300 3:0+2048x 4:316+100"},
	{"bsd behind the boot code", func(d []byte) { bsdLabel(d[64:], [3]uint32{7, 16, 300}) }, "1:16+300"},
}

// Disks of more than 2 TiB need more than 32 bits.
func TestNumbersOfOpenBSDHave48Bits(t *testing.T) {
	const far = 5 << 32 // sectors
	disk := labelled(func(d []byte) {
		bsdLabel(d[sector:], [3]uint32{7, 16, 300}, [3]uint32{7, 1024, 0})
		le := binary.LittleEndian
		le.PutUint16(d[sector+114:], 1)
		le.PutUint16(d[sector+148+16+8:], 5) // of the place of b
		le.PutUint16(d[sector+148+16+10:], 1)
	})
	read := func() *partition.Table {
		t.Helper()
		table, err := partition.Read(sparse{disk}, (far+1<<40)*sector, nil)
		if err != nil || len(table.Partitions) != 2 {
			t.Fatalf("%+v, %v", table, err)
		}
		return table
	}
	if p := read().Partitions[1]; p.Offset != (far+1024)*sector || p.Size != 1<<32*sector {
		t.Errorf("%+v", p)
	}
	le := binary.LittleEndian
	le.PutUint16(disk[sector+114:], 0) // of another system, which has a size of fragments there
	le.PutUint32(disk[sector+148+16:], 8)
	if p := read().Partitions[1]; p.Offset != 1024*sector || p.Size != 8*sector {
		t.Errorf("%+v", p)
	}
}

// sparse is a disk of zeroes after its first bytes.
type sparse struct{ b []byte }

func (s sparse) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	if off < int64(len(s.b)) {
		copy(p, s.b[off:])
	}
	return len(p), nil
}

func described(table *partition.Table) string {
	var s []string
	for _, p := range table.Partitions {
		x := ""
		if p.Extended {
			x = "x"
		}
		s = append(s, fmt.Sprintf("%d:%d+%d%s", p.Number, p.Offset/sector, p.Size/sector, x))
	}
	return strings.Join(s, " ")
}

func labelled(do func(disk []byte)) []byte {
	disk := make([]byte, 2048*sector)
	do(disk)
	return disk
}

func TestDisklabelsAreRead(t *testing.T) {
	for _, c := range disklabels {
		disk := labelled(c.do)
		table, err := partition.Read(bytes.NewReader(disk), int64(len(disk)), nil)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := described(table); got != c.want || table.Scheme != c.kind {
			t.Errorf("%s: %s %q, want %s %q", c.name, table.Scheme, got, c.kind, c.want)
		}
	}
	for _, c := range bare {
		disk := labelled(c.do)
		table, err := partition.Read(bytes.NewReader(disk), int64(len(disk)), nil)
		if err != nil || described(table) != c.want || table.Scheme != partition.BSD || table.GoTable() != nil {
			t.Errorf("%s: %+v, %v", c.name, table, err)
		}
	}
}

func TestPartxReadsTheDisklabelsAsWell(t *testing.T) {
	for _, c := range disklabels {
		t.Run(c.name, func(t *testing.T) {
			img := filepath.Join(t.TempDir(), "img")
			// It looks into no slice of what could be a floppy.
			if err := os.WriteFile(img, append(labelled(c.do), make([]byte, 1<<20)...), 0o600); err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, p := range strings.Fields(c.want) {
				// It leaves out what Sun calls the whole disk.
				whole := strings.HasSuffix(p, "+2048x")
				var n, start, size int64
				if _, err := fmt.Sscanf(p, "%d:%d+%d", &n, &start, &size); err != nil {
					t.Fatal(err)
				}
				if !whole || c.kind != partition.Sun {
					want = append(want, fmt.Sprintf("%d %d+%d", n, start*sector, size*sector))
				}
			}
			if got := partx(t, img, sector); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("partx %q\n want %q", got, want)
			}
		})
	}
}

func TestADisklabelWithAWrongChecksumIsNone(t *testing.T) {
	for _, c := range disklabels[:4] {
		disk := labelled(c.do)
		disk[300] ^= 1
		if table, err := partition.Read(bytes.NewReader(disk), int64(len(disk)), nil); !errors.Is(err, partition.ErrNoTable) {
			t.Errorf("%s: %+v, %v", c.name, table, err)
		}
	}
}

func TestSfdiskMakesDisklabels(t *testing.T) {
	for label, script := range map[string]string{
		"sun": "label: sun\nsize=8M\nsize=16M\n",
		"sgi": "label: sgi\nsize=8M\nsize=16M\n",
	} {
		img := makeDisk(t, 64<<20, sector, script, nil)
		table, err := read(t, img, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range table.Partitions {
			if !p.Extended {
				got = append(got, fmt.Sprintf("%d %d+%d", p.Number, p.Offset, p.Size))
			}
		}
		if want := partx(t, img, sector); string(table.Scheme) != label || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %s %q, partx %q", label, table.Scheme, got, want)
		}
	}
}

// What a label describes and the disk does not have is a problem, not a note:
// the files in it are missed.
func TestPartitionsThatALabelLosesAreProblems(t *testing.T) {
	const start, length = 100, 500
	disk := labelled(func(disk []byte) {
		entry := disk[446:]
		entry[4] = 0xa6 // OpenBSD
		binary.LittleEndian.PutUint32(entry[8:], start)
		binary.LittleEndian.PutUint32(entry[12:], length)
		disk[510], disk[511] = 0x55, 0xaa
		bsdLabel(disk[(start+1)*sector:], [3]uint32{7, start + 16, 100}, [3]uint32{7, start + 200, length})
	})
	read := func(size int64) string {
		t.Helper()
		table, err := partition.Read(bytes.NewReader(disk), size, nil)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d partitions, %v", len(table.Partitions), table.Problems)
	}
	if got, want := read(int64(len(disk))), "2 partitions, [partition: partition 1: partition b of its label leaves it]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := read((start + 1) * sector); !strings.Contains(got, "partition 1: its label is lost") {
		t.Errorf("of a disk that ends before the label: %s", got)
	}
}
