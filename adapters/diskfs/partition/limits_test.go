package partition_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/partition"
)

// change rewrites both headers of a GPT, and its entries.
func change(disk []byte, header, entries func(b []byte)) {
	for _, at := range []int{1, 2047} {
		h := disk[at*sector:]
		array := disk[binary.LittleEndian.Uint64(h[72:])*sector:]
		if entries != nil {
			entries(array)
		}
		binary.LittleEndian.PutUint32(h[88:], crc32.ChecksumIEEE(array[:128*128]))
		if header != nil {
			header(h)
		}
		seal(h)
	}
}

func TestAGPTIsHeldToItsLimits(t *testing.T) {
	le := binary.LittleEndian
	for name, c := range map[string]struct {
		header, entries func(b []byte)
		want, note      string // of the partitions and notes; "" is an error
	}{
		"entries of 256 bytes":           {func(h []byte) { le.PutUint32(h[84:], 256) }, nil, "", ""},
		"more entries than are read":     {func(h []byte) { le.PutUint32(h[80:], 4097) }, nil, "", ""},
		"a partition of one sector":      {nil, func(e []byte) { le.PutUint64(e[40:], 64) }, "1:64+1 3:128+128", ""},
		"a partition that ends before":   {nil, func(e []byte) { le.PutUint64(e[40:], 63) }, "3:128+128", "ends before it begins"},
		"a partition in no disk's reach": {nil, func(e []byte) { le.PutUint64(e[32:], 1<<62); le.PutUint64(e[40:], 1<<63) }, "3:128+128", "past the end"},
		"a partition of no disk's size":  {nil, func(e []byte) { le.PutUint64(e[40:], 1<<63) }, "1:64+1984 3:128+128", "is cut"},
	} {
		disk := newGPT()
		change(disk, c.header, c.entries)
		table, err := partition.Read(bytes.NewReader(disk), int64(len(disk)), nil)
		if c.want == "" {
			if !errors.Is(err, partition.ErrDamaged) {
				t.Errorf("%s: %v, %v", name, table, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		t.Run(name, func(t *testing.T) { expect(t, table, c.want, c.note) })
	}
}

func TestOtherBootSectorsAreNoPartitionTables(t *testing.T) {
	for _, oem := range []string{"EXFAT   ", "-FVE-FS-"} {
		disk := make([]byte, 1<<20)
		setMBR(disk, 0, entry{0x80, 0x07, 1, 100})
		copy(disk, "\xeb\x52\x90"+oem)
		if table, err := partition.Read(bytes.NewReader(disk), int64(len(disk)), nil); !errors.Is(err, partition.ErrNoTable) {
			t.Errorf("%s: got %+v, %v", oem, table, err)
		}
	}
}

func TestADiskWithoutASignatureHasNoPartitionUUIDs(t *testing.T) {
	for signature, want := range map[uint32]string{0: "", 0xcafe1234: "cafe1234-01"} {
		disk := make([]byte, 1<<20)
		setMBR(disk, 0, entry{0, 0x83, 1, 100})
		binary.LittleEndian.PutUint32(disk[440:], signature)
		table, err := partition.Read(bytes.NewReader(disk), int64(len(disk)), nil)
		if err != nil || table.Partitions[0].UUID != want {
			t.Errorf("%#x: %+v, %v", signature, table, err)
		}
	}
}

func TestAChainOfEmptyLinksEndsWhereTheKernelsDoes(t *testing.T) {
	for empty, want := range map[int]int{99: 2, 100: 2, 101: 1} {
		disk := make([]byte, 1<<20)
		setMBR(disk, 0, entry{0, 0x05, 100, 1900})
		for i := range empty {
			setMBR(disk, 100+i, entry{0, 0x05, uint32(i + 1), 1900})
		}
		setMBR(disk, 100+empty, entry{0, 0x83, 1, 1})
		table, err := partition.Read(bytes.NewReader(disk), int64(len(disk)), nil)
		if err != nil || len(table.Partitions) != want {
			t.Errorf("behind %d links: %d partitions, %v", empty, len(table.Partitions), err)
		}
	}
}
