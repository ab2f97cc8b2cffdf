package qedfile

import "slices"

// reclaim gives the unused clusters of a consistent image back and returns the
// report of the check that follows. An image with corruptions stays as it is.
//
// Clusters at the end are cut off. Holes in the middle are filled with the
// clusters from the end, so that as few as possible move. A table that needs
// several clusters in a row gets a hole that is wide enough, or one that is
// made so. Holes remain where that would take very many moves, and before an
// L1 table that is the last thing in the file, as no known program puts it:
// the L1 table does not move.
func (r *repairer) reclaim() (*CheckReport, error) {
	before, used, err := r.recheck()
	if err != nil || !before.Clean() || before.Leaks == 0 {
		return before, err
	}
	p := &packer{repairer: r, used: used, tables: newBitmap(used.n), target: r.h.HeaderSize + used.count}
	if err := p.pack(); err != nil {
		return nil, err
	}
	if err := r.s.Truncate(p.used.end() << r.shift); err != nil {
		return nil, err
	}
	if err := r.s.Sync(); err != nil {
		return nil, err
	}
	after, _, err := r.recheck()
	if err != nil {
		return nil, err
	}
	after.LeaksFixed = before.Leaks - after.Leaks
	return after, nil
}

// recheck checks the image as it is now, and returns the clusters in use.
func (r *repairer) recheck() (*CheckReport, *bitmap, error) {
	c, err := newChecker(r.r, r.h, nil)
	if err != nil {
		return nil, nil, err
	}
	if err := c.run(r.ctx); err != nil {
		return nil, nil, err
	}
	return &c.report, c.used, nil
}

// A packer moves clusters of a consistent image towards the start of the file
// until none in use lies beyond target.
type packer struct {
	*repairer
	used   *bitmap
	tables *bitmap // clusters of tables, which move only as a whole
	target int64   // clusters: the shortest file
	hole   int64   // no cluster before it is free

	// sliding is set once a table has moved to make a place wider: a place
	// that is free would be the one that it has left.
	sliding bool
}

// packBatch is how many clusters move between two syncs.
const packBatch = 16 << 10

func (p *packer) pack() error {
	if p.used.nextSet(p.target) >= p.used.n {
		return nil
	}
	if err := p.packTables(); err != nil {
		return err
	}
	for {
		late, err := p.collect(func(c int64) bool { return c >= p.target })
		if err != nil || len(late) == 0 {
			return err
		}
		moved, err := p.moveData(late, p.nextHole)
		if err != nil || !moved {
			return err
		}
	}
}

// packTables moves the L2 tables that end beyond the target.
func (p *packer) packTables() error {
	if err := mark(p.tables, p.h.L1TableOffset>>p.shift, p.h.TableSize); err != nil {
		return err
	}
	err := p.eachTable(func(e tableEntry) error { return mark(p.tables, int64(e.value>>p.shift), p.h.TableSize) })
	if err != nil {
		return err
	}
	for slides := 0; ; {
		late, err := p.lateTables()
		if err != nil || len(late) == 0 {
			return err
		}
		moved := false
		for _, e := range late {
			ok, err := p.packTable(e)
			if err != nil {
				return err
			}
			moved = moved || ok
		}
		if moved {
			continue
		}
		if slides++; slides > maxSlides {
			return nil
		}
		if moved, err = p.slideTable(); err != nil || !moved {
			return err
		}
	}
}

// lateTables returns the L1 entries of tables that end beyond the target: as
// many as one batch takes.
func (p *packer) lateTables() ([]tableEntry, error) {
	var late []tableEntry
	err := p.eachTable(func(e tableEntry) error {
		if int64(e.value>>p.shift)+p.h.TableSize > p.target && len(late) < packBatch {
			late = append(late, e)
		}
		return nil
	})
	return late, err
}

// maxSlides bounds what is done for tables that stand so close that no place
// between them takes another: the few clusters that could be gained are not
// worth moving thousands of tables.
const maxSlides = 64

// slideTable makes a place below the target wider that is too narrow for a
// table, by moving the table that ends it to the end of the file. From there
// it comes back.
func (p *packer) slideTable() (moved bool, err error) {
	last := tableEntry{index: -1}
	err = p.eachTable(func(e tableEntry) error {
		first := int64(e.value >> p.shift)
		if e.value > last.value && first < p.target && first > p.h.HeaderSize && !p.tables.has(first-1) {
			last = e
		}
		return nil
	})
	if err != nil || last.index < 0 {
		return false, err
	}
	p.sliding = true
	p.end += p.h.TableSize
	p.grow()
	return true, p.moveTable(last, p.end-p.h.TableSize)
}

func (p *packer) grow() {
	p.used.grow(p.end)
	p.tables.grow(p.end)
}

// packTable moves one table, if there is any place for it.
func (p *packer) packTable(e tableEntry) (moved bool, err error) {
	to := p.window(p.used)
	if to < 0 || p.sliding {
		if to = p.window(p.tables); to < 0 {
			return false, nil
		}
		if err := p.evict(to); err != nil {
			return false, err
		}
	}
	return true, p.moveTable(e, to)
}

// moveTable moves the table of an L1 entry to a place that is free.
func (p *packer) moveTable(e tableEntry, to int64) error {
	from := int64(e.value >> p.shift)
	if err := p.copyClusters(to<<p.shift, from<<p.shift, p.h.TableSize); err != nil {
		return err
	}
	if err := p.relink([]tableEntry{{e.table, e.index, uint64(to << p.shift)}}); err != nil {
		return err
	}
	for i := range p.h.TableSize {
		for _, m := range []*bitmap{p.used, p.tables} {
			m.clear(from + i)
			if _, err := m.set(to + i); err != nil {
				return err
			}
		}
	}
	return nil
}

// window returns the first cluster of a place below the target that is wide
// enough for a table and has no cluster in taken, or -1.
func (p *packer) window(taken *bitmap) int64 {
	for c := p.h.HeaderSize; ; {
		c = taken.nextClear(c)
		if c+p.h.TableSize > p.target {
			return -1
		}
		end := taken.nextSet(c)
		if end-c >= p.h.TableSize {
			return c
		}
		c = end
	}
}

// evict moves the data out of the place for a table: into other holes, or to
// the end of the file, from where it comes back later.
func (p *packer) evict(window int64) error {
	inside := func(c int64) bool { return c >= window && c < window+p.h.TableSize }
	data, err := p.collect(inside)
	if err != nil {
		return err
	}
	hole := p.h.HeaderSize
	_, err = p.moveData(data, func() int64 {
		for hole = p.used.nextClear(hole); inside(hole); hole = p.used.nextClear(hole) {
			hole = window + p.h.TableSize
		}
		if hole >= p.end {
			p.end = hole + 1
			p.grow()
		}
		return hole
	})
	return err
}

// nextHole returns the first free cluster below the target, or -1.
func (p *packer) nextHole() int64 {
	p.hole = p.used.nextClear(max(p.hole, p.h.HeaderSize))
	if p.hole >= p.target {
		return -1
	}
	return p.hole
}

// collect returns entries of L2 tables that refer to clusters which want
// chooses: as many as one batch takes.
func (p *packer) collect(want func(cluster int64) bool) ([]tableEntry, error) {
	var chosen []tableEntry
	err := p.eachTable(func(l1 tableEntry) error {
		if len(chosen) >= packBatch {
			return nil
		}
		return p.eachEntry(l1, func(e tableEntry) error {
			if len(chosen) < packBatch && want(int64(e.value>>p.shift)) {
				chosen = append(chosen, e)
			}
			return nil
		})
	})
	return chosen, err
}

// moveData moves the clusters of entries, which are in the order of the
// tables, to where place says: copies first, a sync, then the entries, a sync.
// It reports whether any moved. place returns -1 when there is no room.
func (p *packer) moveData(entries []tableEntry, place func() int64) (bool, error) {
	var old, changed []tableEntry
	for _, e := range entries {
		to := place()
		if to < 0 {
			break
		}
		if err := p.copyClusters(to<<p.shift, int64(e.value), 1); err != nil {
			return false, err
		}
		if _, err := p.used.set(to); err != nil {
			return false, err
		}
		old = append(old, e)
		changed = append(changed, tableEntry{e.table, e.index, uint64(to << p.shift)})
	}
	if err := p.relink(changed); err != nil {
		return false, err
	}
	for _, e := range old {
		p.used.clear(int64(e.value >> p.shift))
	}
	return len(changed) > 0, nil
}

// relink writes new values of entries of several tables, those of each in a row
// and in their order.
func (p *packer) relink(entries []tableEntry) error {
	for len(entries) > 0 {
		w := entryWriter{table: entries[0].table}
		n := 0
		for n < len(entries) && entries[n].table == w.table {
			n++
		}
		w.pending = slices.Clone(entries[:n])
		if err := w.flush(p.repairer); err != nil {
			return err
		}
		entries = entries[n:]
	}
	return p.s.Sync()
}
