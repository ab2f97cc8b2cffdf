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
	used   *list.List // loaded blocks, the last used in front
	closed bool

	ahead sync.WaitGroup // loads that nobody waits for yet
	slots chan struct{}  // as many of them run at the same time

	buffers sync.Pool // of reads of several blocks
}

// cachedBlock is being loaded until done is closed; data and err do not change
// after that.
type cachedBlock struct {
	index int64
	asked bool  // somebody wanted it: it was not only read ahead
	run   int64 // how many blocks up to this one were asked for, one after another
	ahead int64 // before which block all was begun by follow, in the same row
	done  chan struct{}
	data  []byte
	err   error
	place *list.Element
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
			return run[i-run[0].index].data, run[i-run[0].index].err
		}
		var after [][]*cachedBlock
		if !b.asked {
			after = c.ask(b)
		}
		if b.place != nil {
			c.used.MoveToFront(b.place)
		}
		c.mu.Unlock()
		c.loadAhead(after)
		<-b.done
		if b.err == nil {
			return b.data, nil
		}
		// Whoever fetched it failed, perhaps at a block that was only read
		// ahead: it is forgotten by now, so try for ourselves.
	}
}

// load fetches a run of reserved blocks by one read. Each gets memory of its
// own, so that what is dropped is free.
func (c *Cached) load(run []*cachedBlock) {
	for _, b := range run {
		b.err = errPanicked
	}
	defer c.settle(run) // also where the reader panics
	start, n := c.extent(run)
	buf := c.buffer(n)
	if len(run) > 1 {
		defer c.buffers.Put(&buf)
	}
	got, err := c.r.ReadAt(buf, start)
	if got < len(buf) && (err == nil || err == io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	c.fill(run, buf, got, err)
}

// extent is where a run of blocks lies, in bytes.
func (c *Cached) extent(run []*cachedBlock) (start, n int64) {
	start = run[0].index * c.blockSize
	return start, min(int64(len(run))*c.blockSize, c.size-start)
}

// fill gives blocks what a read of them brought: got bytes of buf.
func (c *Cached) fill(run []*cachedBlock, buf []byte, got int, err error) {
	for i, b := range run {
		from := int64(i) * c.blockSize
		to := min(from+c.blockSize, int64(len(buf)))
		switch {
		case to > int64(got):
			b.err = err
		case len(run) == 1:
			b.data, b.err = buf, nil
		default:
			b.data, b.err = append([]byte(nil), buf[from:to]...), nil
		}
	}
}

// buffer is memory for a read of n bytes: of several blocks, such as was used
// before.
func (c *Cached) buffer(n int64) []byte {
	if n <= c.blockSize {
		return make([]byte, n)
	}
	if b, ok := c.buffers.Get().(*[]byte); ok && int64(cap(*b)) >= n {
		return (*b)[:n]
	}
	return make([]byte, n)
}

var errPanicked = errorf("the reader panicked")

// settle makes loaded blocks count against the budget and forgets those that
// failed, then lets whoever waits for them go on.
func (c *Cached) settle(run []*cachedBlock) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range run {
		switch {
		case c.closed: // nothing is kept any more
		case b.err != nil:
			delete(c.blocks, b.index)
		default:
			b.place = c.used.PushFront(b)
		}
		close(b.done)
	}
	for c.used.Len() > c.maxBlocks {
		oldest := c.used.Remove(c.used.Back()).(*cachedBlock)
		delete(c.blocks, oldest.index)
	}
}
