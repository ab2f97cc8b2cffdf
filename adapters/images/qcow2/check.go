package qcow2

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/qedfile"
)

var _ layer.Checker = (*Image)(nil)

// Bits that entries do not have (docs/interop/qcow2.txt).
const (
	reservedL1         = 0x7f000000000001ff
	reservedL2         = 0x3f000000000001fe // of a standard entry
	reservedRefcount   = 0x1ff              // of an entry of the refcount table
	reservedBitmapHost = 0xff000000000001fe
)

// maxChecked is how many clusters a file may have to be checked, as in QEMU.
const maxChecked = math.MaxInt32

// Check counts the references to all clusters of the file, compares them with
// the reference counts that it stores, and checks the entries of tables. Its
// counts are those of "qemu-img check", but for tables that are not at a multiple
// of the cluster size: those are a corruption, and what they hold is not looked
// at. The backing file and the data file are not needed. The time does not grow
// with how often a hostile image refers to one table.
//
// A part that cannot be read ends the check with an error.
func (m *Image) Check(ctx context.Context, opts *layer.CheckOptions) (*layer.CheckReport, error) {
	if err := m.Usable(); err != nil {
		return nil, err
	}
	h := m.header
	c := &checker{Image: m, ctx: ctx, Tally: layer.NewTally(opts), clusters: clustersOf(m.fileSize, h), stored: newStoredCounts(m), uses: make(map[int64]*tableUse)}
	if c.clusters > maxChecked {
		return nil, layer.Unsupported(format, "a check of a file of %d bytes in clusters of %d", m.fileSize, h.clusterSize())
	}
	c.TotalClusters = clustersOf(h.size, h)
	for _, step := range []func() error{c.l1Tables, c.l2Tables, c.bitmaps, c.refcountTable, c.compare} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return &c.CheckReport, c.Err(ctx)
}

func clustersOf(bytes int64, h *header) int64 {
	n := bytes >> h.clusterBits
	if bytes&(h.clusterSize()-1) != 0 {
		n++
	}
	return n
}

// A checker checks one image.
type checker struct {
	*Image
	*layer.Tally
	ctx      context.Context
	clusters int64      // of the file
	counted  references // that were found
	stored   storedCounts
	uses     map[int64]*tableUse // L2 tables by their place
	order    []int64             // their places, in the order in which they were found
	l1Bytes  int64               // of the L1 tables so far
	buf      [64 << 10]byte      // for a part of a table
}

// A tableUse is how often an L2 table is referred to.
type tableUse struct{ active, snapshots int64 }

// A source is what refers to a cluster.
type source struct {
	what  string
	entry int64 // of a table; -1 for the whole
}

func (s source) String() string {
	if s.entry < 0 {
		return s.what
	}
	return fmt.Sprintf("%s: entry %d", s.what, s.entry)
}

// refer counts n references to each cluster of a part of the file.
func (c *checker) refer(what source, offset, size, n int64) {
	if size <= 0 {
		return
	}
	cluster := c.header.clusterSize()
	// The last cluster of the file may be incomplete.
	if offset < 0 || size > math.MaxInt64-offset || offset+size-c.fileSize >= cluster {
		c.Add(qedfile.Corruption, n, "%v: %d bytes at %#x are past the end of the file of %d bytes", what, size, uint64(offset), c.fileSize)
		return
	}
	for i := offset / cluster; i <= (offset+size-1)/cluster; i++ {
		c.clusters = max(c.clusters, i+1)
		if over := c.counted.add(i, n, c.header.maxRefcount()); over > 0 {
			c.Add(qedfile.Corruption, over, "%v: cluster %d has more references than can be counted", what, i)
		}
	}
}

// maxRefcount is the largest reference count.
func (h *header) maxRefcount() uint64 {
	if h.refcountOrder >= 6 {
		return math.MaxUint64
	}
	return 1<<(1<<h.refcountOrder) - 1
}

// l1Tables refers to the header, the L1 tables and the L2 tables, which it
// collects.
func (c *checker) l1Tables() error {
	h := c.header
	c.refer(source{"the header", -1}, 0, h.clusterSize(), 1)
	if err := c.l1Table("the L1 table", h.l1Offset, h.l1Entries, true); err != nil {
		return err
	}
	list, err := c.readSnapshotsOf(&padded{c.r}) // as QEMU, which finds entries that are cut off incomplete
	if err != nil {
		return err
	}
	if h.hasDataFile() && len(list) > 0 {
		c.Add(qedfile.Corruption, 1, "there are %d snapshots, though data is in a file of its own", len(list))
	}
	bytes := int64(0)
	for _, s := range list {
		bytes += s.bytes
		if s.incomplete {
			c.Add(qedfile.Corruption, 1, "snapshot %q: its entry is incomplete", s.Name)
		}
		what := fmt.Sprintf("the L1 table of snapshot %q", s.Name)
		switch {
		case s.l1Offset&(h.clusterSize()-1) != 0:
			c.Add(qedfile.Corruption, 1, "%s is at %#x: not at a multiple of the cluster size", what, uint64(s.l1Offset))
		case s.l1Entries > maxL1Entries:
			c.Add(qedfile.Corruption, 1, "%s has %d entries", what, s.l1Entries)
		default:
			if err := c.l1Table(what, s.l1Offset, s.l1Entries, false); err != nil {
				return err
			}
		}
	}
	c.refer(source{"the table of snapshots", -1}, h.snapshotsOffset, bytes, 1)
	return nil
}

func (c *checker) l1Table(what string, at, entries int64, active bool) error {
	c.refer(source{what, -1}, at, entries*entrySize, 1)
	if c.l1Bytes += entries * entrySize; c.l1Bytes > c.fileSize+maxL1Entries*entrySize {
		return layer.Corrupt(format, "%s: all L1 tables together are larger than the file", what)
	}
	return c.entries(at, entries, func(i int64, e uint64) {
		if e == 0 {
			return
		}
		if e&reservedL1 != 0 {
			c.Add(qedfile.Corruption, 1, "%s: entry %d is %#x: reserved bits are set", what, i, e)
		}
		table := int64(e & offsetMask)
		c.refer(source{what, i}, table, c.header.clusterSize(), 1)
		if table&(c.header.clusterSize()-1) != 0 {
			c.Add(qedfile.Corruption, 1, "%s: entry %d is %#x: not at a multiple of the cluster size", what, i, e)
			return
		}
		if active && table != 0 {
			c.copied(source{what, i}, e, table, 1)
		}
		use := c.uses[table]
		if use == nil {
			use = new(tableUse)
			c.uses[table] = use
			c.order = append(c.order, table)
		}
		if active {
			use.active++
		} else {
			use.snapshots++
		}
	})
}

// entries calls f with the entries of a table. Past the end of the file they
// are zeroes.
func (c *checker) entries(at, n int64, f func(i int64, e uint64)) error {
	for i := int64(0); i < n && at+i*entrySize < c.fileSize; {
		if err := c.Err(c.ctx); err != nil {
			return err
		}
		part := c.buf[:min(int64(len(c.buf)), (n-i)*entrySize)]
		if _, err := (&padded{c.r}).ReadAt(part, at+i*entrySize); err != nil {
			return fmt.Errorf("qcow2: read the table at %#x: %w", at, err)
		}
		for ; len(part) > 0; part, i = part[entrySize:], i+1 {
			f(i, binary.BigEndian.Uint64(part))
		}
	}
	return nil
}

// copied checks the flag that says that there is one reference only.
func (c *checker) copied(what source, entry uint64, at, n int64) {
	count, err := c.stored.get(at >> c.header.clusterBits)
	if err == nil && (count == 1) != (entry&flagCopied != 0) {
		c.Add(qedfile.Corruption, n, "%v is %#x, and its cluster has %d references", what, entry, count)
	}
}

// bitmaps refers to the bitmaps.
func (c *checker) bitmaps() error {
	list, err := c.readBitmaps()
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return nil
	}
	x, cluster, bytes := c.header.bitmaps, c.header.clusterSize(), int64(0)
	c.refer(source{"the directory of bitmaps", -1}, int64(x.offset), int64(x.size), 1)
	for _, b := range list {
		what := fmt.Sprintf("bitmap %q", b.name)
		if b.table < 0 || b.table&(cluster-1) != 0 || b.entries > maxBitmapTable {
			c.Add(qedfile.CheckFailure, 1, "%s: a table of %d entries at %#x", what, b.entries, uint64(b.table))
			continue
		}
		c.refer(source{what, -1}, b.table, b.entries*entrySize, 1)
		if bytes += b.entries * entrySize; bytes > c.fileSize+cluster {
			return layer.Corrupt(format, "%s: all tables of bitmaps together are larger than the file", what)
		}
		err := c.entries(b.table, b.entries, func(i int64, e uint64) {
			if e&reservedBitmapHost != 0 || e&offsetMask&uint64(cluster-1) != 0 {
				c.Add(qedfile.Corruption, 1, "%s: entry %d is %#x", what, i, e)
			} else if at := int64(e & offsetMask); at != 0 {
				c.refer(source{what, i}, at, cluster, 1)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// errBlock is the error for counts that are in no block.
var errBlock = errors.New("its block of counts is not at a multiple of the cluster size")
