package qedfile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// Resize sets the size of the disk in bytes, a multiple of 512 up to
// [Header.MaxImageSize]. It waits for the writes that are under way.
//
// Bytes gained read as zeroes, also over a backing file that is longer than
// the disk was. What is cut off is gone; its clusters are given back where
// they lie at the end of the file. Those in the middle stay where they are,
// linked past the end of the disk, to be used again when it grows: they are
// no leak, and [Compact] frees them. A crash leaves the disk with one size or
// the other.
//
// In a corrupt image a cluster may be shared with a part of the disk that
// stays. A disk of such an image grows only where nothing needs to be hidden,
// else the error matches [ErrCorrupt]; one that shrinks keeps its clusters. No
// byte that can be read before and after is changed.
func (m *Image) Resize(size int64) error {
	w := &m.write
	w.cut.Lock()
	defer w.cut.Unlock()
	if err := m.checkWritable(); err != nil {
		return err
	}
	if limit := m.header.Load().MaxImageSize(); size < 0 || size%sectorSize != 0 || size > limit {
		return fmt.Errorf("%w: a size of %d bytes is not a multiple of %d up to %d", ErrRange, size, sectorSize, limit)
	}
	switch old := m.size.Load(); {
	case size > old:
		return m.grow(old, size)
	case size < old:
		return m.shrink(size)
	}
	return nil
}

// grow hides whatever would appear between the old end and the new one, and
// then moves the end.
func (m *Image) grow(old, size int64) error {
	sound := false
	for pos := old; pos < size; {
		r, err := m.run(pos, size-pos)
		if err != nil {
			return err
		}
		hidden, err := m.isHidden(&r, pos)
		if err == nil && !hidden && !sound {
			err, sound = m.requireSound(), true
		}
		if err != nil {
			return err
		}
		n := r.n
		if !hidden {
			n, err = m.hide(&r, pos, size)
		}
		if err != nil {
			return err
		}
		pos += n
	}
	return m.setSize(size)
}

// setSize writes everything and then the new size.
func (m *Image) setSize(size int64) error {
	m.write.mu.Lock()
	defer m.write.mu.Unlock()
	if err := m.flushTables(); err != nil {
		return err
	}
	if err := m.syncStorage(); err != nil {
		return err
	}
	if err := m.updateHeader(func(h *Header) { h.ImageSize = size }); err != nil {
		return err
	}
	m.size.Store(size)
	return nil
}

// isHidden reports whether a run at pos, past the end of the disk, is known to
// read as zeroes. Of data it looks only at the rest of the last cluster, to
// which it cuts the run: more than that is there only after a shrink.
func (m *Image) isHidden(r *run, pos int64) (bool, error) {
	switch r.kind {
	case Zero:
		return true, nil
	case Unallocated:
		return pos >= m.backingSize, nil
	}
	in := pos & (m.geo.clusterSize() - 1)
	if in == 0 {
		return false, nil
	}
	buf := m.buffers.get()
	defer m.buffers.put(buf)
	r.n = min(r.n, m.geo.clusterSize()-in, bufferBytes)
	if err := m.readFile(buf[:r.n], r.host); err != nil {
		return false, err
	}
	return isZero(buf[:r.n]), nil
}

// hide makes the first part of a run at pos, which lies past the end of the
// disk, read as zeroes and returns its length.
func (m *Image) hide(r *run, pos, end int64) (int64, error) {
	cluster := m.geo.clusterSize()
	switch {
	case r.kind == Data: // old entries past the end, or the rest of the last cluster
		return r.n, m.zeroFile(r.host, r.n)
	case pos&(cluster-1) != 0: // the last cluster, which shows the backing file up to here
		return m.zeroPart(pos, min(r.n, cluster-pos&(cluster-1)))
	}
	longer := min(pos+r.n, m.backingSize)
	n, err := m.markZero(diskRange{pos, roundUp(longer, cluster)})
	return min(n, end-pos), err
}

// requireSound fails with an error that matches [ErrCorrupt] where a table entry
// is invalid or shares clusters with another: what is changed for one part of
// the disk would then show in another.
func (m *Image) requireSound() error {
	m.write.mu.Lock()
	defer m.write.mu.Unlock()
	if err := m.settleFile(); err != nil {
		return err
	}
	_, err := checkTables(context.Background(), m.r, m.header.Load(), &CheckOptions{Found: func(f Finding) error {
		switch f.Kind {
		case Corruption:
			return m.corrupt(&CorruptError{Level: f.Level, Table: f.Table, Index: f.Index, Entry: f.Entry, Start: f.Start, Why: f.Why})
		case CheckFailure:
			return f.Err
		}
		return nil
	}})
	return err
}

// shrink moves the end of the disk first: entries past it are legal. Then it
// clears those whose clusters can go, and cuts the file when no entry refers
// to them any more.
func (m *Image) shrink(size int64) error {
	if err := m.setSize(size); err != nil {
		return err
	}
	if err := m.requireSound(); errors.Is(err, ErrCorrupt) {
		return nil // clusters past the end are perhaps needed elsewhere
	} else if err != nil {
		return err
	}
	t, err := m.planTrim(size)
	if err != nil {
		return err
	}
	w := &m.write
	w.mu.Lock()
	defer w.mu.Unlock()
	walker := newTableWalker(m.r, m.header.Load())
	for _, d := range t.dead {
		if err := m.clearTable(d, t, walker); err != nil {
			return err
		}
	}
	if err := m.flushTables(); err != nil {
		return err
	}
	if err := m.syncStorage(); err != nil {
		return err
	}
	if t.keep >= m.end.Load() {
		return nil
	}
	if err := m.fail("truncate", m.w.Truncate(t.keep)); err != nil {
		return err
	}
	m.end.Store(t.keep)
	m.present.Store(min(m.present.Load(), t.keep))
	w.free = nil
	m.cache.drop()
	return m.syncStorage()
}

// A trim says what of an image is past the end of its disk.
type trim struct {
	end  int64       // of the disk, rounded up to a cluster
	keep int64       // the file is needed up to here
	dead []deadTable // L2 tables with entries past the end
}

// A deadTable is an L2 table that maps something past the end of the disk.
type deadTable struct {
	index int64 // of its L1 entry
	off   int64
	whole bool  // it maps nothing else
	lower int64 // lowest cluster that an entry past the end refers to
}

// planTrim finds what of the file of a sound image a smaller disk needs.
func (m *Image) planTrim(size int64) (*trim, error) {
	h := m.header.Load()
	t := &trim{end: roundUp(size, h.ClusterSize), keep: max(h.dataStart(), h.L1TableOffset+h.tableBytes())}
	l1, l2 := newTableWalker(m.r, h), newTableWalker(m.r, h)
	for p, err := range l1.pieces(h.L1TableOffset) {
		if err != nil {
			return nil, err
		}
		for i := range p.len() {
			e := p.entry(i)
			if e == entryUnallocated {
				continue
			}
			if err := m.planTable(t, l2, deadTable{index: p.first + i, off: int64(e)}); err != nil {
				return nil, err
			}
		}
	}
	t.settle(h)
	return t, nil
}

// planTable adds one L2 table to the plan.
func (m *Image) planTable(t *trim, walker *tableWalker, d deadTable) error {
	h := m.header.Load()
	start, reachable := m.tableStart(d.index)
	d.whole = reachable && start >= t.end
	d.lower = m.end.Load()
	dead := d.whole
	for p, err := range walker.pieces(d.off) {
		if err != nil {
			return err
		}
		for i := range p.len() {
			e := p.entry(i)
			if e == entryUnallocated {
				continue
			}
			past := reachable && start+(p.first+i)<<m.geo.clusterBits >= t.end
			dead = dead || past
			switch {
			case e == entryZero:
			case past:
				d.lower = min(d.lower, int64(e))
			default:
				t.keep = max(t.keep, int64(e)+h.ClusterSize)
			}
		}
	}
	if !d.whole {
		t.keep = max(t.keep, d.off+h.tableBytes())
	}
	if dead {
		t.dead = append(t.dead, d)
	}
	return nil
}

// tableStart is the first byte of the disk that an L2 table maps. The table
// may map none that an image can have.
func (m *Image) tableStart(index int64) (int64, bool) {
	shift := m.geo.clusterBits + m.geo.entryBits
	return index << shift, index < 1<<(63-shift)
}

// settle raises the end of what is kept until no table beyond it refers to a
// cluster before it: such a table has to stay, or its clusters would leak.
func (t *trim) settle(h *Header) {
	slices.SortFunc(t.dead, func(a, b deadTable) int { return cmp.Compare(a.lower, b.lower) })
	for _, d := range t.dead {
		if d.whole && d.lower < t.keep {
			t.keep = max(t.keep, d.off+h.tableBytes())
		}
	}
}

// clearTable clears the entries past the end of the disk whose clusters go,
// or the L1 entry of a table that goes as a whole.
func (m *Image) clearTable(d deadTable, t *trim, walker *tableWalker) error {
	if d.whole && d.off >= t.keep {
		s, err := m.l1Slice(d.index, true)
		if err != nil {
			return err
		}
		s.entries[d.index-s.first].Store(entryUnallocated)
		return m.markDirty(s, d.index-s.first, d.index-s.first+1)
	}
	start, _ := m.tableStart(d.index)
	for p, err := range walker.pieces(d.off) {
		if err != nil {
			return err
		}
		for i := int64(0); i < p.len(); i++ {
			pos := start + (p.first+i)<<m.geo.clusterBits
			if p.entry(i) == entryUnallocated || pos < t.end {
				continue
			}
			s, err := m.l2ForWriting(pos)
			if err != nil {
				return err
			}
			if err := m.clearEntries(s, p.first+i-s.first, t.keep); err != nil {
				return err
			}
			i = s.first + m.geo.sliceEntries() - p.first - 1 // the slice is done
		}
	}
	return nil
}

// clearEntries clears, in a pinned slice, the zero markers and the references
// to clusters from keep on.
func (m *Image) clearEntries(s *tableSlice, from, keep int64) error {
	first, last := int64(len(s.entries)), int64(0)
	for i := from; i < int64(len(s.entries)); i++ {
		if e := s.entries[i].Load(); e == entryZero || e >= uint64(keep) {
			s.entries[i].Store(entryUnallocated)
			first, last = min(first, i), i+1
		}
	}
	if first >= last {
		m.unpinClean(s)
		return nil
	}
	return m.markDirty(s, first, last)
}
