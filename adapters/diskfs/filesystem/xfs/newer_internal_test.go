package xfs

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// An inode that was written after a transaction is not to be replaced by it:
// in version 5 by the log's sequence number, before it by a count of writes of
// 16 bits that goes round.
func TestAnInodeThatWasWrittenLaterStays(t *testing.T) {
	for _, c := range []struct {
		disk, lsn uint64
		newer     bool
	}{{5, 6, false}, {6, 6, false}, {7, 6, true}, {^uint64(0), 6, false}, {0, 6, false}, {1 << 32, 6, true}} {
		disk := make([]byte, inodeCoreV3)
		binary.BigEndian.PutUint64(disk[112:], c.disk)
		p := &replay{sb: &superblock{v5: true}, order: binary.LittleEndian}
		if got := p.newer(disk, make([]byte, inodeCoreV3), c.lsn); got != c.newer {
			t.Errorf("written at %#x, logged at %#x: newer %v", c.disk, c.lsn, got)
		}
	}
	for _, c := range []struct {
		disk, logged uint16
		newer        bool
	}{
		{5, 6, false}, {6, 6, false}, {7, 6, true}, {0, 0, false},
		{maxFlushes, 0, false}, {maxFlushes, maxFlushes/2 - 1, false}, // it went round
		{maxFlushes, maxFlushes / 2, true}, {maxFlushes, maxFlushes - 1, true}, {maxFlushes - 1, 0, true},
	} {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			disk, logged := make([]byte, inodeCoreV2), make([]byte, inodeCoreV2)
			binary.BigEndian.PutUint16(disk[30:], c.disk)
			order.PutUint16(logged[30:], c.logged)
			p := &replay{sb: &superblock{}, order: order}
			if got := p.newer(disk, logged, 0); got != c.newer {
				t.Errorf("written %d times, logged after %d: newer %v", c.disk, c.logged, got)
			}
		}
	}
}

// A block that was written at the transaction's own sequence number has it
// already; a block of another filesystem, which lay there before, has not.
func TestABlockThatWasWrittenSinceStays(t *testing.T) {
	uuid := [16]byte{1, 2, 3}
	const sector, lsn = 8, 1<<32 | 50
	for _, c := range []struct {
		disk    uint64
		uuid    byte
		flags   uint16
		written bool
	}{
		{lsn - 1, 1, 0, true}, {lsn, 1, 0, false}, {lsn + 1, 1, 0, false}, {lsn + 1, 9, 0, true},
		{lsn - 1, 1, bufferInodes, false}, {lsn - 1, 1, 0x4, false},
	} {
		image := make([]byte, 16<<10)
		block := image[sector*sectorSize:]
		copy(block, "XDD3")
		binary.BigEndian.PutUint64(block[16:], c.disk)
		copy(block[24:], uuid[:])
		block[24] = c.uuid
		sb := superblock{v5: true, metaUUID: uuid}
		p := newReplay(bytes.NewReader(image), int64(len(image)), &sb)
		p.order = binary.LittleEndian
		head := make([]byte, bufferMapAt+4)
		le := binary.LittleEndian
		le.PutUint16(head[4:], c.flags)
		le.PutUint16(head[6:], 8) // sectors
		le.PutUint64(head[8:], sector)
		le.PutUint32(head[16:], 1)
		le.PutUint32(head[bufferMapAt:], 0b110010) // chunks 1, 4 and 5
		chunks := func(n int, fill byte) []byte { return bytes.Repeat([]byte{fill}, n*bufferChunk) }
		it := item{regions: [][]byte{head, chunks(1, 0xAA), chunks(2, 0xBB)}, total: 3}
		if err := p.applyBuffer(&it, lsn); err != nil {
			t.Fatal(err)
		}
		want := bytes.Clone(image)
		if c.written {
			copy(want[sector*sectorSize+bufferChunk:], chunks(1, 0xAA))
			copy(want[sector*sectorSize+4*bufferChunk:], chunks(2, 0xBB))
		}
		p.overlay.freeze()
		got := make([]byte, len(image))
		if _, err := p.overlay.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%+v: not what it should be, %v", c, err)
		}
	}
}

// What is freed later in the log is not written, until its end was seen.
func TestABufferThatIsFreedLaterIsNotWritten(t *testing.T) {
	image := make([]byte, 16<<10)
	sb := superblock{}
	p := newReplay(bytes.NewReader(image), int64(len(image)), &sb)
	p.order = binary.LittleEndian
	it := func(flags uint16) *item {
		le, head := binary.LittleEndian, make([]byte, bufferMapAt+4)
		le.PutUint16(head, itemBuffer)
		le.PutUint16(head[4:], flags)
		le.PutUint16(head[6:], 8)
		le.PutUint64(head[8:], 8)
		le.PutUint32(head[16:], 1)
		le.PutUint32(head[bufferMapAt:], 1)
		return &item{regions: [][]byte{head, bytes.Repeat([]byte{0xAA}, bufferChunk)}, total: 2}
	}
	if err := p.noteCancelled(&transaction{items: []item{*it(bufferCancelled)}}); err != nil {
		t.Fatal(err)
	}
	for _, flags := range []uint16{0, bufferCancelled} {
		if err := p.applyBuffer(it(flags), 1); err != nil {
			t.Fatal(err)
		}
		if len(p.overlay.sectors) != 0 {
			t.Fatal("it was written")
		}
	}
	if err := p.applyBuffer(it(0), 1); err != nil || len(p.overlay.sectors) != 1 {
		t.Errorf("after it was freed: %d sectors, %v", len(p.overlay.sectors), err)
	}
}
