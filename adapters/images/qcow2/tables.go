package qcow2

import (
	"encoding/binary"
	"io"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/qedfile"
)

// Entries of L1 and L2 tables (docs/interop/qcow2.txt, "Cluster mapping").
const (
	offsetMask    = 0x00fffffffffffe00
	flagCopied    = 1 << 63 // the reference count is one: nothing to a reader, but see clusterOf
	flagPacked    = 1 << 62 // of an L2 entry: a compressed cluster
	flagZero      = 1 << 0  // of a standard L2 entry: the cluster reads as zeroes
	allocatedBits = 1<<subclusters - 1
)

func newTables(r io.ReaderAt, budget int64) *qedfile.TableReader {
	return qedfile.NewTableReader(r, &qedfile.TableOptions{Order: binary.BigEndian, CacheBytes: budget})
}

// Run implements [layer.Format].
func (m *Image) Run(pos, limit int64) (layer.Run, error) {
	h := m.header
	span := int64(1) << (h.clusterBits + h.l2Bits()) // what an L2 table maps
	index := pos >> (h.clusterBits + h.l2Bits())
	inTable := span - pos&(span-1)
	if index >= m.l1Entries { // a snapshot's table may be short
		return layer.Run{Kind: qedfile.Unallocated, Length: limit, Offset: -1}, nil
	}
	l1, err := m.tables.Entries(m.l1Offset + index*entrySize)
	if err != nil {
		return layer.Run{Length: min(limit, inTable), Offset: -1}, err
	}
	table := int64(l1.At(0) & offsetMask)
	if table == 0 {
		n := inTable
		for i := 1; n < limit && i < l1.Len() && index+int64(i) < m.l1Entries && l1.At(i)&offsetMask == 0; i++ {
			n += min(span, limit-n) // the sum could exceed 63 bits
		}
		return layer.Run{Kind: qedfile.Unallocated, Length: min(n, limit), Offset: -1}, nil
	}
	if table&(h.clusterSize()-1) != 0 {
		return layer.Run{Length: min(limit, inTable), Offset: -1},
			layer.Corrupt(format, "L1 entry %d is %#x: not at a multiple of the cluster size", index, l1.At(0))
	}
	return m.tableRun(table, pos, min(limit, inTable))
}

// tableRun is Run for what the L2 table at offset table maps.
func (m *Image) tableRun(table, pos, limit int64) (layer.Run, error) {
	h := m.header
	index := pos >> h.clusterBits & (1<<h.l2Bits() - 1)
	at := table + index<<h.l2EntryBits()
	l2, err := m.tables.Entries(at)
	if err == nil && at >= m.fileSize {
		err = layer.Corrupt(format, "the L2 table at %#x is past the end of the file of %d bytes", table, m.fileSize)
	}
	w := h.clusterSize() - pos&(h.clusterSize()-1)
	if err != nil {
		return layer.Run{Length: min(limit, w), Offset: -1}, err
	}
	words := 1 << (h.l2EntryBits() - 3) // of an entry
	r := layer.Run{Offset: -1}
	for i := 0; i < l2.Len() && r.Length < limit && at+int64(i)*entrySize < m.fileSize; i += words {
		c := cluster{entry: l2.At(i), guest: (pos + r.Length) &^ (h.clusterSize() - 1)}
		if words == 2 {
			c.bitmap = l2.At(i + 1)
		}
		done, err := m.addCluster(&r, &c, pos+r.Length-c.guest)
		if err != nil && r.Length == 0 {
			return layer.Run{Length: min(limit, w), Offset: -1}, err
		}
		if err != nil || done {
			break
		}
	}
	r.Length = min(r.Length, limit)
	return r, nil
}

// A cluster is what an L2 entry says of a cluster of the disk.
type cluster struct {
	entry, bitmap uint64
	guest         int64 // where it is on the disk
	kind          clusterKind
	host          int64 // where it is in the file; -1 for none
}

type clusterKind uint8

const (
	clusterUnallocated clusterKind = iota
	clusterZero
	clusterNormal
	clusterPacked
)

// decode finds the kind and the place of a cluster, as QEMU's
// qcow2_get_host_offset does.
func (m *Image) decode(c *cluster) error {
	h := m.header
	c.host = -1
	bad := func(why string) error {
		return layer.Corrupt(format, "the L2 entry for disk offset %d is %#x: %s", c.guest, c.entry, why)
	}
	if c.entry&flagPacked != 0 {
		c.kind = clusterPacked
		if h.hasDataFile() {
			return bad("a compressed cluster where data is in an external file")
		}
		return nil
	}
	// The first cluster of an external file has offset 0, like no cluster: the
	// flag tells them apart, but not those that read as zeroes.
	zero := c.entry&flagZero != 0 && !h.extendedL2()
	allocated := c.entry&offsetMask != 0 || h.hasDataFile() && c.entry&flagCopied != 0 && !zero
	if allocated {
		c.host = int64(c.entry & offsetMask)
	}
	switch {
	case zero && h.version < 3:
		return bad("a zero cluster in an image of version 2")
	case !allocated && c.bitmap&allocatedBits != 0:
		return bad("subclusters of no cluster")
	case allocated && c.bitmap&(c.bitmap>>subclusters)&allocatedBits != 0:
		return bad("a subcluster that is both data and zeroes")
	case allocated && c.host&(h.clusterSize()-1) != 0:
		return bad("not at a multiple of the cluster size")
	case allocated && h.hasDataFile() && h.autoclear&autoclearDataFileRaw != 0 && c.host != c.guest:
		return bad("not where it is on the disk, though the data file is raw")
	case zero:
		c.kind = clusterZero
	case allocated:
		c.kind = clusterNormal
	default:
		c.kind = clusterUnallocated
	}
	return nil
}

// addCluster adds to r the cluster from its byte in on. It reports whether the
// run ends inside it or before it.
func (m *Image) addCluster(r *layer.Run, c *cluster, in int64) (done bool, err error) {
	if err := m.decode(c); err != nil {
		return false, err
	}
	size := m.header.clusterSize()
	if !m.header.extendedL2() || c.kind == clusterPacked {
		return m.addPiece(r, c, c.kind, in, size-in)
	}
	sub := size / subclusters
	for i := uint(in / sub); i < subclusters; i++ {
		kind := clusterUnallocated
		switch {
		case c.bitmap>>(i+subclusters)&1 != 0:
			kind = clusterZero
		case c.bitmap>>i&1 != 0:
			kind = clusterNormal
		}
		n := sub - in%sub
		if done, err = m.addPiece(r, c, kind, in, n); done || err != nil {
			return done, err
		}
		in += n
	}
	return false, nil
}

// addPiece adds n bytes of a cluster that are all of one kind.
func (m *Image) addPiece(r *layer.Run, c *cluster, kind clusterKind, in, n int64) (done bool, err error) {
	next := layer.Run{Length: n, Offset: -1}
	if c.host >= 0 { // QEMU's map shows the place of zeroes and holes, too
		next.Offset = c.host + in
	}
	switch kind {
	case clusterZero:
		next.Kind = qedfile.Zero
	case clusterNormal:
		next.Kind, next.File, next.At, next.Sparse = qedfile.Data, m.data, next.Offset, true
		if next.At >= m.dataEnd {
			return false, layer.Corrupt(format, "the data for disk offset %d, at %#x, is past the end of the file of %d bytes", c.guest+in, next.At, m.fileSize)
		}
	case clusterPacked:
		next.Kind, next.File, next.At = qedfile.Data, m.packed, c.guest+in
	}
	if r.Length == 0 {
		*r = next
		return false, nil
	}
	if !r.Precedes(&next) {
		return true, nil
	}
	r.Length += n
	return false, nil
}
