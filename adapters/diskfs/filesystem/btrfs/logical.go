package btrfs

import (
	"errors"
	"io"

	"github.com/qedfs/qedfs/backend"
)

// logical is the space of logical addresses, for the cache of metadata. The
// cache reads in larger pieces than it is asked for; what no chunk maps in them
// reads as zeroes. Whoever asks has made sure that a chunk maps it.
type logical struct{ v *volume }

// logicalSize is more than any address; chunks end below it, or are not read.
const logicalSize = 1 << 62

var _ backend.Prefetcher = logical{}

func (l logical) ReadAt(p []byte, off int64) (int, error) {
	for done := 0; done < len(p); {
		c, at, ok := l.v.chunks.find(uint64(off) + uint64(done))
		n := len(p) - done
		if ok {
			n = int(min(int64(n), c.length-at))
			if k, err := c.ReadAt(p[done:done+n], at); err != nil {
				return done + k, err
			}
		} else {
			n = l.v.chunks.gap(off+int64(done), n)
			clear(p[done : done+n])
		}
		done += n
	}
	return len(p), nil
}

// gap is how many bytes from an unmapped address on are unmapped, up to n.
func (m chunkMap) gap(at int64, n int) int {
	for _, c := range m {
		if c.logical > at {
			return int(min(int64(n), c.logical-at))
		}
	}
	return n
}

// Prefetches implements [backend.Prefetcher].
func (l logical) Prefetches() bool {
	for _, d := range l.v.devices {
		if backend.Prefetches(d.Reader) {
			return true
		}
	}
	return false
}

// Prefetch implements [backend.Prefetcher]: each device is told of its own.
func (l logical) Prefetch(ranges []backend.Range) {
	told := make(map[*device][]backend.Range)
	for _, r := range ranges {
		for r.Len > 0 {
			c, at, ok := l.v.chunks.find(uint64(r.Off))
			if !ok {
				break
			}
			i, on, n, there := c.array.Locate(at)
			if n = min(n, r.Len); n <= 0 {
				break
			}
			if there {
				s := c.stripes[i]
				told[s.device] = append(told[s.device], backend.Range{Off: s.base + on, Len: n})
			}
			r.Off, r.Len = r.Off+n, r.Len-n
		}
	}
	for d, list := range told {
		backend.Prefetch(d.Reader, list)
	}
}

// read reads data at a logical address, from whichever copy there is.
func (v *volume) read(p []byte, at uint64) (int, error) {
	for done := 0; done < len(p); {
		c, off, ok := v.chunks.find(at + uint64(done))
		if !ok {
			return done, errUnmapped
		}
		n := int(min(int64(len(p)-done), c.length-off))
		if k, err := c.ReadAt(p[done:done+n], off); err != nil {
			return done + k, err
		}
		done += n
	}
	return len(p), nil
}

var errUnmapped = errors.New("no chunk maps it")

// another reads bytes at a logical address in one way after another until good
// accepts them. Of each way that it does not accept the device is remembered.
// The bytes lie in one chunk. The error is that of the first way; a device that
// is missing is only named if no other one is the reason.
func (v *volume) another(p []byte, at uint64, good func() error) error {
	c, off, ok := v.chunks.find(at)
	if !ok || c.length-off < int64(len(p)) {
		return errUnmapped
	}
	var first error
	for way := range c.array.Ways() {
		err := c.array.ReadWay(way, p, off)
		if err == nil {
			if err = good(); err == nil {
				return nil
			}
			c.blame(way, off, err)
		}
		if err = c.explain(err); first == nil || errors.Is(first, ErrMissing) && !errors.Is(err, ErrMissing) {
			first = err
		}
	}
	return first
}

// blame remembers that a device's copy is not as it should be. What was computed
// is nobody's.
func (c *chunk) blame(way int, off int64, err error) {
	if d, ok := c.array.Device(way, off); ok && c.profile.redundant() {
		c.stripes[d].fail(err)
	}
}

var _ io.ReaderAt = logical{}
