package qcow2

import (
	"encoding/binary"
	"fmt"

	"github.com/qedfs/qedfs/qedfile"
)

// l2Tables checks all L2 tables, and refers to the clusters of data. Each is
// read once, however often it is referred to.
func (c *checker) l2Tables() error {
	b := make([]byte, c.header.clusterSize())
	for _, at := range c.order {
		if err := c.Err(c.ctx); err != nil {
			return err
		}
		if at >= c.fileSize {
			continue // its place is a corruption, and what it holds zeroes
		}
		if _, err := (&padded{c.r}).ReadAt(b, at); err != nil {
			return fmt.Errorf("qcow2: read the L2 table at %#x: %w", at, err)
		}
		c.l2Table(b, at, c.uses[at])
	}
	return nil
}

func (c *checker) l2Table(b []byte, at int64, use *tableUse) {
	_, err := c.stored.get(at >> c.header.clusterBits)
	t := &l2Check{checker: c, what: fmt.Sprintf("the L2 table at %#x", at), flagsLeft: at == 0 || err != nil, active: use.active, n: use.active + use.snapshots}
	size := int64(1) << c.header.l2EntryBits()
	for i := int64(0); i<<c.header.l2EntryBits() < int64(len(b)); i++ {
		entry := b[i*size:]
		e, bitmap := binary.BigEndian.Uint64(entry), uint64(0)
		if size > entrySize {
			bitmap = binary.BigEndian.Uint64(entry[entrySize:])
		}
		if e != 0 || bitmap != 0 {
			t.entry(i, e, bitmap)
		}
	}
}

// An l2Check checks one L2 table.
type l2Check struct {
	*checker
	what      string
	flagsLeft bool  // as in QEMU: it is at 0, or its own reference count cannot be read
	active, n int64 // references from the L1 table, and from all of them
	next      int64 // where a cluster follows its predecessor; 0 for none
}

// bad counts a corruption.
func (t *l2Check) bad(i int64, e uint64, why string) {
	t.Add(qedfile.Corruption, t.n, "%v is %#x: %s", source{t.what, i}, e, why)
}

func (t *l2Check) entry(i int64, e, bitmap uint64) {
	h := t.header
	if e&flagPacked != 0 {
		t.packed(i, e, bitmap)
		return
	}
	if e&reservedL2 != 0 {
		t.bad(i, e, "reserved bits are set")
	}
	at := int64(e & offsetMask)
	zero := e&flagZero != 0 && !h.extendedL2()
	switch {
	case at == 0 && zero:
		return
	case at == 0 && !(h.hasDataFile() && e&flagCopied != 0):
		if bitmap&allocatedBits != 0 {
			t.bad(i, e, "subclusters of no cluster")
		}
		return
	}
	if bitmap>>subclusters&bitmap != 0 {
		t.bad(i, e, "a subcluster that is both data and zeroes")
	}
	if at&(h.clusterSize()-1) != 0 {
		t.bad(i, e, "not at a multiple of the cluster size")
	}
	t.AllocatedClusters += t.active
	if t.next != 0 && at != t.next {
		t.FragmentedClusters += t.active
	}
	t.next = at + h.clusterSize()
	what := source{t.what, i}
	if !h.hasDataFile() {
		t.refer(what, at, h.clusterSize(), t.n)
	}
	switch {
	case t.flagsLeft:
	case !h.hasDataFile():
		t.copied(what, e, at, t.active)
	case e&flagCopied == 0:
		t.Add(qedfile.Corruption, t.active, "%v is %#x, and its cluster has one reference", what, e)
	}
}

// packed checks the entry of a compressed cluster.
func (t *l2Check) packed(i int64, e, bitmap uint64) {
	h := t.header
	if e&flagCopied != 0 {
		t.bad(i, e, "a compressed cluster has no flag for one reference")
	}
	switch {
	case h.hasDataFile():
		t.bad(i, e, "a compressed cluster where data is in an external file")
		return
	case bitmap != 0:
		t.bad(i, e, "a compressed cluster with subclusters")
		return
	}
	at, n := h.packedPlace(e)
	t.refer(source{t.what, i}, at, n, t.n)
	t.AllocatedClusters += t.active
	t.CompressedClusters += t.active
	t.FragmentedClusters += t.active
}
