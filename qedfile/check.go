package qedfile

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"math"
	"math/bits"

	"github.com/qedfs/qedfs/backend"
)

// FindingKind says how bad a finding is.
type FindingKind uint8

const (
	// Corruption is a table entry that is invalid, or that refers to a
	// cluster which another entry owns.
	Corruption FindingKind = iota + 1
	// Leak is a run of clusters that nothing refers to. They waste space.
	Leak
	// CheckFailure is a table that could not be read.
	CheckFailure
)

func (k FindingKind) String() string {
	switch k {
	case Corruption:
		return "corruption"
	case Leak:
		return "leak"
	case CheckFailure:
		return "check error"
	}
	return "unknown"
}

// Finding is one thing that a check found.
type Finding struct {
	Kind     FindingKind
	Level    int    // of the table that holds the entry: 1 or 2; 0 for a leak
	Table    int64  // offset of that table in the file, in bytes; -1 for a leak
	Index    int64  // entry of that table; -1 for a leak or a whole table
	Entry    uint64 // value found there
	Start    int64  // first byte of the disk that the entry maps; -1 when there is none
	Offset   int64  // where in the file: of the cluster or table, in bytes
	Clusters int64  // that are concerned, from Offset on
	Why      string
	Err      error // the cause of a CheckFailure
}

// CheckReport counts what a check found. The counts of corruptions, leaks and
// fragmented clusters are qemu-img's by definition; qemu 7.2 itself reports a
// leak too many for each (cluster size - 1) clusters of the file.
type CheckReport struct {
	Corruptions int64 // references that are invalid or not the only one to their cluster
	Leaks       int64 // clusters without a reference; not counted when CheckErrors > 0
	CheckErrors int64 // tables that could not be read

	CorruptionsFixed int64 // by the repair, or that a dry run would fix
	LeaksFixed       int64

	TotalClusters      int64 // of the disk
	AllocatedClusters  int64 // entries of L2 tables that refer to a cluster
	FragmentedClusters int64 // of these, that do not follow their predecessor in the file
	ZeroClusters       int64 // entries that are zero markers
	ImageEnd           int64 // end of the last cluster in use, in bytes of the file
	Dirty              bool  // the image was not closed properly
}

// Clean reports whether nothing is wrong but, perhaps, leaks.
func (r *CheckReport) Clean() bool { return r.Corruptions == 0 && r.CheckErrors == 0 }

// CheckOptions says what Check does. The zero value only looks.
type CheckOptions struct {
	// Repair changes the image; it must be opened for writing.
	Repair RepairMode
	// DryRun has Repair count what it would fix and change nothing.
	DryRun bool
	// MaxGrowth is how many bytes of copies a repair may make of what
	// several entries refer to, so that a hostile image cannot fill a disk.
	// 0 means as many as the file has; more fail with [ErrNeedsRepair].
	MaxGrowth int64
	// Found is called for each finding of the check that comes before a
	// repair. An error from it ends the check and is returned.
	Found func(Finding) error
	// Progress is called now and then with the entries of the L1 table
	// that are done and their number.
	Progress func(done, total int64)
}

// A checker visits every entry of an image's tables in their order, which
// decides who owns a cluster that two entries refer to: the first.
type checker struct {
	h       *Header
	opts    CheckOptions
	l1, l2  *tableWalker
	used    *bitmap
	start   uint64 // first byte after the header area
	usable  int64
	shift   int   // log2 of the cluster size
	ahead   int64 // bytes of tables that may yet be read ahead
	buffers buffers
	report  CheckReport
}

// checkTables checks the image with header h in r. It changes nothing and
// needs one bit of memory for each cluster of the file.
func checkTables(ctx context.Context, r backend.Reader, h *Header, opts *CheckOptions) (*CheckReport, error) {
	c, err := newChecker(r, h, opts)
	if err != nil {
		return nil, err
	}
	if err := c.run(ctx); err != nil {
		return nil, err
	}
	return &c.report, nil
}

func newChecker(r backend.Reader, h *Header, opts *CheckOptions) (*checker, error) {
	size, err := r.Size()
	if err != nil {
		return nil, err
	}
	c := &checker{
		h: h, start: uint64(h.dataStart()), usable: h.usableSize(size),
		l1: newTableWalker(r, h), l2: newTableWalker(r, h),
		shift: bits.TrailingZeros64(uint64(h.ClusterSize)),
	}
	if opts != nil {
		c.opts = *opts
	}
	c.ahead = c.usable
	c.used = newBitmap(c.usable >> c.shift)
	c.report.TotalClusters = h.ImageSize >> c.shift
	if h.ImageSize&(h.ClusterSize-1) != 0 {
		c.report.TotalClusters++
	}
	c.report.Dirty = h.NeedCheck()
	return c, nil
}

func (c *checker) run(ctx context.Context) error {
	if _, err := c.claim(c.h.L1TableOffset, c.h.TableSize); err != nil {
		return err
	}
	for p, err := range c.l1.pieces(c.h.L1TableOffset) {
		if err != nil {
			return c.tableFailed(Finding{Level: 1, Table: c.h.L1TableOffset}, err)
		}
		check := func(b *tableBatch) error { return c.checkBatch(ctx, b) }
		if err := inOrder(ctx, checkWorkers, c.batches(p), stages[*tableBatch]{before: c.load, inTurn: check}); err != nil {
			return err
		}
		c.progress(p.first + p.len())
	}
	c.progress(c.h.entries()) // what comes after the last piece is not stored
	c.report.ImageEnd = c.used.end() << c.shift
	if c.report.CheckErrors > 0 {
		return nil
	}
	return c.leaks()
}

func (c *checker) progress(done int64) {
	if c.opts.Progress != nil {
		c.opts.Progress(done, c.h.entries())
	}
}

func (c *checker) checkBatch(ctx context.Context, b *tableBatch) error {
	for i := range b.tables {
		if err := c.l1Entry(ctx, &b.tables[i]); err != nil {
			return err
		}
	}
	if b.buf != nil {
		c.buffers.put(b.buf)
	}
	return nil
}

func (c *checker) l1Entry(ctx context.Context, t *loadedTable) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	index, e := t.index, t.entry
	f := Finding{Kind: Corruption, Level: 1, Table: c.h.L1TableOffset, Index: index, Entry: e,
		Start: c.h.diskOffset(index, 0), Clusters: c.h.TableSize}
	if f.Why = c.h.checkTable(e, c.usable); f.Why != "" {
		return c.corrupt(f, 1)
	}
	f.Offset = int64(e)
	taken, err := c.claim(f.Offset, c.h.TableSize)
	if err != nil {
		return err
	}
	if taken > 0 {
		// Like qemu: the entries of a table that shares clusters are
		// not followed.
		f.Why = "clusters of the table are in use elsewhere"
		return c.corrupt(f, taken)
	}
	last := uint64(0)
	for p, err := range c.piecesOf(t) {
		if err != nil {
			return c.tableFailed(Finding{Level: 2, Table: f.Offset, Start: f.Start}, err)
		}
		if err := c.l2Entries(p, &last, f.Offset, index); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// l2Entries checks a piece of the L2 table at table. last is the entry before
// the piece that refers to a cluster, or 0.
func (c *checker) l2Entries(p tablePiece, last *uint64, table, l1Index int64) error {
	cluster := uint64(c.h.ClusterSize)
	start, length, shift := c.start, uint64(c.usable)-c.start, c.shift // the L1 table lies between: length > 0
	for i := int64(0); i < p.len(); {
		e := p.entry(i)
		if e <= entryZero {
			c.report.ZeroClusters += int64(e)
			i++
			continue
		}
		if *last != 0 && *last+cluster != e {
			c.report.FragmentedClusters++
		}
		// Clusters that nobody owns yet are the usual case: a run of them is
		// taken at once, a single one without a call.
		n := p.run(i, cluster)
		*last = e + uint64(n-1)*cluster
		c.report.AllocatedClusters += n
		taken := false
		switch {
		case e&(cluster-1) != 0 || e-start >= length:
		case n == 1 && c.used.dense != nil:
			taken = c.used.setDense(e >> shift)
		case uint64(n) <= (start+length-e)>>shift:
			taken = c.used.setRun(int64(e>>shift), n)
		}
		if taken {
			i += n
			continue
		}
		for end := i + n; i < end; i++ {
			if err := c.l2Entry(p, i, table, l1Index); err != nil {
				return err
			}
		}
	}
	return nil
}

// l2Entry checks one entry of an L2 table that could not simply be taken.
func (c *checker) l2Entry(p tablePiece, i, table, l1Index int64) error {
	e := p.entry(i)
	why := c.h.checkCluster(e, c.usable)
	if why == "" {
		taken, err := c.claim(int64(e), 1)
		if err != nil || taken == 0 {
			return err
		}
		why = "the cluster is in use elsewhere"
	}
	return c.corrupt(Finding{Kind: Corruption, Level: 2, Table: table, Index: p.first + i, Entry: e,
		Start: c.h.diskOffset(l1Index, p.first+i), Offset: int64(e), Clusters: 1, Why: why}, 1)
}

// claim marks the n clusters from off as used and returns how many of them
// were so already.
func (c *checker) claim(off, n int64) (taken int64, err error) {
	first := off >> c.shift
	for i := first; i < first+n; i++ {
		fresh, err := c.used.set(i)
		if err != nil {
			return 0, err
		}
		if !fresh {
			taken++
		}
	}
	return taken, nil
}

// leaks reports the runs of clusters that nothing has claimed.
func (c *checker) leaks() error {
	for i := c.used.nextClear(c.h.HeaderSize); i < c.used.n; i = c.used.nextClear(i) {
		end := c.used.nextSet(i)
		c.report.Leaks += end - i
		err := c.found(Finding{Kind: Leak, Table: -1, Index: -1, Start: -1,
			Offset: i << c.shift, Clusters: end - i, Why: "nothing refers to it"})
		if err != nil {
			return err
		}
		i = end
	}
	return nil
}

func (c *checker) corrupt(f Finding, n int64) error {
	c.report.Corruptions += n
	return c.found(f)
}

// tableFailed notes a table that could not be read.
func (c *checker) tableFailed(f Finding, err error) error {
	c.report.CheckErrors++
	f.Kind, f.Index, f.Offset, f.Clusters = CheckFailure, -1, f.Table, c.h.TableSize
	f.Why, f.Err = "the table cannot be read", err
	return c.found(f)
}

func (c *checker) found(f Finding) error {
	if c.opts.Found == nil {
		return nil
	}
	return c.opts.Found(f)
}

// Check looks at every table entry of the image: whether it is valid, whether
// it is the only one that refers to its clusters, and whether anything refers
// to every cluster of the file. It needs one bit of memory for each of them,
// and keeps writers waiting. The backing file is not looked at.
//
// With [CheckOptions.Repair] it mends what it finds, and the report is that of
// a second check. Nothing else may use the image meanwhile; see [RepairMode].
// The errors are then also [ErrReadOnly] and [ErrNeedsRepair].
func (m *Image) Check(ctx context.Context, opts *CheckOptions) (*CheckReport, error) {
	if opts == nil {
		opts = &CheckOptions{}
	}
	if m.closed.Load() {
		return nil, fs.ErrClosed
	}
	if m.w == nil {
		if opts.Repair != RepairNone && !opts.DryRun {
			return nil, ErrReadOnly
		}
		return m.look(ctx, opts)
	}
	w := &m.write
	w.cut.Lock()
	defer w.cut.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := m.settleFile(); err != nil {
		return nil, err
	}
	if opts.Repair == RepairNone || opts.DryRun {
		return m.look(ctx, opts)
	}
	return m.repair(ctx, opts)
}

// look is Check without any change.
func (m *Image) look(ctx context.Context, opts *CheckOptions) (*CheckReport, error) {
	if opts.Repair == RepairNone {
		return checkTables(ctx, m.r, m.header.Load(), opts)
	}
	return dryRun(ctx, m.r, m.header.Load(), opts)
}

// Findings is Check for a caller who wants the findings one by one and not
// their number. It changes nothing.
func (m *Image) Findings(ctx context.Context) iter.Seq2[Finding, error] {
	return func(yield func(Finding, error) bool) {
		errStop := errors.New("no more findings are wanted")
		_, err := m.Check(ctx, &CheckOptions{Found: func(f Finding) error {
			if !yield(f, nil) {
				return errStop
			}
			return nil
		}})
		if err != nil && !errors.Is(err, errStop) {
			yield(Finding{}, err)
		}
	}
}

// diskOffset is the first byte of the disk that an entry maps, or -1 where
// that is beyond 63 bits, as it can be in a table larger than any disk.
func (h *Header) diskOffset(l1Index, l2Index int64) int64 {
	entries := h.entries()
	hi, cluster := bits.Mul64(uint64(l1Index), uint64(entries))
	if hi != 0 || cluster > math.MaxInt64-uint64(entries) {
		return -1
	}
	hi, pos := bits.Mul64(cluster+uint64(l2Index), uint64(h.ClusterSize))
	if hi != 0 || pos > math.MaxInt64 {
		return -1
	}
	return int64(pos)
}
