package lvm

import (
	"sort"

	"github.com/qedfs/qedfs/backend"
)

var _ backend.Prefetcher = mapped(nil)

// Prefetch implements [backend.Prefetcher].
func (m mapped) Prefetch(ranges []backend.Range) {
	parts := make([][]backend.Range, len(m))
	for _, r := range ranges {
		if r.Off < 0 || r.Len <= 0 {
			continue
		}
		for i := sort.Search(len(m), func(i int) bool { return m[i].start+m[i].length > r.Off }); i < len(m) && r.Len > 0; i++ {
			at := max(r.Off-m[i].start, 0)
			n := min(r.Len, m[i].length-at)
			parts[i] = append(parts[i], backend.Range{Off: at, Len: n})
			r.Off, r.Len = r.Off+n, r.Len-n
		}
	}
	for i, part := range parts {
		backend.Prefetch(m[i].r, part)
	}
}

// Prefetches implements [backend.Prefetcher].
func (m mapped) Prefetches() bool {
	for i := range m {
		if backend.Prefetches(m[i].r) {
			return true
		}
	}
	return false
}
