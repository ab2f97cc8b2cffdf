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
// are read if they must be; what cannot be mapped is left out.
func (m *Image) Prefetch(ranges []backend.Range) {
	if m.closed.Load() {
		return
	}
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

// Prefetch implements [backend.Prefetcher].
func (d *Raw) Prefetch(ranges []backend.Range) { backend.Prefetch(d.r, ranges) }
