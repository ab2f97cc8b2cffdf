package qedfile

import "encoding/binary"

// An entryWriter gathers new values for entries of one table and writes them
// in batches, each after a sync, so that what they refer to is there first.
// It writes the 512-byte sectors that hold them.
type entryWriter struct {
	table   int64
	pending []tableEntry // in the order of their index
}

const entryBatch = 8 << 10

func (w *entryWriter) set(r *repairer, e tableEntry, value uint64) error {
	w.table = e.table
	w.pending = append(w.pending, tableEntry{e.table, e.index, value})
	if len(w.pending) < entryBatch {
		return nil
	}
	return w.flush(r)
}

func (w *entryWriter) flush(r *repairer) error {
	if len(w.pending) == 0 {
		return nil
	}
	if err := r.s.Sync(); err != nil {
		return err
	}
	const perSector = sectorSize / entrySize
	for len(w.pending) > 0 {
		sector := w.pending[0].index / perSector
		off := w.table + sector*sectorSize
		var b [sectorSize]byte
		if err := readPadded(r.s, b[:], off); err != nil {
			return err
		}
		n := 0
		for ; n < len(w.pending) && w.pending[n].index/perSector == sector; n++ {
			e := w.pending[n]
			binary.LittleEndian.PutUint64(b[e.index%perSector*entrySize:], e.value)
		}
		if _, err := r.s.WriteAt(b[:], off); err != nil {
			return err
		}
		w.pending = w.pending[n:]
	}
	w.pending = nil
	return nil
}
