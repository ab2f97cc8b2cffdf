package qedfile

import (
	"context"
	"errors"
	"fmt"
	"math/bits"

	"github.com/qedfs/qedfs/backend"
)

// RepairMode says what a check may change.
type RepairMode uint8

const (
	// RepairNone changes nothing.
	RepairNone RepairMode = iota
	// RepairLeaks gives the space of unused clusters back. It leaves an
	// image alone that has corruptions: what seems unused there may belong
	// to a table that cannot be trusted.
	RepairLeaks
	// RepairAll also mends corruptions: an entry that is invalid becomes
	// unallocated, and of a cluster with several owners each gets a copy.
	RepairAll
)

// repair is Check with a repair, with the locks held and nothing unwritten.
func (m *Image) repair(ctx context.Context, opts *CheckOptions) (*CheckReport, error) {
	report, h, err := repairTables(ctx, m.w, m.header.Load(), opts)
	m.header.Store(h)
	if reloadErr := m.reload(); err == nil {
		err = reloadErr
	}
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, ErrNeedsRepair) {
			_ = m.fail("repair", err)
		}
		return nil, err
	}
	m.knownCorrupt.Store(!report.Clean())
	m.write.wasDirty = h.NeedCheck()
	return report, nil
}

// settleFile writes everything that is only in memory.
func (m *Image) settleFile() error {
	if err := m.checkWritable(); err != nil {
		return err
	}
	return m.flushTables()
}

// reload forgets what is known of the tables and of the end of the file.
func (m *Image) reload() error {
	size, err := m.r.Size()
	if err != nil {
		return err
	}
	m.present.Store(size)
	m.end.Store(m.header.Load().usableSize(size))
	m.openedEnd = m.end.Load()
	m.write.free, m.write.prepared = nil, false
	m.cache.drop()
	return nil
}

// repairTables checks the image with header h in s, repairs it as opts say and
// checks it again. It returns the header as it is then.
//
// A crash at any moment leaves an image that opens, in which nothing is lost
// that was valid before, and which can be repaired again: no cluster is
// overwritten that anything refers to, and an entry changes only after a sync
// of what its new value refers to. NEED_CHECK is cleared last, if no
// corruption remains.
func repairTables(ctx context.Context, s backend.Storage, h *Header, opts *CheckOptions) (*CheckReport, *Header, error) {
	before, err := checkTables(ctx, s, h, opts)
	if err != nil {
		return nil, h, err
	}
	r, err := newRepairer(ctx, s, h)
	if err != nil {
		return nil, h, err
	}
	r.s = s
	if before.mendable(opts) {
		if err := r.mend(opts); err != nil {
			return nil, h, failed("repair", err)
		}
	}
	after, err := r.reclaim()
	if err != nil {
		return nil, h, failed("repair", err)
	}
	if after.Clean() && h.NeedCheck() {
		clean := *h
		clean.Features &^= FeatureNeedCheck
		if err := writeHeader(s, &clean); err != nil {
			return nil, h, failed("repair", err)
		}
		h, after.Dirty = &clean, false
	}
	after.CorruptionsFixed = r.fixed
	return after, h, nil
}

// dryRun checks the image with header h in s and counts what repairTables
// would fix.
func dryRun(ctx context.Context, s backend.Reader, h *Header, opts *CheckOptions) (*CheckReport, error) {
	if err := h.checkChangeable(); err != nil {
		return nil, err
	}
	report, err := checkTables(ctx, s, h, opts)
	if err != nil {
		return nil, err
	}
	r, err := newRepairer(ctx, s, h)
	if err != nil {
		return nil, err
	}
	if report.mendable(opts) {
		if _, err := r.survey(opts); err != nil {
			return nil, failed("repair", err)
		}
	}
	report.CorruptionsFixed = r.fixed
	if report.Clean() || r.fixed > 0 {
		report.LeaksFixed = report.Leaks
	}
	return report, nil
}

// mendable reports whether there are corruptions that a repair shall mend.
func (r *CheckReport) mendable(opts *CheckOptions) bool {
	return opts.Repair == RepairAll && r.Corruptions > 0 && r.CheckErrors == 0
}

// writeHeader replaces the defined bytes of the header, which lie in one
// sector, between two syncs.
func writeHeader(s backend.Storage, h *Header) error {
	if err := s.Sync(); err != nil {
		return err
	}
	b := h.encode()
	if _, err := s.WriteAt(b[:], 0); err != nil {
		return err
	}
	return s.Sync()
}

// A repairer changes the tables of an image that nobody else uses meanwhile.
type repairer struct {
	ctx    context.Context
	h      *Header
	r      backend.Reader
	s      backend.Storage // the same, nil in a dry run
	usable int64           // of the file as it was: an entry beyond is invalid, even when the file has grown
	end    int64           // clusters of the file now
	shift  int
	buf    []byte
	fixed  int64 // corruptions
}

func newRepairer(ctx context.Context, s backend.Reader, h *Header) (*repairer, error) {
	size, err := s.Size()
	if err != nil {
		return nil, err
	}
	r := &repairer{ctx: ctx, h: h, r: s, usable: h.usableSize(size), shift: bits.TrailingZeros64(uint64(h.ClusterSize))}
	r.end = r.usable >> r.shift
	return r, nil
}

// mend removes every corruption. Its order matters: the entries that refer to
// clusters past the end of the file go before the file grows by the first
// copy, and tables are separated from each other, and from data, before any
// cluster of data is. A table that shares clusters is never changed where it
// lies: perhaps it is data of the guest.
func (r *repairer) mend(opts *CheckOptions) error {
	shared, err := r.survey(opts)
	if err != nil {
		return err
	}
	if err := r.clearInvalid(shared); err != nil {
		return err
	}
	if shared.count == 0 {
		return nil
	}
	if err := r.separateTables(shared); err != nil {
		return err
	}
	return r.separateData()
}

// growthLimit is how many bytes of copies a repair may make.
func (o *CheckOptions) growthLimit(fileSize int64) int64 {
	if o.MaxGrowth == 0 {
		return fileSize
	}
	return o.MaxGrowth
}

// survey counts what is to be fixed, and returns the clusters that more than
// one entry refers to. It fails as soon as copies of them would take more room
// than allowed: then it may be a table that very many entries refer to.
func (r *repairer) survey(opts *CheckOptions) (shared *bitmap, err error) {
	used, limit := newBitmap(r.end), opts.growthLimit(r.usable)
	shared = newBitmap(r.end)
	var copies, tables int64 // clusters to be copied: of data, of tables that share with one before them
	if _, err := r.claim(used, shared, r.h.L1TableOffset, r.h.TableSize); err != nil {
		return nil, err
	}
	err = r.eachTable(func(l1 tableEntry) error {
		if r.h.checkTable(l1.value, r.usable) != "" {
			r.fixed++
			return nil
		}
		taken, err := r.claim(used, shared, int64(l1.value), r.h.TableSize)
		if err != nil {
			return err
		}
		if taken > 0 {
			tables += r.h.TableSize
		}
		err = r.eachEntry(l1, func(l2 tableEntry) error {
			if r.h.checkCluster(l2.value, r.usable) != "" {
				r.fixed++
				return nil
			}
			taken, err := r.claim(used, shared, int64(l2.value), 1)
			copies += taken
			return err
		})
		if err != nil {
			return err
		}
		return r.affordable(copies+tables, limit)
	})
	if err != nil {
		return nil, err
	}
	err = r.eachTable(func(l1 tableEntry) error {
		if r.h.checkTable(l1.value, r.usable) == "" && r.overlaps(shared, int64(l1.value)) {
			copies += r.h.TableSize
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return shared, r.affordable(copies, limit)
}

// affordable fails if copies of so many clusters take more than limit bytes.
func (r *repairer) affordable(copies, limit int64) error {
	if copies <= limit>>r.shift {
		return nil
	}
	return fmt.Errorf("%w: copies of what several entries refer to would take more than %d bytes", ErrNeedsRepair, limit)
}

// claim marks n clusters as used, and as shared those that were used already.
// It returns the number of shared ones, which all need a repair.
func (r *repairer) claim(used, shared *bitmap, off, n int64) (taken int64, err error) {
	for c := off >> r.shift; n > 0; c, n = c+1, n-1 {
		fresh, err := used.set(c)
		if err != nil {
			return 0, err
		}
		if !fresh {
			if _, err := shared.set(c); err != nil {
				return 0, err
			}
			taken++
		}
	}
	r.fixed += taken
	return taken, nil
}

// A tableEntry is an entry of a table that refers to something.
type tableEntry struct {
	table int64 // offset of the table that holds it
	index int64
	value uint64
}

// eachTable calls fn for every entry of the L1 table.
func (r *repairer) eachTable(fn func(tableEntry) error) error {
	return r.entries(r.h.L1TableOffset, entryUnallocated, fn)
}

// eachEntry calls fn for every entry of an L2 table that is not unallocated or
// a zero marker.
func (r *repairer) eachEntry(l1 tableEntry, fn func(tableEntry) error) error {
	return r.entries(int64(l1.value), entryZero, fn)
}

func (r *repairer) entries(table int64, skip uint64, fn func(tableEntry) error) error {
	for p, err := range newTableWalker(r.r, r.h).pieces(table) {
		if err == nil {
			err = r.ctx.Err()
		}
		if err != nil {
			return err
		}
		for i := range p.len() {
			if e := p.entry(i); e > skip {
				if err := fn(tableEntry{table, p.first + i, e}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// clearInvalid makes invalid entries unallocated in all tables that share no
// cluster with anything. The others wait until they do not either.
func (r *repairer) clearInvalid(shared *bitmap) error {
	var l1 entryWriter
	l1Shared := r.overlaps(shared, r.h.L1TableOffset)
	err := r.eachTable(func(e tableEntry) error {
		if r.h.checkTable(e.value, r.usable) != "" {
			if l1Shared {
				return nil
			}
			return l1.set(r, e, entryUnallocated)
		}
		if r.overlaps(shared, int64(e.value)) {
			return nil
		}
		var l2 entryWriter
		err := r.eachEntry(e, func(e tableEntry) error {
			if r.h.checkCluster(e.value, r.usable) != "" {
				return l2.set(r, e, entryUnallocated)
			}
			return nil
		})
		if err != nil {
			return err
		}
		return l2.flush(r)
	})
	if err != nil {
		return err
	}
	if err := l1.flush(r); err != nil {
		return err
	}
	return r.s.Sync()
}

// overlaps reports whether a table at off has a cluster in set.
func (r *repairer) overlaps(set *bitmap, off int64) bool {
	first := off >> r.shift
	return set.nextSet(first) < first+r.h.TableSize
}

// separateTables gives every L2 table that shares a cluster a place of its
// own. Where it lay, the clusters are left to the data that they may be.
func (r *repairer) separateTables(shared *bitmap) error {
	var l1 entryWriter
	err := r.eachTable(func(e tableEntry) error {
		if r.h.checkTable(e.value, r.usable) != "" {
			return l1.set(r, e, entryUnallocated)
		}
		if !r.overlaps(shared, int64(e.value)) {
			return nil
		}
		moved, err := r.append(int64(e.value), r.h.TableSize)
		if err != nil {
			return err
		}
		return l1.set(r, e, uint64(moved))
	})
	if err != nil {
		return err
	}
	if err := l1.flush(r); err != nil {
		return err
	}
	return r.s.Sync()
}

// separateData gives every L2 entry a cluster of its own: the first of the
// owners keeps it. The tables are separate already.
func (r *repairer) separateData() error {
	used := newBitmap(r.end)
	if err := mark(used, r.h.L1TableOffset>>r.shift, r.h.TableSize); err != nil {
		return err
	}
	err := r.eachTable(func(e tableEntry) error { return mark(used, int64(e.value>>r.shift), r.h.TableSize) })
	if err != nil {
		return err
	}
	err = r.eachTable(func(e tableEntry) error {
		var l2 entryWriter
		err := r.eachEntry(e, func(e tableEntry) error { return r.separateEntry(&l2, used, e) })
		if err != nil {
			return err
		}
		return l2.flush(r)
	})
	if err != nil {
		return err
	}
	return r.s.Sync()
}

// mark sets n bits from i on.
func mark(m *bitmap, i, n int64) error {
	for ; n > 0; i, n = i+1, n-1 {
		if _, err := m.set(i); err != nil {
			return err
		}
	}
	return nil
}

func (r *repairer) separateEntry(l2 *entryWriter, used *bitmap, e tableEntry) error {
	if r.h.checkCluster(e.value, r.usable) != "" {
		return l2.set(r, e, entryUnallocated)
	}
	fresh, err := used.set(int64(e.value >> r.shift))
	if err != nil || fresh {
		return err
	}
	own, err := r.append(int64(e.value), 1)
	if err != nil {
		return err
	}
	return l2.set(r, e, uint64(own))
}

// append copies n clusters to the end of the file and returns where they are.
func (r *repairer) append(from, n int64) (int64, error) {
	if r.end > (maxFileSize>>r.shift)-n {
		return 0, errorf("the file would be longer than %d bytes", int64(maxFileSize))
	}
	to := r.end << r.shift
	if err := r.copyClusters(to, from, n); err != nil {
		return 0, err
	}
	r.end += n
	return to, nil
}

// copyClusters copies n clusters inside the file.
func (r *repairer) copyClusters(to, from, n int64) error {
	if r.buf == nil {
		r.buf = make([]byte, min(copyPiece, r.h.tableBytes()))
	}
	for done := int64(0); done < n<<r.shift; {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		b := r.buf[:min(int64(len(r.buf)), n<<r.shift-done)]
		if err := readPadded(r.s, b, from+done); err != nil {
			return err
		}
		if _, err := r.s.WriteAt(b, to+done); err != nil {
			return err
		}
		done += int64(len(b))
	}
	return nil
}
