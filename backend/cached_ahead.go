package backend

const (
	// loadsAhead is how many reads run at the same time that nobody waits for.
	loadsAhead = 8

	// streamBytes is how much must have been read from one block to the next
	// for what follows to be fetched ahead. From fastBytes on, more is fetched
	// than was read so far.
	streamBytes = 256 << 10
	fastBytes   = 1 << 20
)

// reserve marks a block as being loaded. The lock is held.
func (c *Cached) reserve(i int64) *cachedBlock {
	b := &cachedBlock{index: i}
	c.blocks[i] = b
	return b
}

// together makes a run of reserved blocks that follow each other. It must be
// done before the lock is given back.
func together(blocks []*cachedBlock) *cachedRun {
	run := &cachedRun{blocks: blocks, done: make(chan struct{})}
	for _, b := range blocks {
		b.of = run
	}
	return run
}

// loadAhead loads runs that were begun, each by a read of its own, and does not
// wait.
func (c *Cached) loadAhead(runs []*cachedRun) {
	for _, run := range runs {
		go c.unwaited(func() { c.load(run) })
	}
}

// unwaited runs one of the loads that were begun.
func (c *Cached) unwaited(load func()) {
	defer c.ahead.Done()
	// Whoever wants the block finds it missing, and meets the panic.
	defer func() { _ = recover() }()
	c.slots <- struct{}{}
	defer func() { <-c.slots }()
	load()
}

// miss reserves block i, which is not there, with what is worth fetching with
// it, and what is to be fetched afterwards. The lock is held.
func (c *Cached) miss(i, last int64) (run *cachedRun, after []*cachedRun) {
	first, end := c.region(i)
	end = max(end, min(last+1, i+c.maxRun))
	// One read fetches what is missing around i.
	from, to := i, i+1
	for from > first && c.blocks[from-1] == nil {
		from--
	}
	for to < end && to-from < c.maxRun && c.blocks[to] == nil {
		to++
	}
	var blocks []*cachedBlock
	for n := from; n < to; n++ {
		blocks = append(blocks, c.reserve(n))
	}
	return together(blocks), c.ask(blocks[i-from])
}

// region returns the blocks worth fetching when block i is asked for, end not
// included: the first read at least, or the largest aligned power of two of
// blocks, up to maxRun, around i or right before or after it, if half of them
// were asked for already. At most about twice of what is needed is fetched, in
// whatever order it is asked for, and the number of reads grows with the
// logarithm of what lies together. The lock is held.
func (c *Cached) region(i int64) (first, end int64) {
	first = i - i%c.firstRun
	end = first + c.firstRun
	// What was asked for is a part of a larger whole: none of a few sizes tells.
	for n, found := int64(1), c.firstRun; n <= min(c.maxRun, 8*found); n *= 2 {
		if c.asked(i-n, i)*2 >= n {
			end, found = max(end, i+n), n
		}
		if c.asked(i+1, i+1+n)*2 >= n {
			first, found = min(first, i+1-n), n
		}
		if from := i &^ (n - 1); n > 2 && (c.asked(from, from+n)+1)*2 >= n {
			first, end, found = min(first, from), max(end, from+n), n
		}
	}
	return max(first, 0), min(end, c.blockCount())
}

func (c *Cached) blockCount() int64 { return (c.size + c.blockSize - 1) / c.blockSize }

// asked counts the blocks from first to before end that were asked for.
func (c *Cached) asked(first, end int64) int64 {
	n := int64(0)
	for i := first; i < end; i++ {
		if b := c.blocks[i]; b != nil && b.asked {
			n++
		}
	}
	return n
}

// ask marks a block as wanted, and reserves what is to be fetched afterwards.
// The lock is held.
func (c *Cached) ask(b *cachedBlock) []*cachedRun {
	b.asked, b.run = true, 1
	if before := c.blocks[b.index-1]; before != nil && before.asked {
		b.run, b.ahead = before.run+1, before.ahead
	}
	return c.follow(b)
}

// follow reserves what comes after block b where everything before it was asked
// for: as much as that was, and more where that is much, up to half of the
// budget. The lock is held.
func (c *Cached) follow(b *cachedBlock) []*cachedRun {
	if c.maxRun < 2 || b.run < min(c.maxRun, streamBytes/c.blockSize) {
		return nil
	}
	window := b.run
	if window*c.blockSize >= fastBytes {
		window *= 4
	}
	window = min(window, int64(c.maxBlocks)/2, loadsAhead*c.maxRun)
	next := max(b.ahead, b.index+1)
	end := min(b.index+1+window, c.blockCount())
	if end-next < min(window/2, c.maxRun) && end < c.blockCount() {
		return nil // enough is under way
	}
	var runs []*cachedRun
	for next < end {
		var run []*cachedBlock
		for ; next < end && int64(len(run)) < c.maxRun && c.blocks[next] == nil; next++ {
			run = append(run, c.reserve(next))
		}
		if len(run) == 0 {
			next++
			continue
		}
		runs = append(runs, together(run))
	}
	b.ahead = max(b.ahead, end)
	c.ahead.Add(len(runs)) // Close waits for them
	return runs
}
