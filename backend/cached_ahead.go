package backend

import "slices"

const (
	// loadsAhead is how many reads run at the same time that nobody waits for.
	loadsAhead = 6

	// runsAhead is how many reads of the largest size are begun before what
	// reads from the beginning to the end gets there: while one is on its way,
	// others wait for their first byte.
	runsAhead = 6
)

// Range is a part of a disk or a file.
type Range struct {
	Off, Len int64 // bytes
}

// Prefetcher is implemented by a reader that can be told what will be asked
// for.
type Prefetcher interface {
	// Prefetch begins to fetch ranges that the caller is going to read, and
	// does not wait. What cannot be fetched, or is too much, is left out:
	// errors come when it is read.
	Prefetch(ranges []Range)
}

// Prefetch tells r what will be asked for, if it wants to know.
func Prefetch(r any, ranges []Range) {
	if p, ok := r.(Prefetcher); ok && len(ranges) > 0 {
		p.Prefetch(ranges)
	}
}

var _ Prefetcher = (*Cached)(nil)

// Prefetch implements [Prefetcher]. Ranges that lie close together are one
// read. At most a quarter of the budget is fetched.
func (c *Cached) Prefetch(ranges []Range) {
	var wanted []int64
	limit := max(1, c.maxBlocks/4)
	for _, r := range ranges {
		if r.Off < 0 || r.Len <= 0 || r.Off >= c.size {
			continue
		}
		end := min(r.Len, c.size-r.Off) + r.Off
		for i := r.Off / c.blockSize; i*c.blockSize < end && len(wanted) < limit; i++ {
			wanted = append(wanted, i)
		}
	}
	slices.Sort(wanted)
	c.mu.Lock()
	var runs [][]*cachedBlock
	for _, i := range slices.Compact(wanted) {
		if c.closed || c.blocks[i] != nil {
			continue
		}
		b := c.reserve(i)
		if n := len(runs); n > 0 && len(runs[n-1]) < int(c.maxRun) && runs[n-1][len(runs[n-1])-1].index == i-1 {
			runs[n-1] = append(runs[n-1], b)
			continue
		}
		runs = append(runs, []*cachedBlock{b})
	}
	c.begin(runs)
	c.mu.Unlock()
	c.loadAhead(runs)
}

// reserve marks a block as being loaded. The lock is held.
func (c *Cached) reserve(i int64) *cachedBlock {
	b := &cachedBlock{index: i, done: make(chan struct{})}
	c.blocks[i] = b
	return b
}

// begin announces loads, so that Close waits for them. The lock is held.
func (c *Cached) begin(runs [][]*cachedBlock) { c.ahead.Add(len(runs)) }

// loadAhead loads runs that were begun, and does not wait.
func (c *Cached) loadAhead(runs [][]*cachedBlock) {
	for _, run := range runs {
		go func() {
			defer c.ahead.Done()
			// Whoever wants the block finds it missing, and meets the panic.
			defer func() { _ = recover() }()
			c.slots <- struct{}{}
			defer func() { <-c.slots }()
			c.load(run)
		}()
	}
}

// miss reserves block i, which is not there, with what is worth fetching with
// it, and what is to be fetched afterwards. The lock is held.
func (c *Cached) miss(i, last int64) (run []*cachedBlock, after [][]*cachedBlock) {
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
	for n := from; n < to; n++ {
		run = append(run, c.reserve(n))
	}
	run[i-from].asked = true
	return run, c.follow(i)
}

// region returns the blocks worth fetching when block i is asked for, end not
// included: the largest aligned power of two of blocks, up to maxRun, around i
// or right before or after it, if half of them were asked for already. At most
// about twice of what is needed is fetched, in whatever order it is asked for,
// and the number of reads grows with the logarithm of what lies together. The
// lock is held.
func (c *Cached) region(i int64) (first, end int64) {
	first, end = i, i+1
	for n := int64(1); n <= c.maxRun; n *= 2 {
		if c.asked(i-n, i)*2 >= n {
			end = max(end, i+n)
		}
		if c.asked(i+1, i+1+n)*2 >= n {
			first = min(first, i+1-n)
		}
		if from := i &^ (n - 1); n > 2 && (c.asked(from, from+n)+1)*2 >= n {
			first, end = min(first, from), max(end, from+n)
		}
	}
	return max(first, 0), min(end, (c.size+c.blockSize-1)/c.blockSize)
}

// asked counts the blocks from first to before end that were asked for.
func (c *Cached) asked(first, end int64) int64 {
	n := int64(0)
	for i := first; i < end; i++ {
		if c.wasAsked(i) {
			n++
		}
	}
	return n
}

func (c *Cached) wasAsked(i int64) bool {
	b := c.blocks[i]
	return b != nil && b.asked
}

// askedBefore is how many blocks right before i were asked for, up to maxRun.
func (c *Cached) askedBefore(i int64) int64 {
	n := int64(0)
	for n < c.maxRun && c.wasAsked(i-n-1) {
		n++
	}
	return n
}

// follow reserves what comes after block i where everything before it was asked
// for, as far as a few reads of the largest size. The lock is held.
func (c *Cached) follow(i int64) [][]*cachedBlock {
	if c.maxRun < 2 || int64(c.maxBlocks) < 2*runsAhead*c.maxRun || c.askedBefore(i) < c.maxRun {
		return nil
	}
	var runs [][]*cachedBlock
	next := i + 1
	for next <= i+(runsAhead-1)*c.maxRun {
		if c.blocks[next] != nil {
			next++
			continue
		}
		var run []*cachedBlock
		for n := int64(0); n < c.maxRun && next*c.blockSize < c.size && c.blocks[next] == nil; n++ {
			run = append(run, c.reserve(next))
			next++
		}
		if len(run) == 0 {
			break // the end of the file
		}
		runs = append(runs, run)
	}
	c.begin(runs)
	return runs
}
