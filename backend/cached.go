package backend

import (
	"cmp"
	"container/list"
	"io"
	"io/fs"
	"sync"
)

// CacheOptions size a [Cached]. The zero value, and nil, are the defaults.
type CacheOptions struct {
	BlockSize int   // bytes that are kept together, and the least that is read; zero means 4 KiB
	FirstRead int   // bytes that are read where nothing around was asked for; zero means 16 KiB
	Budget    int64 // bytes that are kept; zero means 32 MiB
	ReadAhead int   // bytes that one read may fetch when the reading is sequential; zero means 4 MiB
}

// Cached keeps blocks of a slow reader that does not change, such as [HTTP].
//
// Blocks that lie together are fetched by one read, and a block that several
// callers miss at the same time is fetched once. A read grows with what was
// asked for around it: see region. Where reading is sequential, the next blocks
// are fetched while the last ones are used. What is announced by
// [Cached.Prefetch] is fetched in as few requests as the reader allows. What was
// not used for longest goes first. It is safe for concurrent use; its
// goroutines end with Close.
type Cached struct {
	r         Reader
	many      RangesReader // r, where it reads several ranges at once
	size      int64
	blockSize int64
	firstRun  int64 // blocks that are read where nothing around was asked for
	maxRun    int64 // blocks that one read fetches at most
	maxBlocks int

	mu     sync.Mutex
	blocks map[int64]*cachedBlock
	used   *list.List // of *cachedRun, the last used in front
	kept   int        // blocks in these
	closed bool

	ahead sync.WaitGroup // loads that nobody waits for yet
	slots chan struct{}  // as many of them run at the same time
}

// cachedRun is blocks that were read together. They share their memory, and go
// together.
type cachedRun struct {
	blocks []*cachedBlock
	done   chan struct{} // closed when they are loaded
	place  *list.Element // in Cached.used, once they are
}

// cachedBlock is being loaded until its run is done; data and err do not change
// after that.
type cachedBlock struct {
	index int64
	asked bool  // somebody wanted it: it was not only read ahead
	run   int64 // how many blocks up to this one were asked for, one after another
	ahead int64 // before which block all was begun by follow, in the same row
	of    *cachedRun
	data  []byte
	err   error
}

var (
	_ Reader     = (*Cached)(nil)
	_ DataFinder = (*Cached)(nil)
)

// NewCached returns a cache over r, which it owns from then on. The size of r
// is asked once.
func NewCached(r Reader, opts *CacheOptions) (*Cached, error) {
	if opts == nil {
		opts = &CacheOptions{}
	}
	blockSize := int64(cmp.Or(opts.BlockSize, 4<<10))
	first := int64(cmp.Or(opts.FirstRead, 16<<10))
	budget := cmp.Or(opts.Budget, 32<<20)
	ahead := int64(cmp.Or(opts.ReadAhead, 4<<20))
	if blockSize < 0 || first < 0 || budget < 0 || ahead < 0 {
		return nil, invalid("negative cache options %+v", *opts)
	}
	size, err := r.Size()
	if err != nil {
		return nil, err
	}
	blocks := max(1, budget/blockSize)
	many, _ := r.(RangesReader)
	maxRun := max(1, min(ahead/blockSize, blocks/2))
	return &Cached{
		r: r, many: many, size: size, blockSize: blockSize,
		firstRun:  max(1, min(first/blockSize, maxRun)),
		maxRun:    maxRun,
		maxBlocks: int(min(blocks, 1<<30)),
		blocks:    make(map[int64]*cachedBlock),
		used:      list.New(),
		slots:     make(chan struct{}, loadsAhead),
	}, nil
}

// Size returns the length in bytes that the reader beneath had at first.
func (c *Cached) Size() (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, fs.ErrClosed
	}
	return c.size, nil
}

// NextData implements [DataFinder]. All of a reader that does not know its
// holes is data.
func (c *Cached) NextData(off int64) (start, end int64, err error) {
	if _, err := c.Size(); err != nil {
		return 0, 0, err
	}
	return NextData(c.r, off)
}

// Close drops the blocks and closes the reader beneath.
func (c *Cached) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return fs.ErrClosed
	}
	c.closed = true
	clear(c.blocks)
	c.used.Init()
	c.mu.Unlock()
	err := c.r.Close()
	c.ahead.Wait()
	return err
}

// ReadAt implements [io.ReaderAt].
func (c *Cached) ReadAt(p []byte, off int64) (int, error) {
	if err := checkRange("read", off, 0); err != nil {
		return 0, err
	}
	if _, err := c.Size(); err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if off >= c.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), c.size-off)]
	if run := c.maxRun * c.blockSize; int64(len(want)) > run {
		c.Prefetch([]Range{{off + run, int64(len(want)) - run}})
	}
	for done := 0; done < len(want); {
		at := off + int64(done)
		last := (off + int64(len(want)) - 1) / c.blockSize
		data, err := c.block(at/c.blockSize, last)
		if err != nil {
			return done, err
		}
		done += copy(want[done:], data[at%c.blockSize:])
	}
	if len(want) < len(p) {
		return len(want), io.EOF
	}
	return len(want), nil
}

// block returns block i. If it must be fetched, what is missing up to block
// last comes with it.
func (c *Cached) block(i, last int64) ([]byte, error) {
	for {
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			return nil, fs.ErrClosed
		}
		b := c.blocks[i]
		if b == nil {
			run, after := c.miss(i, last)
			c.mu.Unlock()
			c.loadAhead(after)
			c.load(run)
			b = run.blocks[i-run.blocks[0].index]
			return b.data, b.err
		}
		var after []*cachedRun
		if !b.asked {
			after = c.ask(b)
		}
		if b.of.place != nil {
			c.used.MoveToFront(b.of.place)
		}
		c.mu.Unlock()
		c.loadAhead(after)
		<-b.of.done
		if b.err == nil {
			return b.data, nil
		}
		// Whoever fetched it failed, perhaps at a block that was only read
		// ahead: it is forgotten by now, so try for ourselves.
	}
}

// load fetches reserved blocks by one read.
func (c *Cached) load(run *cachedRun) {
	run.unread()
	defer c.settle(run) // also where the reader panics
	start, n := c.extent(run)
	buf := make([]byte, n)
	got, err := ReadFull(c.r, buf, start)
	c.fill(run, buf, got, err)
}

// unread is what the blocks say if nothing comes.
func (run *cachedRun) unread() {
	for _, b := range run.blocks {
		b.err = errPanicked
	}
}

// extent is where a run of blocks lies, in bytes.
func (c *Cached) extent(run *cachedRun) (start, n int64) {
	start = run.blocks[0].index * c.blockSize
	return start, min(int64(len(run.blocks))*c.blockSize, c.size-start)
}

// fill gives blocks what a read of them brought: got bytes of buf.
func (c *Cached) fill(run *cachedRun, buf []byte, got int, err error) {
	for i, b := range run.blocks {
		from := int64(i) * c.blockSize
		to := min(from+c.blockSize, int64(len(buf)))
		if to > int64(got) {
			b.err = err
			continue
		}
		b.data, b.err = buf[from:to:to], nil
	}
}

var errPanicked = errorf("the reader panicked")

// settle counts loaded blocks against the budget, forgets those that failed,
// and wakes the waiters. If a part of a run failed, the run counts as a whole:
// its memory is in use.
func (c *Cached) settle(run *cachedRun) {
	c.mu.Lock()
	defer c.mu.Unlock()
	failed := 0
	for _, b := range run.blocks {
		if b.err != nil && !c.closed {
			delete(c.blocks, b.index)
			failed++
		}
	}
	close(run.done)
	if c.closed || failed == len(run.blocks) {
		return
	}
	run.place = c.used.PushFront(run)
	for c.kept += len(run.blocks); c.kept > c.maxBlocks && c.used.Len() > 1; {
		oldest := c.used.Remove(c.used.Back()).(*cachedRun)
		c.kept -= len(oldest.blocks)
		for _, b := range oldest.blocks {
			if c.blocks[b.index] == b {
				delete(c.blocks, b.index)
			}
		}
	}
}
