package fstree

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	pieceBits = 16
	pieceSize = 1 << pieceBits // bytes; what is read at least at a time
	maxRun    = 8              // pieces that are read at a time when access is sequential
	setWays   = 8              // pieces of one set of the table

	// directSize is the length from which ReadAt does not pass through the
	// cache: copying twice costs more than it saves, and a file's bytes
	// would push metadata out.
	directSize = pieceSize / 4
	dataSize   = 4096 // bytes; the same for the contents of files, which are seldom read twice

	defaultBudget = 16 << 20 // bytes
)

// Cache is a read cache over a volume, in aligned pieces of 64 KiB. It is
// meant for metadata: [Cache.Bytes] gives views into it without copying.
//
// A piece that is there is found without a lock and without an allocation.
// Goroutines that miss one piece together read it once. Pieces that are asked
// for one after another are read several at a time, up to 512 KiB. The cache
// holds at most its budget; views that callers still hold stay valid and are
// not counted.
type Cache struct {
	r    io.ReaderAt
	size int64
	sets []cacheSet // a power of two
	bits uint       // log2(len(sets))
	fits bool       // the whole volume does
	runs sync.Pool  // buffers of reads of several pieces

	// The pieces of the last short reads of contents, each plus one, at the
	// place that its number gives.
	lately [64]atomic.Int64

	reads, bytes, evictions atomic.Int64
}

// cacheSet is a few places of the table; a piece lives in the set that its
// number hashes to. Only changes take the lock.
type cacheSet struct {
	slots [setWays]atomic.Pointer[piece]
	mu    sync.Mutex
	hand  int // where the search for a victim goes on
}

// piece is 64 KiB of the volume, from when somebody began to read it.
type piece struct {
	no   int64
	run  int           // how many pieces were read at a time with it
	used atomic.Bool   // since the hand passed
	done chan struct{} // closed when b and err are set
	read atomic.Bool   // done is closed; to ask a channel takes its lock
	b    []byte        // shorter than a piece at the volume's end
	err  error
}

// NewCache returns a cache over the first size bytes of r that holds up to
// budget bytes; a budget of 0 means 16 MiB. The least is 512 KiB.
func NewCache(r io.ReaderAt, size, budget int64) *Cache {
	if budget <= 0 {
		budget = defaultBudget
	}
	c := &Cache{r: r, size: max(size, 0)}
	// A volume that fits into the budget gets a place for each of its pieces.
	pieces := (c.size + pieceSize - 1) >> pieceBits
	c.fits = pieces<<pieceBits <= budget
	if c.fits {
		c.bits = uint(bits.Len64(uint64(max(pieces-1, 0)) / setWays))
	} else {
		c.bits = uint(bits.Len64(uint64(max(budget>>pieceBits/setWays, 1)))) - 1
	}
	c.sets = make([]cacheSet, 1<<c.bits)
	return c
}

// Size returns the volume's length in bytes.
func (c *Cache) Size() int64 { return c.size }

// CacheStats counts what a [Cache] did.
type CacheStats struct {
	Reads     int64 // calls of the underlying ReadAt
	Bytes     int64 // bytes asked of it
	Evictions int64 // pieces dropped for others
}

// Stats returns what the cache did so far.
func (c *Cache) Stats() CacheStats {
	return CacheStats{Reads: c.reads.Load(), Bytes: c.bytes.Load(), Evictions: c.evictions.Load()}
}

// Bytes returns n bytes at off. The slice must not be written to: it is a
// view of the cache where it lies in one piece, and a copy otherwise. Outside
// the volume the error wraps [io.ErrUnexpectedEOF]. A copy grows as it is
// read, so that a false n costs no more memory than the volume really has.
func (c *Cache) Bytes(off, n int64) ([]byte, error) {
	if err := c.check(off, n); err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, nil
	}
	if off>>pieceBits == (off+n-1)>>pieceBits {
		return c.view(off, n)
	}
	b := make([]byte, 0, min(n, 1<<20))
	for n > 0 {
		part := min(n, pieceSize-off&(pieceSize-1))
		v, err := c.view(off, part)
		if err != nil {
			return nil, err
		}
		b = append(b, v...)
		off += part
		n -= part
	}
	return b, nil
}

// ReadAt reads len(p) bytes at off: short reads through the cache, from
// 16 KiB straight from the volume. Beyond the volume the error wraps
// [io.ErrUnexpectedEOF], and never is [io.EOF]: to whoever reads a structure
// or a file's extent, a volume that ends there is cut off.
func (c *Cache) ReadAt(p []byte, off int64) (int, error) {
	if len(p) >= directSize {
		return c.ReadDirect(p, off)
	}
	if err := c.check(off, int64(len(p))); err != nil {
		return 0, err
	}
	n := 0
	for n < len(p) {
		part := min(int64(len(p)-n), pieceSize-off&(pieceSize-1))
		v, err := c.view(off, part)
		if err != nil {
			return n, err
		}
		copy(p[n:], v)
		n += int(part)
		off += part
	}
	return n, nil
}

// ReadDirect reads as ReadAt does, and past the cache whatever the length:
// for random reads in a large file.
func (c *Cache) ReadDirect(p []byte, off int64) (int, error) {
	if err := c.check(off, int64(len(p))); err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	return c.fetch(p, off)
}

// ReadData reads as ReadAt does, for the contents of files: from 4 KiB straight
// from the volume, and less from a piece if that is there, or is asked for the
// second time lately. So small files that lie together are read together, and
// one between large files brings in nothing that nobody asked for.
func (c *Cache) ReadData(p []byte, off int64) (int, error) {
	if len(p) >= dataSize || !c.wanted(off>>pieceBits) {
		return c.ReadDirect(p, off)
	}
	return c.ReadAt(p, off)
}

func (c *Cache) wanted(no int64) bool {
	if no < 0 || c.set(no).find(no) != nil {
		return true
	}
	return c.lately[no%int64(len(c.lately))].Swap(no+1) == no+1
}

func (c *Cache) check(off, n int64) error {
	if off < 0 || n < 0 || off > c.size || n > c.size-off {
		return fmt.Errorf("bytes %d+%d of a volume of %d: %w", off, n, c.size, io.ErrUnexpectedEOF)
	}
	return nil
}

// view returns n bytes at off, which lie in one piece.
func (c *Cache) view(off, n int64) ([]byte, error) {
	p := c.get(off >> pieceBits)
	start := off & (pieceSize - 1)
	if start+n <= int64(len(p.b)) {
		return p.b[start : start+n : start+n], nil
	}
	if p.err == nil {
		return nil, fmt.Errorf("bytes %d+%d: %w", off, n, io.ErrUnexpectedEOF)
	}
	return nil, fmt.Errorf("bytes %d+%d: %w", off, n, p.err)
}

// get returns a piece that has been read, with success or without.
func (c *Cache) get(no int64) *piece {
	p := c.set(no).find(no)
	if p == nil {
		return c.miss(no)
	}
	if !p.used.Load() {
		p.used.Store(true)
	}
	p.wait()
	return p
}

func (p *piece) wait() {
	if !p.read.Load() {
		<-p.done
	}
}

// set returns the places that a piece may be in. In a large volume a hash
// spreads the pieces that lie at equal distances, as those of block groups do.
func (c *Cache) set(no int64) *cacheSet {
	if c.fits || c.bits == 0 {
		return &c.sets[uint64(no)&(1<<c.bits-1)]
	}
	return &c.sets[uint64(no)*0x9E3779B97F4A7C15>>(64-c.bits)]
}

func (s *cacheSet) find(no int64) *piece {
	for i := range s.slots {
		if p := s.slots[i].Load(); p != nil && p.no == no {
			return p
		}
	}
	return nil
}

// miss reads a piece, and some that follow if the one before it is there.
func (c *Cache) miss(no int64) *piece {
	run := 1
	if no > 0 {
		if prev := c.set(no - 1).find(no - 1); prev != nil {
			run = min(prev.run*2, maxRun, len(c.sets)*setWays/4)
		}
	}
	first, mine := c.claim(no, run)
	if !mine {
		first.wait()
		return first
	}
	claimed := [maxRun]*piece{first}
	n := 1
	for ; n < run && (no+int64(n))<<pieceBits < c.size; n++ {
		next, mine := c.claim(no+int64(n), run)
		if !mine {
			break
		}
		claimed[n] = next
	}
	c.load(claimed[:n])
	return first
}

// claim puts a piece into the table that its caller has to load, unless it is
// there already.
func (c *Cache) claim(no int64, run int) (p *piece, mine bool) {
	s := c.set(no)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.find(no); p != nil {
		return p, false
	}
	p = &piece{no: no, run: run, done: make(chan struct{})}
	slot := s.victim()
	if slot.Load() != nil {
		c.evictions.Add(1)
	}
	slot.Store(p)
	return p, true
}

// victim chooses the place for a new piece by the clock: an empty one, else
// the first that was not used since the hand passed it.
func (s *cacheSet) victim() *atomic.Pointer[piece] {
	for range 2 * setWays {
		slot := &s.slots[s.hand]
		s.hand = (s.hand + 1) % setWays
		if p := slot.Load(); p == nil || !p.used.Swap(false) {
			return slot
		}
	}
	return &s.slots[s.hand]
}

// load reads pieces that follow each other, in one read if that works, else
// each by itself, so that an unreadable spot spoils no neighbour.
func (c *Cache) load(ps []*piece) {
	defer func() {
		// Also on the way of a panic in the reader: nobody waits for ever.
		for _, p := range ps {
			if p.b == nil {
				c.drop(p)
			}
			p.read.Store(true)
			close(p.done)
		}
	}()
	for _, p := range ps {
		p.err = errors.New("read did not return")
	}
	if len(ps) > 1 && c.loadRun(ps) {
		return
	}
	for _, p := range ps {
		off := p.no << pieceBits
		b := make([]byte, min(pieceSize, c.size-off))
		n, err := c.fetch(b, off)
		p.set(b[:n], err)
	}
}

// loadRun reads pieces that follow each other at once. Each gets memory of
// its own: a piece that stays must not hold what was read with it.
func (c *Cache) loadRun(ps []*piece) bool {
	buf, _ := c.runs.Get().(*[maxRun * pieceSize]byte)
	if buf == nil {
		buf = new([maxRun * pieceSize]byte)
	}
	defer c.runs.Put(buf)
	off := ps[0].no << pieceBits
	b := buf[:min(int64(len(ps))*pieceSize, c.size-off)]
	if n, _ := c.fetch(b, off); n < len(b) {
		return false
	}
	for _, p := range ps {
		part := min(pieceSize, len(b))
		p.set(slices.Clone(b[:part:part]), nil) // which does not clear it first
		b = b[part:]
	}
	return true
}

// set stores what a read gave. Bytes that came with an error are bytes
// nevertheless; a piece without any is not kept, and read again next time.
func (p *piece) set(b []byte, err error) {
	p.err = err
	if len(b) > 0 {
		p.b = b
	}
}

// drop takes a piece out of the table.
func (c *Cache) drop(p *piece) {
	s := c.set(p.no)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.slots {
		s.slots[i].CompareAndSwap(p, nil)
	}
}

// fetch is the one place that reads the volume. A full read has no error; a
// short one always has.
func (c *Cache) fetch(b []byte, off int64) (int, error) {
	c.reads.Add(1)
	c.bytes.Add(int64(len(b)))
	n, err := c.r.ReadAt(b, off)
	switch {
	case n >= len(b):
		return len(b), nil
	case err == nil || errors.Is(err, io.EOF):
		return max(n, 0), io.ErrUnexpectedEOF
	default:
		return max(n, 0), err
	}
}
