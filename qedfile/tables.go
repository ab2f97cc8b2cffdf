package qedfile

import (
	"encoding/binary"
	"io"
	"math/bits"
	"sync/atomic"
)

// Entries of an L2 table that are not offsets (QED specification, "L2 table
// entries"). In an L1 table only entryUnallocated has a meaning.
const (
	entryUnallocated = 0
	entryZero        = 1
)

// Tables are read in slices that map about 32 MiB of the disk each: small
// enough for random access to a huge disk, large enough that reading one from
// end to end does not wait for a table at every step. Where the cache does not
// hold all of them, a read at random brings in one that is not used again: it
// is as small as it can be then.
const (
	sliceMaps     = 32 << 20
	minSliceBytes = 4 << 10
	maxSliceBytes = 64 << 10
)

// geometry is what a header says about the translation of offsets, as shifts.
// A position on the disk is, from its highest bits: the L1 entry, the slice
// of the L2 table, the entry of the slice, the byte of the cluster.
type geometry struct {
	clusterBits uint // log2 of the bytes of a cluster
	entryBits   uint // log2 of the entries of a table
	sliceBits   uint // log2 of the entries of a slice
	l1          int64
	dataStart   int64
}

func newGeometry(h *Header, cacheBytes int64) geometry {
	most := int64(maxSliceBytes)
	if h.ImageSize/h.ClusterSize > cacheBytes/entrySize {
		most = minSliceBytes
	}
	entries := min(max(sliceMaps/h.ClusterSize*entrySize, minSliceBytes), most, h.tableBytes()) / entrySize
	return geometry{
		clusterBits: uint(bits.TrailingZeros64(uint64(h.ClusterSize))),
		entryBits:   uint(bits.TrailingZeros64(uint64(h.entries()))),
		sliceBits:   uint(bits.TrailingZeros64(uint64(entries))),
		l1:          h.L1TableOffset,
		dataStart:   h.dataStart(),
	}
}

func (g *geometry) clusterSize() int64  { return 1 << g.clusterBits }
func (g *geometry) tableBytes() int64   { return entrySize << g.entryBits }
func (g *geometry) sliceEntries() int64 { return 1 << g.sliceBits }
func (g *geometry) sliceBytes() int64   { return entrySize << g.sliceBits }

// tableSpan is how many bytes of the disk one L2 table maps.
func (g *geometry) tableSpan() int64 { return 1 << (g.clusterBits + g.entryBits) }

// sliceSpan is how many bytes of the disk one slice of an L2 table maps.
func (g *geometry) sliceSpan() int64 { return 1 << (g.clusterBits + g.sliceBits) }

// A slice's key in the cache: for an L2 slice the position on the disk that it
// maps, in slices; for an L1 slice its number and the highest bit. Keys by
// position rather than by offset in the file save the way through the L1 table.
const l1Key = 1 << 63

func (g *geometry) l2Key(pos int64) uint64 { return uint64(pos >> (g.clusterBits + g.sliceBits)) }

// l1Index is the L1 entry that maps pos.
func (g *geometry) l1Index(pos int64) int64 { return pos >> (g.clusterBits + g.entryBits) }

// l2Index is the entry that maps pos, of the whole L2 table.
func (g *geometry) l2Index(pos int64) int64 { return pos >> g.clusterBits & (1<<g.entryBits - 1) }

// validCluster is Header.checkCluster for the common case of a good one.
func (m *Image) validCluster(e uint64) bool {
	return e&uint64(m.geo.clusterSize()-1) == 0 && e >= uint64(m.geo.dataStart) && e < uint64(m.end.Load())
}

func (m *Image) validTable(e uint64) bool {
	return m.validCluster(e) && int64(e) <= m.end.Load()-m.geo.tableBytes()
}

// l2Slice returns the slice of the L2 table that maps pos, or nil when there
// is no such table.
func (m *Image) l2Slice(pos int64) (*tableSlice, error) {
	key := m.geo.l2Key(pos)
	if s := m.cache.lookup(key); s != nil {
		return s, nil
	}
	table, err := m.l2Table(pos)
	if table == 0 || err != nil {
		return nil, err
	}
	return m.cache.get(key, false, func() (*tableSlice, error) {
		return m.loadSlice(key, table, m.geo.l2Index(pos)&^(m.geo.sliceEntries()-1))
	})
}

// l2Table returns the offset of the L2 table that maps pos, or 0.
func (m *Image) l2Table(pos int64) (int64, error) {
	index := m.geo.l1Index(pos)
	s, err := m.l1Slice(index, false)
	if err != nil {
		return 0, err
	}
	e := s.entries[index-s.first].Load()
	if e == entryUnallocated || m.validTable(e) {
		return int64(e), nil
	}
	h := m.header.Load()
	return 0, m.corrupt(&CorruptError{
		Level: 1, Table: s.table, Index: index, Entry: e,
		Start: pos &^ (m.geo.tableSpan() - 1),
		Why:   h.checkTable(e, m.end.Load()),
	})
}

// l1Slice returns the slice of the L1 table that holds an entry.
func (m *Image) l1Slice(index int64, pin bool) (*tableSlice, error) {
	first := index &^ (m.geo.sliceEntries() - 1)
	key := l1Key | uint64(first>>m.geo.sliceBits)
	return m.cache.get(key, pin, func() (*tableSlice, error) {
		return m.loadSlice(key, m.geo.l1, first)
	})
}

// loadSlice reads a slice of a table from the storage.
func (m *Image) loadSlice(key uint64, table, first int64) (*tableSlice, error) {
	s := &tableSlice{key: key, table: table, first: first, entries: make([]atomic.Uint64, m.geo.sliceEntries())}
	buf := m.buffers.get()
	defer m.buffers.put(buf)
	b := buf[:m.geo.sliceBytes()]
	if err := m.readFile(b, s.offset()); err != nil {
		return nil, errorf("read table at %#x: %w", table, err)
	}
	m.stats.tableLoads.Add(1)
	for i := range s.entries {
		s.entries[i].Store(binary.LittleEndian.Uint64(b[i*entrySize:]))
	}
	if m.w != nil && !m.cache.wasWritten(key) {
		m.distrust(s)
	}
	return s, nil
}

// distrust keeps an entry invalid that referred to something past the end of
// the file when the image was opened: a crash of qemu can leave such, and the
// next cluster that is allocated lies just there. It gets a bit that no
// offset has.
func (m *Image) distrust(s *tableSlice) {
	end := uint64(m.openedEnd)
	if s.key&l1Key != 0 {
		end -= uint64(m.geo.tableBytes() - m.geo.clusterSize())
	}
	for i := range s.entries {
		if e := s.entries[i].Load(); e >= end && e > entryZero {
			s.entries[i].Store(e | 2)
		}
	}
}

// corrupt notes that the image is known to be corrupt: from then on it is not
// marked clean.
func (m *Image) corrupt(err *CorruptError) error {
	m.knownCorrupt.Store(true)
	return err
}

// readFile fills p from the image's file. The file may end before p does only
// where the rule of Header.usableSize allows, and where a cluster was
// allocated and not written: such bytes are zeroes.
func (m *Image) readFile(p []byte, off int64) error {
	n, err := m.r.ReadAt(p, off)
	m.stats.countRead(p, n)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		if off+int64(n) >= m.present.Load() {
			clear(p[n:])
			return nil
		}
		err = io.ErrUnexpectedEOF
	}
	return err
}
