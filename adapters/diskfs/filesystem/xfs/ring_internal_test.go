package xfs

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// ringOf is a log of sectors of the given cycles, and nothing else.
func ringOf(cycles ...uint32) *journal {
	b := make([]byte, len(cycles)*sectorSize)
	for i, c := range cycles {
		binary.BigEndian.PutUint32(b[i*sectorSize:], c)
	}
	return &journal{r: bytes.NewReader(b), sectors: int64(len(cycles)), v2: true}
}

func TestTheHeadIsWhereTheCycleFalls(t *testing.T) {
	for _, c := range []struct {
		cycles []uint32
		head   int64
		stale  uint32
	}{
		{[]uint32{0, 0, 0, 0}, 0, 0},        // never written to
		{[]uint32{1, 1, 0, 0}, 2, 0},        // for the first time
		{[]uint32{5, 5, 5, 4}, 3, 4},        //
		{[]uint32{5, 4, 4, 4}, 1, 4},        //
		{[]uint32{5, 5, 5, 5}, 4, 4},        // full: the next goes to the beginning
		{[]uint32{recordMagic, 4, 4}, 0, 0}, // whose cycle is its second word
	} {
		head, stale, err := ringOf(c.cycles...).end()
		if err != nil || head != c.head || stale != c.stale {
			t.Errorf("%d: head %d, stale %d, %v", c.cycles, head, stale, err)
		}
	}
}

// A sector that was not written moves the head back, also where those written
// just before lie at the ring's end.
func TestAHoleBeforeTheHeadMovesItBack(t *testing.T) {
	for _, c := range []struct {
		cycles []uint32
		head   int64
		stale  uint32
		want   int64
	}{
		{[]uint32{5, 5, 5, 4}, 3, 4, 3},
		{[]uint32{5, 4, 5, 4}, 3, 4, 1},
		{[]uint32{5, 4, 4, 3}, 1, 4, 3}, // the sector before the beginning is two cycles old
		{[]uint32{5, 4, 4, 4}, 1, 4, 1},
	} {
		got, err := ringOf(c.cycles...).withoutHoles(c.head, c.stale)
		if err != nil || got != c.want {
			t.Errorf("%d: head %d, %v", c.cycles, got, err)
		}
	}
}

// A record of more than 32 KiB keeps the words that its cycle numbers displaced in
// further sectors of its header.
func TestTheDisplacedWordsOfALongRecordArePutBack(t *testing.T) {
	const cycle, length = 7, 100 * sectorSize
	be := binary.BigEndian
	log := make([]byte, 200*sectorSize)
	header, more := log[:sectorSize], log[sectorSize:2*sectorSize]
	be.PutUint32(header, recordMagic)
	be.PutUint32(header[4:], cycle)
	be.PutUint32(header[8:], 2)
	be.PutUint32(header[12:], length)
	be.PutUint32(header[320:], 64<<10)
	be.PutUint32(more, cycle)
	want := make([]byte, length)
	for i := range want {
		want[i] = byte(i/sectorSize + i)
	}
	data := log[2*sectorSize:]
	copy(data, want)
	for i := range length / sectorSize {
		word := data[i*sectorSize:][:4]
		if i < cyclesInHeader {
			copy(header[44+4*i:], word)
		} else {
			copy(more[4+4*(i-cyclesInHeader):], word)
		}
		be.PutUint32(word, cycle)
	}
	j := &journal{r: bytes.NewReader(log), sectors: 200, v2: true}
	r, err := j.record(0)
	if err != nil || r.size() != 102 {
		t.Fatalf("%+v, %v", r, err)
	}
	if got, err := j.data(r); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the data is not what was written: %v", err)
	}
	be.PutUint32(data[70*sectorSize:], cycle-1)
	if _, err := j.data(r); err == nil {
		t.Error("a sector of another cycle went unnoticed")
	}
}

// A region that is longer than what is left of a record goes on in the next, and
// perhaps in the one after it.
func TestARegionThatWasCutIsPutTogether(t *testing.T) {
	le := binary.LittleEndian
	head := make([]byte, transHeaderSize)
	le.PutUint32(head, transMagic)
	first := []byte{1, 0, 2, 0} // an item of two regions
	var done []*transaction
	d := decoder{order: le, open: map[uint32]*transaction{}, commit: func(t *transaction) error { done = append(done, t); return nil }}
	r := &record{header: make([]byte, sectorSize)}
	for _, op := range []struct {
		flags uint8
		data  string
	}{
		{opStart, ""}, {0, string(head)}, {0, string(first)},
		{opContinue, "a region "}, {opContinued | opContinue, "in "}, {opContinued | opEnd, "pieces"}, {opCommit, ""},
	} {
		if err := d.operation(r, 1, op.flags, []byte(op.data)); err != nil {
			t.Fatalf("flags %#x: %v", op.flags, err)
		}
	}
	if len(done) != 1 || len(done[0].items) != 1 || string(done[0].items[0].regions[1]) != "a region in pieces" {
		t.Errorf("%+v", done)
	}
	if d.held != 0 || len(d.open) != 0 {
		t.Errorf("%d bytes held, %d transactions open", d.held, len(d.open))
	}
}
