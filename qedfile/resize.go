package qedfile

import (
	"cmp"
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
	stored := m.end.Load()
	for pos := old; pos < size; {
		n, err := m.hide(pos, size, &stored)
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

// hide makes the first part of [pos, end), which lies past the end of the disk,
// read as zeroes and returns its length. stored is how many bytes the file can
// still have there: with more, entries share clusters, perhaps very many.
func (m *Image) hide(pos, end int64, stored *int64) (int64, error) {
	r, err := m.run(pos, end-pos)
	if err != nil {
		return 0, err
	}
	cluster := m.geo.clusterSize()
	switch {
	case r.kind == Zero:
		return r.n, nil
	case r.kind == Data: // old entries past the end, or the rest of the last cluster
		if *stored -= r.n; *stored < 0 {
			return 0, fmt.Errorf("%w: entries past the end of the disk share clusters", ErrCorrupt)
		}
		return r.n, m.zeroFile(r.host, r.n)
	case pos >= m.backingSize:
		return r.n, nil
	case pos&(cluster-1) != 0: // the last cluster, which shows the backing file up to here
		return m.zeroPart(pos, min(r.n, cluster-pos&(cluster-1)))
	}
	longer := min(pos+r.n, m.backingSize)
	n, err := m.markZero(diskRange{pos, roundUp(longer, cluster)})
	return min(n, end-pos), err
}

// shrink moves the end of the disk first: entries past it are legal. Then it
// clears those whose clusters can go, and cuts the file when no entry refers
// to them any more.
func (m *Image) shrink(size int64) error {
	if err := m.setSize(size); err != nil {
		return err
	}
	t, err := m.planTrim(size)
	if err != nil || t == nil {
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
	end    int64       // of the disk, rounded up to a cluster
	keep   int64       // the file is needed up to here
	dead   []deadTable // L2 tables with entries past the end
	tables *bitmap     // clusters of the tables seen so far
}

// A deadTable is an L2 table that maps something past the end of the disk.
type deadTable struct {
	index int64 // of its L1 entry
	off   int64
	whole bool  // it maps nothing else
	lower int64 // lowest cluster that an entry past the end refers to
}

// planTrim finds what of the file a smaller disk needs. It returns nil where
// an invalid entry leaves that open, or a table that two entries refer to: its
// clusters are perhaps needed through the other. So it reads no table twice.
func (m *Image) planTrim(size int64) (*trim, error) {
	h := m.header.Load()
	t := &trim{
		end: roundUp(size, h.ClusterSize), keep: max(h.dataStart(), h.L1TableOffset+h.tableBytes()),
		tables: newBitmap(m.end.Load() >> m.geo.clusterBits),
	}
	t.claim(h, h.L1TableOffset)
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
			if !m.validTable(e) || !t.claim(h, int64(e)) {
				return nil, nil
			}
			ok, err := m.planTable(t, l2, deadTable{index: p.first + i, off: int64(e)})
			if !ok || err != nil {
				return nil, err
			}
		}
	}
	t.settle(h)
	return t, nil
}

// claim notes the clusters of a table. It reports whether they are known to be
// no other's.
func (t *trim) claim(h *Header, off int64) bool {
	for i := range h.TableSize {
		if fresh, err := t.tables.set(off/h.ClusterSize + i); !fresh || err != nil {
			return false
		}
	}
	return true
}

// planTable adds one L2 table to the plan; it returns false for a corrupt one.
func (m *Image) planTable(t *trim, walker *tableWalker, d deadTable) (bool, error) {
	h := m.header.Load()
	start, reachable := m.tableStart(d.index)
	d.whole = reachable && start >= t.end
	d.lower = m.end.Load()
	dead := d.whole
	for p, err := range walker.pieces(d.off) {
		if err != nil {
			return false, err
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
			case !m.validCluster(e):
				return false, nil
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
	return true, nil
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
