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
	BlockSize int   // bytes that are read and kept together; zero means 128 KiB
	Budget    int64 // bytes that are kept; zero means 32 MiB
	ReadAhead int   // bytes that one read may fetch when the reading is sequential; zero means 4 MiB
}

// Cached keeps blocks of a slow reader that does not change, such as [HTTP].
//
// Blocks that lie together are fetched by one read, and a block that several
// callers miss at the same time is fetched once. Where the block before a
// missing one is there already, reading is taken to be sequential, and twice
// as much is fetched as the time before. What was not used for longest goes
// first. It is safe for concurrent use and starts no goroutine.
type Cached struct {
	r         Reader
	size      int64
	blockSize int64
	maxRun    int64 // blocks that one read fetches at most
	maxBlocks int

	mu     sync.Mutex
	blocks map[int64]*cachedBlock
	used   *list.List // loaded blocks, the last used in front
	closed bool
}

// cachedBlock is being loaded until done is closed; data and err do not change
// after that.
type cachedBlock struct {
	index int64
	run   int64 // blocks that were fetched together with it
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
	blockSize := int64(cmp.Or(opts.BlockSize, 128<<10))
	budget := cmp.Or(opts.Budget, 32<<20)
	ahead := int64(cmp.Or(opts.ReadAhead, 4<<20))
	if blockSize < 0 || budget < 0 || ahead < 0 {
		return nil, invalid("negative cache options %+v", *opts)
	}
	size, err := r.Size()
	if err != nil {
		return nil, err
	}
	blocks := max(1, budget/blockSize)
	return &Cached{
		r: r, size: size, blockSize: blockSize,
		maxRun:    max(1, min(ahead/blockSize, blocks/2)),
		maxBlocks: int(min(blocks, 1<<30)),
		blocks:    make(map[int64]*cachedBlock),
		used:      list.New(),
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
	defer c.mu.Unlock()
	if c.closed {
		return fs.ErrClosed
	}
	c.closed = true
	clear(c.blocks)
	c.used.Init()
	return c.r.Close()
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
			run := c.reserve(i, last)
			c.mu.Unlock()
			c.load(run)
			return run[0].data, run[0].err
		}
		if b.place != nil {
			c.used.MoveToFront(b.place)
		}
		c.mu.Unlock()
		<-b.done
		if b.err == nil {
			return b.data, nil
		}
		// Whoever fetched it failed, perhaps at a block that was only read
		// ahead: it is forgotten by now, so try for ourselves.
	}
}

// reserve marks block i and missing blocks after it as being loaded. The lock
// is held.
func (c *Cached) reserve(i, last int64) []*cachedBlock {
	want := last - i + 1
	if before := c.blocks[i-1]; before != nil {
		want = max(want, 2*before.run)
	}
	want = min(want, c.maxRun, (c.size-1)/c.blockSize-i+1)
	var run []*cachedBlock
	for n := range want {
		if c.blocks[i+n] != nil {
			break
		}
		b := &cachedBlock{index: i + n, done: make(chan struct{})}
		c.blocks[i+n] = b
		run = append(run, b)
	}
	for _, b := range run {
		b.run = int64(len(run))
	}
	return run
}

// load fetches a run of reserved blocks by one read. Each gets memory of its
// own, so that what is dropped is free.
func (c *Cached) load(run []*cachedBlock) {
	start := run[0].index * c.blockSize
	end := min(start+int64(len(run))*c.blockSize, c.size)
	for _, b := range run {
		b.err = errPanicked
	}
	defer c.settle(run) // also where the reader panics
	buf := make([]byte, end-start)
	n, err := c.r.ReadAt(buf, start)
	if n < len(buf) && (err == nil || err == io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	for i, b := range run {
		from := int64(i) * c.blockSize
		to := min(from+c.blockSize, int64(len(buf)))
		switch {
		case to > int64(n):
			b.err = err
		case len(run) == 1:
			b.data, b.err = buf, nil
		default:
			b.data, b.err = append([]byte(nil), buf[from:to]...), nil
		}
	}
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
