package qedfile

import "github.com/qedfs/qedfs/backend"

// maxAnnounced bounds the pieces that one call of Prefetch passes on.
const maxAnnounced = 4096

var (
	_ backend.Prefetcher = (*Image)(nil)
	_ backend.Prefetcher = (*Raw)(nil)
)

// Prefetch implements [backend.Prefetcher]: it tells the storage, and those of
// the backing chain, where the ranges of the disk lie. The tables that say so
// are read if they must be, all of them together; what cannot be mapped is left
// out.
func (m *Image) Prefetch(ranges []backend.Range) {
	if m.closed.Load() || !m.Prefetches() {
		return
	}
	m.prefetchTables(ranges)
	var own, below []backend.Range
	for _, r := range ranges {
		pos, end := r.Off, m.size.Load()
		if pos < 0 || r.Len <= 0 || pos >= end {
			continue
		}
		for end = pos + min(r.Len, end-pos); pos < end && len(own)+len(below) < maxAnnounced; {
			run, err := m.run(pos, end-pos)
			if err != nil {
				break
			}
			switch run.kind {
			case Data:
				own = append(own, backend.Range{Off: run.host, Len: run.n})
			case Unallocated:
				below = append(below, backend.Range{Off: pos, Len: run.n})
			}
			pos += run.n
		}
	}
	backend.Prefetch(m.r, own)
	if m.backing != nil {
		backend.Prefetch(m.backing, below)
	}
}

// prefetchTables announces those slices of tables that are needed to find
// ranges of the disk.
func (m *Image) prefetchTables(ranges []backend.Range) {
	var slices []backend.Range
	for _, r := range ranges {
		pos, end := r.Off, m.size.Load()
		if pos < 0 || r.Len <= 0 || pos >= end {
			continue
		}
		end = pos + min(r.Len, end-pos)
		for pos &^= m.geo.sliceSpan() - 1; pos < end && len(slices) < maxAnnounced; pos += m.geo.sliceSpan() {
			if m.cache.lookup(m.geo.l2Key(pos)) != nil {
				continue
			}
			table, err := m.l2Table(pos)
			if table == 0 || err != nil {
				continue
			}
			first := m.geo.l2Index(pos) &^ (m.geo.sliceEntries() - 1)
			slices = append(slices, backend.Range{Off: table + first*entrySize, Len: m.geo.sliceBytes()})
		}
	}
	backend.Prefetch(m.r, slices)
}

// smallTables is how many bytes of tables are fetched when an image is opened:
// all that map 2 GiB with clusters of 64 KiB.
const smallTables = 256 << 10

// announceTables begins to fetch the tables of a small disk where that is of
// use: without it, they would be read one after another.
func (m *Image) announceTables() {
	if !m.Prefetches() {
		return
	}
	if size := m.size.Load(); size>>m.geo.clusterBits*entrySize <= smallTables {
		m.prefetchTables([]backend.Range{{Off: 0, Len: size}})
	}
}

// Prefetch implements [backend.Prefetcher].
func (d *Raw) Prefetch(ranges []backend.Range) { backend.Prefetch(d.r, ranges) }

// Prefetches implements [backend.Prefetcher].
func (m *Image) Prefetches() bool { return backend.Prefetches(m.r) || backend.Prefetches(m.backing) }

// Prefetches implements [backend.Prefetcher].
func (d *Raw) Prefetches() bool { return backend.Prefetches(d.r) }
