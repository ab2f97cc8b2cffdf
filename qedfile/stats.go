package qedfile

import (
	"sync/atomic"
	"unsafe"
)

// Stats counts what an image has done since it was opened, its backing files
// not included.
type Stats struct {
	Reads      int64 // of the storage
	ReadBytes  int64
	Writes     int64 // to the storage
	WriteBytes int64
	Syncs      int64 // of the storage

	// TableLoads counts slices of tables that were read, or tried to be read.
	// Those found in memory are not counted: that would cost what finding one
	// does.
	TableLoads int64
}

type counters struct {
	read                      [readStripes]readCounter
	writes, writeBytes, syncs atomic.Int64
	tableLoads                atomic.Int64
}

// readStripes is how many counters share the counting of reads, which is all
// that readers on several processors would have to wait for each other for.
const readStripes = 16

type readCounter struct {
	reads, bytes atomic.Int64
	_            [112]byte // to two cache lines: processors fetch them in pairs
}

// countRead counts a read of n bytes into p. Who reads at the same time reads
// to another place: that tells the stripe.
func (c *counters) countRead(p []byte, n int) {
	const golden = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio: spreads what differs in a few bits
	place := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p))))
	r := &c.read[place*golden>>32%readStripes]
	r.reads.Add(1)
	r.bytes.Add(int64(n))
}

// Stats returns the counters as they are now. While others use the image they
// are not of one instant.
func (m *Image) Stats() Stats {
	s := Stats{
		Writes:     m.stats.writes.Load(),
		WriteBytes: m.stats.writeBytes.Load(),
		Syncs:      m.stats.syncs.Load(),
		TableLoads: m.stats.tableLoads.Load(),
	}
	for i := range m.stats.read {
		s.Reads += m.stats.read[i].reads.Load()
		s.ReadBytes += m.stats.read[i].bytes.Load()
	}
	return s
}
