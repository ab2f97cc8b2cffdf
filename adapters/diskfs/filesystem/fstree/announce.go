package fstree

import (
	"errors"

	"github.com/qedfs/qedfs/backend"
)

var errNotRead = errors.New("not read")

// Announces reports whether [Cache.Announce] is of use: whether the volume lies
// where a read takes long enough for others to be begun meanwhile.
func (c *Cache) Announces() bool { return c.announces }

// Announce says what will be read soon, in any order: that is fetched in few
// requests, and at the same time. It does not wait, and what lies outside the
// volume is left out.
func (c *Cache) Announce(ranges []backend.Range) {
	if !c.announces {
		return
	}
	var missing []backend.Range
	for _, r := range ranges {
		if c.check(r.Off, r.Len) == nil && r.Len > 0 && !c.has(r) {
			missing = append(missing, r)
		}
	}
	backend.Prefetch(c.r, missing)
}

// has reports whether all of a range has been read.
func (c *Cache) has(r backend.Range) bool {
	for off, end := r.Off, r.Off+r.Len; off < end; {
		p := c.find(off >> pieceBits)
		if p == nil {
			return false
		}
		start := off & (pieceSize - 1)
		n := min(pieceSize-start, end-off)
		if mask := blockMask(start>>blockBits, (start+n-1)>>blockBits+1); p.have.Load()&mask != mask {
			return false
		}
		off += n
	}
	return true
}
