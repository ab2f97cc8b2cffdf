package partition_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/partition"
)

var errBad = errors.New("bad sector")

// badSectors is a disk of which some sectors can't be read.
type badSectors struct {
	*bytes.Reader
	bad []int64
}

func (d badSectors) ReadAt(p []byte, off int64) (int, error) {
	for _, s := range d.bad {
		if at := s * sector; off < at+sector && off+int64(len(p)) > at {
			n, _ := d.Reader.ReadAt(p[:max(at-off, 0)], off)
			return n, errBad
		}
	}
	return d.Reader.ReadAt(p, off)
}

func TestBadSectorsHideWhatLiesInThemAlone(t *testing.T) {
	mbr := make([]byte, 2048*sector)
	setMBR(mbr, 0, entry{0, 0x83, 10, 20}, entry{0, 0x05, 100, 1000})
	setMBR(mbr, 100, entry{0, 0x83, 1, 9}, entry{0, 0x05, 50, 10})
	setMBR(mbr, 150, entry{0, 0x83, 1, 9})
	for _, c := range []struct {
		name string
		disk []byte
		bad  []int64
		want string
		note string
	}{
		{"primary GPT header", newGPT(), []int64{1}, intact, "backup"},
		{"primary GPT entries", newGPT(), []int64{2}, intact, "backup"},
		{"backup GPT header", newGPT(), []int64{2047}, intact, "bad sector"},
		{"contents of a partition", newGPT(), []int64{64, 255}, intact, ""},
		{"first logical partition", mbr, []int64{100}, "1:10+20 2:100+1000", "bad sector"},
		{"second logical partition", mbr, []int64{150}, "1:10+20 2:100+1000 5:101+9", "bad sector"},
		{"contents of partitions", mbr, []int64{10, 101, 151}, "1:10+20 2:100+1000 5:101+9 6:151+9", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			table, err := partition.Read(badSectors{bytes.NewReader(c.disk), c.bad}, int64(len(c.disk)), nil)
			if err != nil {
				t.Fatal(err)
			}
			expect(t, table, c.want, c.note)
		})
	}
}

func TestATableThatCanNotBeReadIsNoEmptyDisk(t *testing.T) {
	disk := newGPT()
	_, err := partition.Read(badSectors{bytes.NewReader(disk), []int64{0}}, int64(len(disk)), nil)
	if !errors.Is(err, errBad) {
		t.Errorf("MBR: %v", err)
	}
	_, err = partition.Read(badSectors{bytes.NewReader(disk), []int64{1, 2047}}, int64(len(disk)), nil)
	if !errors.Is(err, partition.ErrDamaged) || !errors.Is(err, errBad) {
		t.Errorf("both copies of the GPT: %v", err)
	}
}

func TestAFilesystemAloneNeedsNoLastSector(t *testing.T) {
	disk := make([]byte, 2048*sector)
	_, err := partition.Read(badSectors{bytes.NewReader(disk), []int64{2047}}, int64(len(disk)), nil)
	if !errors.Is(err, partition.ErrNoTable) {
		t.Error(err)
	}
}
