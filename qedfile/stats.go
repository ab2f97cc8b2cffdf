package qedfile

import "sync/atomic"

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
	reads, readBytes          atomic.Int64
	writes, writeBytes, syncs atomic.Int64
	tableLoads                atomic.Int64
}

// Stats returns the counters as they are now. While others use the image they
// are not of one instant.
func (m *Image) Stats() Stats {
	return Stats{
		Reads:      m.stats.reads.Load(),
		ReadBytes:  m.stats.readBytes.Load(),
		Writes:     m.stats.writes.Load(),
		WriteBytes: m.stats.writeBytes.Load(),
		Syncs:      m.stats.syncs.Load(),
		TableLoads: m.stats.tableLoads.Load(),
	}
}
