package fstree

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/qedfs/qedfs/backend"
)

const (
	pieceBits = 16
	pieceSize = 1 << pieceBits // bytes; what has a place in the table
	maxRun    = 8              // pieces that are read at a time when access is sequential
	setWays   = 8              // pieces of one set of the table

	blockBits = 12
	blockSize = 1 << blockBits // bytes; what is read at least at a time
	blocks    = pieceSize / blockSize

	nearPieces  = 8 // pieces between what is missed together
	denseBlocks = 4 // blocks of a piece that small files ask for until all of it is read

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
// What is there is found without a lock and without an allocation. Of a piece
// far from what was read lately only the blocks of 4 KiB are read that are asked
// for, and else all of it; pieces that are asked for one after another are read
// several at a time, up to 512 KiB. So what lies by itself costs little, and what
// lies together few reads. Goroutines that miss one piece together read it once.
// The cache holds at most its budget; views that callers still hold stay valid
// and are not counted.
type Cache struct {
	r    io.ReaderAt
	size int64
	sets []cacheSet // a power of two
	bits uint       // log2(len(sets))
	fits bool       // the whole volume does
	runs sync.Pool  // buffers of reads of several pieces

	announces bool // r wants to know what will be read

	missed [8]atomic.Int64 // the pieces that were missed lately, each plus one
	misses atomic.Int64

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

// piece is 64 KiB of the volume. Some of its blocks have been read.
type piece struct {
	no    int64
	used  atomic.Bool   // since the hand passed
	have  atomic.Uint32 // a bit for each block that has been read
	asked atomic.Uint32 // and for each that somebody wanted
	b     []byte        // shorter than a piece at the volume's end

	mu  sync.Mutex // guards what follows, and the blocks that have not been read
	run int        // how many pieces were read at a time with it
}

// NewCache returns a cache over the first size bytes of r that holds up to
// budget bytes; a budget of 0 means 16 MiB. The least is 512 KiB.
func NewCache(r io.ReaderAt, size, budget int64) *Cache {
	if budget <= 0 {
		budget = defaultBudget
	}
	c := &Cache{r: r, size: max(size, 0), announces: backend.Prefetches(r)}
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
		return c.view(off, n, ofMetadata)
	}
	b := make([]byte, 0, min(n, 1<<20))
	for n > 0 {
		part := min(n, pieceSize-off&(pieceSize-1))
		v, err := c.view(off, part, ofMetadata)
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
// [io.ErrUnexpectedEOF], and never is [io.EOF]: a volume that ends inside a
// structure or a file's extent is cut off.
func (c *Cache) ReadAt(p []byte, off int64) (int, error) {
	if len(p) >= directSize {
		return c.ReadDirect(p, off)
	}
	return c.through(p, off, ofMetadata)
}

// through reads through the cache.
func (c *Cache) through(p []byte, off int64, of contents) (int, error) {
	if err := c.check(off, int64(len(p))); err != nil {
		return 0, err
	}
	n := 0
	for n < len(p) {
		part := min(int64(len(p)-n), pieceSize-off&(pieceSize-1))
		v, err := c.view(off, part, of)
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
	return c.through(p, off, ofFiles)
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

// view returns n bytes at off, which lie in one piece; n is at least 1.
func (c *Cache) view(off, n int64, of contents) ([]byte, error) {
	p := c.get(off >> pieceBits)
	start := off & (pieceSize - 1)
	mask := blockMask(start>>blockBits, (start+n-1)>>blockBits+1)
	if p.have.Load()&mask != mask {
		if err := c.fill(p, mask, of); err != nil {
			return c.exactly(off, n)
		}
	}
	if p.asked.Load()&mask != mask {
		p.asked.Or(mask)
	}
	return p.b[start : start+n : start+n], nil
}

// exactly reads n bytes at off, which are in a block that cannot be read whole.
func (c *Cache) exactly(off, n int64) ([]byte, error) {
	b := make([]byte, n)
	if _, err := c.fetch(b, off); err != nil {
		return nil, fmt.Errorf("bytes %d+%d: %w", off, n, err)
	}
	return b, nil
}

// get returns a piece, whatever has been read of it.
func (c *Cache) get(no int64) *piece {
	s := c.set(no)
	p := s.find(no)
	if p == nil {
		p = c.claim(s, no)
	}
	if !p.used.Load() {
		p.used.Store(true)
	}
	return p
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

// claim puts a piece into the table, unless it is there already.
func (c *Cache) claim(s *cacheSet, no int64) *piece {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.find(no); p != nil {
		return p
	}
	p := &piece{no: no, b: make([]byte, min(pieceSize, c.size-no<<pieceBits))}
	slot := s.victim()
	if slot.Load() != nil {
		c.evictions.Add(1)
	}
	slot.Store(p)
	return p
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
