package qedfile

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// A tableSlice is a piece of an L1 or L2 table in memory. Its entries are
// read and changed atomically, so that a lookup needs no lock while another
// goroutine links clusters.
type tableSlice struct {
	key     uint64 // see tableKey
	table   int64  // offset of the whole table in the file, in bytes
	first   int64  // index in the table of the first entry here
	entries []atomic.Uint64

	used   atomic.Bool // looked up since the cache last searched for room
	pinned bool        // holds changes, must stay; guarded by tableCache.mu

	// Entries from dirtyFrom to before dirtyTo differ from the storage.
	// Guarded by writeState.mu.
	dirtyFrom, dirtyTo int64
}

// offset is where the slice lies in the file.
func (s *tableSlice) offset() int64 { return s.table + s.first*entrySize }

// cacheWays is how many slices compete for the same places of the cache.
const cacheWays = 8

// A tableCache keeps the slices of one image's tables within a budget.
//
// It is a set-associative array of atomic pointers: a hit is a few loads,
// takes no lock and writes nothing but a "used" mark that is seldom clear.
// Misses go through mu, which is never held during a read of the storage;
// those who miss the same slice at once wait for one read.
type tableCache struct {
	places []atomic.Pointer[tableSlice] // cacheWays for each set
	mask   uint64                       // sets - 1

	mu      sync.Mutex
	hands   []uint8 // of each set, where the search for room goes on
	pinned  map[uint64]*tableSlice
	loading map[uint64]*sliceLoad
	written map[uint64]struct{} // keys of slices that were changed and written
}

type sliceLoad struct {
	done  chan struct{}
	slice *tableSlice
	err   error
}

func newTableCache(budget, sliceBytes int64) *tableCache {
	sets := uint64(1)
	if n := uint64(budget / sliceBytes / cacheWays); n > 1 {
		sets = 1 << (bits.Len64(n) - 1)
	}
	return &tableCache{
		places:  make([]atomic.Pointer[tableSlice], sets*cacheWays),
		mask:    sets - 1,
		hands:   make([]uint8, sets),
		pinned:  make(map[uint64]*tableSlice),
		loading: make(map[uint64]*sliceLoad),
		written: make(map[uint64]struct{}),
	}
}

func (c *tableCache) set(key uint64) []atomic.Pointer[tableSlice] {
	i := (key & c.mask) * cacheWays
	return c.places[i : i+cacheWays : i+cacheWays]
}

// lookup returns a slice that is in its place, or nil.
func (c *tableCache) lookup(key uint64) *tableSlice {
	set := c.set(key)
	for i := range set {
		if s := set[i].Load(); s != nil && s.key == key {
			if !s.used.Load() {
				s.used.Store(true)
			}
			return s
		}
	}
	return nil
}

// get returns the slice, from the cache or by calling load. With pin it stays
// until unpin, whatever the budget says.
func (c *tableCache) get(key uint64, pin bool, load func() (*tableSlice, error)) (*tableSlice, error) {
	if s := c.lookup(key); s != nil && !pin {
		return s, nil
	}
	c.mu.Lock()
	for {
		if s := c.resident(key); s != nil {
			c.pinLocked(s, pin)
			c.mu.Unlock()
			return s, nil
		}
		other := c.loading[key]
		if other == nil {
			break
		}
		c.mu.Unlock()
		<-other.done
		if other.err != nil || !pin {
			return other.slice, other.err
		}
		c.mu.Lock()
	}
	l := &sliceLoad{done: make(chan struct{}), err: errPanicked}
	c.loading[key] = l
	c.mu.Unlock()

	defer c.settle(key, l, pin) // also where the storage panics
	l.slice, l.err = load()
	return l.slice, l.err
}

var errPanicked = errorf("the storage panicked")

// settle keeps a slice that was loaded and wakes the waiters.
func (c *tableCache) settle(key uint64, l *sliceLoad, pin bool) {
	c.mu.Lock()
	delete(c.loading, key)
	if l.err == nil {
		c.pinLocked(l.slice, pin)
		c.place(l.slice)
	}
	c.mu.Unlock()
	close(l.done)
}

func (c *tableCache) resident(key uint64) *tableSlice {
	if s := c.pinned[key]; s != nil {
		return s
	}
	return c.lookup(key)
}

func (c *tableCache) pinLocked(s *tableSlice, pin bool) {
	if pin {
		s.pinned = true
		c.pinned[s.key] = s
	}
}

// unpin makes a slice subject to the budget again. It is given its place
// back, as its changes were perhaps made when there was none.
func (c *tableCache) unpin(s *tableSlice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.pinned = false
	delete(c.pinned, s.key)
	if c.lookup(s.key) == nil {
		c.place(s)
	}
}

// place puts a slice into its set, where the one that was not used for
// longest makes room (by the CLOCK rule). In a set full of pinned slices it
// finds no place: it is then reached through pinned, or read again.
func (c *tableCache) place(s *tableSlice) {
	set := c.set(s.key)
	s.used.Store(true)
	hand := &c.hands[s.key&c.mask]
	for range 2 * cacheWays {
		i := *hand
		*hand = (i + 1) % cacheWays
		old := set[i].Load()
		if old == nil || !old.pinned && !old.used.Swap(false) {
			set[i].Store(s)
			return
		}
	}
}

// maxWritten bounds what is remembered of slices that were written: with the
// default geometry, those of 2 TiB of the disk.
const maxWritten = 64 << 10

// changed is unpin for a slice whose changes were written.
func (c *tableCache) changed(s *tableSlice) {
	c.mu.Lock()
	if len(c.written) < maxWritten {
		c.written[s.key] = struct{}{}
	}
	c.mu.Unlock()
	c.unpin(s)
}

// wasWritten reports whether the storage has a slice as it was written here.
// It says so of every slice when there are too many to remember.
func (c *tableCache) wasWritten(key uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.written[key]
	return ok || len(c.written) == maxWritten
}

// capacity is how many slices have a place.
func (c *tableCache) capacity() int { return len(c.places) }

// drop forgets every slice. None may be pinned.
func (c *tableCache) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.places {
		c.places[i].Store(nil)
	}
}
