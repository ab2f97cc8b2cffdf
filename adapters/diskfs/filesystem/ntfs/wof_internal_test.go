package ntfs

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ntfs/internal/wof"
)

func packedIn(b []byte) *stream {
	return &stream{v: &volume{boot: &boot{cluster: 4096}}, resident: b, size: int64(len(b)), valid: int64(len(b))}
}

func TestChunksLieWhereTheTableSays(t *testing.T) {
	var b []byte
	for _, end := range []uint32{100, 300} {
		b = binary.LittleEndian.AppendUint32(b, end)
	}
	b = append(b, make([]byte, 350)...)
	c := &wofContent{packedIn(b), 3 * 4096, wof.XPRESS4K}
	for chunk, want := range [][2]int64{{8, 108}, {108, 308}, {308, 358}} {
		if start, end, err := c.place(int64(chunk)); start != want[0] || end != want[1] || err != nil {
			t.Errorf("chunk %d: %d to %d, %v; want %v", chunk, start, end, err, want)
		}
	}
	for _, bad := range []uint32{301, 4197, 1 << 31} { // after its end, larger than a chunk, past the end
		binary.LittleEndian.PutUint32(b, bad)
		if start, end, err := c.place(1); !errors.Is(err, fstree.ErrDamaged) {
			t.Errorf("%d: %d to %d, %v", bad, start, end, err)
		}
	}
	c.packed = packedIn(b[:7])
	for chunk := range int64(3) {
		if start, end, err := c.place(chunk); !errors.Is(err, fstree.ErrDamaged) {
			t.Errorf("without a whole table: %d to %d, %v", start, end, err)
		}
	}
	binary.LittleEndian.PutUint32(b, 0)
	c.packed = packedIn(append(b, make([]byte, 5000)...))
	binary.LittleEndian.PutUint32(c.packed.resident[4:], 4097)
	if start, end, err := c.place(1); !errors.Is(err, fstree.ErrDamaged) {
		t.Errorf("more than a chunk: %d to %d, %v", start, end, err)
	}
}

// The table of a file of more than 4 GiB has wide entries.
func TestLargeFilesHaveWideTables(t *testing.T) {
	c := &wofContent{size: 1<<32 + 1, algorithm: wof.XPRESS16K}
	table := c.tableSize()
	if table != 8<<18 {
		t.Fatal(table)
	}
	b := make([]byte, table+100)
	binary.LittleEndian.PutUint64(b, 30)
	binary.LittleEndian.PutUint64(b[8:], 70)
	c.packed = packedIn(b)
	if start, end, err := c.place(1); start != table+30 || end != table+70 || err != nil {
		t.Error(start, end, err)
	}
	c.size--
	if c.tableSize() != 4*(1<<18-1) {
		t.Error(c.tableSize())
	}
}

func TestTheReparsePointSaysHowAFileIsCompressed(t *testing.T) {
	point := func(words ...uint32) (b []byte) {
		for _, w := range words {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
		return b
	}
	if a, err := wofAlgorithm(point(1, 2, 1, 3)); a != wof.XPRESS16K || err != nil {
		t.Error(a, err)
	}
	for _, b := range [][]byte{point(1, 2, 1), point(2, 2, 1, 0), point(1, 1, 1, 0), point(1, 2, 2, 0), point(1, 2, 1, 4)} {
		if a, err := wofAlgorithm(b); !errors.Is(err, fstree.ErrUnsupported) {
			t.Errorf("% x: %d, %v", b, a, err)
		}
	}
}
