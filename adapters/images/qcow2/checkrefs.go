package qcow2

import (
	"fmt"
	"math"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/qedfile"
)

// references counts references to clusters. It takes memory for those clusters
// that have any, and their neighbours.
type references struct {
	pages map[int64]*[referencePage]uint32
}

const referencePage = 16 << 10

// add counts n references. It returns how many are more than most, which are
// not counted.
func (r *references) add(cluster, n int64, most uint64) (over int64) {
	if r.pages == nil {
		r.pages = make(map[int64]*[referencePage]uint32)
	}
	p := r.pages[cluster/referencePage]
	if p == nil {
		p = new([referencePage]uint32)
		r.pages[cluster/referencePage] = p
	}
	count := int64(p[cluster%referencePage]) + n
	limit := int64(min(most, math.MaxUint32))
	p[cluster%referencePage] = uint32(min(count, limit))
	return max(0, count-limit)
}

// get returns the references that were counted.
func (r *references) get(cluster int64) uint64 {
	if p := r.pages[cluster/referencePage]; p != nil {
		return uint64(p[cluster%referencePage])
	}
	return 0
}

// storedCounts reads the reference counts that an image stores.
type storedCounts struct {
	*Image
	perBlock int64
	entries  int64 // of the refcount table
}

func newStoredCounts(m *Image) storedCounts {
	h := m.header
	return storedCounts{m, h.clusterSize() * 8 >> h.refcountOrder, h.refcountClusters * h.clusterSize() / entrySize}
}

// word returns 8 bytes of the file as a number; past its end they are zeroes.
func (s *storedCounts) word(at int64) (uint64, error) {
	if at >= s.fileSize {
		return 0, nil
	}
	e, err := s.tables.Entries(at)
	if err != nil {
		return 0, fmt.Errorf("qcow2: read the reference counts at %#x: %w", at, err)
	}
	return e.At(0), nil
}

// place is where a block is by the refcount table, 0 for nowhere.
func (s *storedCounts) place(block int64) (int64, error) {
	if block >= s.entries {
		return 0, nil
	}
	e, err := s.word(s.header.refcounts + block*entrySize)
	if err != nil {
		return 0, err
	}
	at := int64(e &^ reservedRefcount)
	if at&(s.header.clusterSize()-1) != 0 {
		return 0, errBlock
	}
	return max(0, at), nil
}

// get returns the reference count of a cluster.
func (s *storedCounts) get(cluster int64) (uint64, error) {
	at, err := s.place(cluster / s.perBlock)
	if at == 0 || err != nil {
		return 0, err
	}
	width := int64(1) << s.header.refcountOrder
	bit := cluster % s.perBlock * width
	word, err := s.word(at + bit/64*8)
	if err != nil || width == 64 {
		return word, err
	}
	b := word >> (56 - bit%64/8*8) // the byte, or the last one
	if width >= 8 {
		b = word >> (64 - bit%64 - width)
	} else {
		b >>= bit % 8
	}
	return b & (1<<width - 1), nil
}

// refcountTable checks the refcount table, and refers to it and to its blocks.
func (c *checker) refcountTable() error {
	h := c.header
	if h.refcounts < 0 || h.refcounts&(h.clusterSize()-1) != 0 || h.refcountClusters*h.clusterSize() > maxRefcountTable {
		return layer.Invalid(format, "a refcount table of %d clusters at %#x", h.refcountClusters, uint64(h.refcounts))
	}
	c.refer(source{"the refcount table", -1}, h.refcounts, h.refcountClusters*h.clusterSize(), 1)
	return c.entriesOf(h.refcounts, c.stored.entries)
}

func (c *checker) entriesOf(at, n int64) error {
	h := c.header
	return c.entries(at, n, func(i int64, e uint64) {
		offset := int64(e &^ reservedRefcount)
		what := source{"the refcount table", i}
		switch cluster := int64(uint64(offset) >> h.clusterBits); {
		case e&reservedRefcount != 0:
			c.Add(qedfile.Corruption, 1, "%v is %#x: reserved bits are set", what, e)
		case offset&(h.clusterSize()-1) != 0:
			c.Add(qedfile.Corruption, 1, "%v is %#x: not at a multiple of the cluster size", what, e)
		case cluster >= c.clusters:
			c.Add(qedfile.Corruption, 1, "%v is %#x, past the end of the file", what, e)
		case offset != 0:
			c.refer(what, offset, h.clusterSize(), 1)
			if n := c.counted.get(cluster); n != 1 {
				c.Add(qedfile.Corruption, 1, "%v is %#x, a cluster with %d references", what, e, n)
			}
		}
	})
}

// compare compares the reference counts of all clusters.
func (c *checker) compare() error {
	highest, step := int64(0), c.stored.perBlock
	for first := int64(0); first < c.clusters; first += step {
		if err := c.Err(c.ctx); err != nil {
			return err
		}
		end := min(first+step, c.clusters)
		block, err := c.stored.place(first / step)
		if err != nil && err != errBlock {
			return err
		}
		if err != nil {
			c.Add(qedfile.CheckFailure, end-first, "clusters %d to %d: %w", first, end-1, err)
			continue
		}
		for i := first; i < end; i++ {
			if block == 0 && c.counted.pages[i/referencePage] == nil {
				i = min(end, (i/referencePage+1)*referencePage) - 1
				continue
			}
			stored, err := c.stored.get(i)
			if err != nil {
				return err
			}
			found := c.counted.get(i)
			if stored > 0 || found > 0 {
				highest = i
			}
			switch {
			case stored < found:
				c.Add(qedfile.Corruption, 1, "cluster %d, at %#x, has %d references, and %d by its count", i, i<<c.header.clusterBits, found, stored)
			case stored > found:
				c.Add(qedfile.Leak, 1, "cluster %d, at %#x, has %d references, and %d by its count", i, i<<c.header.clusterBits, found, stored)
			}
		}
	}
	c.ImageEnd = (highest + 1) << c.header.clusterBits
	return nil
}
