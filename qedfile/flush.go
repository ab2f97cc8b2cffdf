package qedfile

import (
	"encoding/binary"
	"errors"
	"sync/atomic"
)

// Changed table slices stay in memory, pinned in the cache, until a sync or
// until they are half of the cache. flushTables writes them in the order that
// makes every state of the file after a crash a legal one.

// l2ForWriting returns the pinned slice of the L2 table that maps pos. If there
// is no such table it takes a place at the end of the file and is linked in
// the L1 table in memory. There it lies among zeroes: only the slices that
// change are ever written.
func (m *Image) l2ForWriting(pos int64) (*tableSlice, error) {
	key := m.geo.l2Key(pos)
	first := m.geo.l2Index(pos) &^ (m.geo.sliceEntries() - 1)
	table, err := m.l2Table(pos)
	if err != nil {
		return nil, err
	}
	if table != 0 {
		return m.cache.get(key, true, func() (*tableSlice, error) { return m.loadSlice(key, table, first) })
	}
	index := m.geo.l1Index(pos)
	l1, err := m.l1Slice(index, true)
	if err != nil {
		return nil, err
	}
	if table, err = m.allocateAtEnd(m.geo.tableBytes()); err != nil {
		m.unpinClean(l1)
		return nil, err
	}
	s, err := m.cache.get(key, true, func() (*tableSlice, error) {
		return &tableSlice{key: key, table: table, first: first, entries: make([]atomic.Uint64, m.geo.sliceEntries())}, nil
	})
	if err != nil {
		m.unpinClean(l1)
		return nil, err
	}
	l1.entries[index-l1.first].Store(uint64(table))
	m.noteDirty(l1, index-l1.first, index-l1.first+1)
	return s, nil
}

// unpinClean releases a slice that was pinned to be changed, and was not.
func (m *Image) unpinClean(s *tableSlice) {
	if !s.isDirty() {
		m.cache.unpin(s)
	}
}

func (s *tableSlice) isDirty() bool { return s.dirtyTo > s.dirtyFrom }

// noteDirty adds entries of a pinned slice to what is to be written.
func (m *Image) noteDirty(s *tableSlice, from, to int64) {
	if s.isDirty() {
		s.dirtyFrom, s.dirtyTo = min(s.dirtyFrom, from), max(s.dirtyTo, to)
		return
	}
	s.dirtyFrom, s.dirtyTo = from, to
	m.write.dirty = append(m.write.dirty, s)
}

// markDirty is noteDirty, and writes the tables when there are too many.
func (m *Image) markDirty(s *tableSlice, from, to int64) error {
	m.noteDirty(s, from, to)
	if len(m.write.dirty) < m.cache.capacity()/2 {
		return nil
	}
	return m.flushTables()
}

// flushTables writes all changed slices. It is called with the lock held.
//
// Without a backing file NEED_CHECK is on the disk before any table is: a
// table that then refers to data which was lost is mended by a repair. With
// one, the data is on the disk first. L1 tables follow a sync of the L2
// tables that they link, always.
func (m *Image) flushTables() error {
	w := &m.write
	if len(w.dirty) == 0 {
		return nil
	}
	if err := m.extendFile(); err != nil {
		return err
	}
	if !w.ordered {
		if err := m.setNeedCheck(true); err != nil {
			return err
		}
	}
	if w.ordered {
		if err := m.syncStorage(); err != nil {
			return err
		}
	}
	var l1 []*tableSlice
	for _, s := range w.dirty {
		if s.key&l1Key != 0 {
			l1 = append(l1, s)
		} else if err := m.writeSlice(s); err != nil {
			return err
		}
	}
	if len(l1) > 0 {
		if err := m.syncStorage(); err != nil {
			return err
		}
	}
	for _, s := range l1 {
		if err := m.writeSlice(s); err != nil {
			return err
		}
	}
	w.dirty = w.dirty[:0]
	return nil
}

// extendFile makes the file as long as its clusters are: the last of them may
// not have been written to their ends.
func (m *Image) extendFile() error {
	size, err := m.w.Size()
	if err != nil {
		return m.fail("size", err)
	}
	if end := m.end.Load(); size < end {
		return m.fail("truncate", m.w.Truncate(end))
	}
	return nil
}

// writeSlice writes the sectors of a slice from the first that changed to the
// last, and releases it.
func (m *Image) writeSlice(s *tableSlice) error {
	const perSector = sectorSize / entrySize
	from := s.dirtyFrom &^ (perSector - 1)
	to := roundUp(s.dirtyTo, perSector)
	buf := m.buffers.get()
	defer m.buffers.put(buf)
	b := buf[:(to-from)*entrySize]
	for i := range s.entries[from:to] {
		binary.LittleEndian.PutUint64(b[i*entrySize:], s.entries[from+int64(i)].Load())
	}
	if err := m.writeFile(b, s.offset()+from*entrySize); err != nil {
		return err
	}
	s.dirtyFrom, s.dirtyTo = 0, 0
	m.cache.changed(s)
	return nil
}

func (m *Image) syncStorage() error {
	m.stats.syncs.Add(1)
	return m.fail("sync", m.w.Sync())
}

// updateHeader writes the defined bytes of the header, which lie in one sector
// and so change as one, and syncs them. What was written before is synced
// first where the change rests on it: that is the caller's to do.
func (m *Image) updateHeader(change func(*Header)) error {
	h := m.Header()
	change(h)
	b := h.encode()
	if err := m.writeFile(b[:], 0); err != nil {
		return err
	}
	if err := m.syncStorage(); err != nil {
		return err
	}
	m.header.Store(h)
	return nil
}

// setNeedCheck marks the image dirty or clean, on the disk, unless it is so
// already.
func (m *Image) setNeedCheck(dirty bool) error {
	if m.header.Load().NeedCheck() == dirty {
		return nil
	}
	return m.updateHeader(func(h *Header) {
		h.Features &^= FeatureNeedCheck
		if dirty {
			h.Features |= FeatureNeedCheck
		}
	})
}

// Sync makes everything durable that was written by calls which returned
// before it was called. After an error the image accepts no more changes; what
// an earlier Sync returned for is safe.
func (m *Image) Sync() error {
	if err := m.checkWritable(); err != nil {
		return err
	}
	m.write.mu.Lock()
	err := m.flushTables()
	m.write.mu.Unlock()
	if err != nil {
		return err
	}
	return m.syncStorage()
}

// endWriting is the part of Close that writes. NEED_CHECK goes last, when all
// else is on the disk, and stays where the image is known to be corrupt.
func (m *Image) endWriting() error {
	w := &m.write
	w.cut.Lock() // waits for the writes that began before Close
	defer w.cut.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.failure.Load(); err != nil {
		return errors.Join(ErrFailed, *err)
	}
	if err := m.flushTables(); err != nil {
		return err
	}
	if err := m.syncStorage(); err != nil {
		return err
	}
	if w.wasDirty || m.knownCorrupt.Load() {
		return nil
	}
	return m.setNeedCheck(false)
}
