package backend

import (
	"cmp"
	"io"
	"slices"
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

	// Prefetches reports whether that is of use: whether this reader, or one
	// beneath it, fetches anything.
	Prefetches() bool
}

// Prefetch tells r what will be asked for, if it wants to know. Of an
// [io.SectionReader] it tells what that is a part of.
func Prefetch(r any, ranges []Range) {
	if len(ranges) == 0 {
		return
	}
	switch r := r.(type) {
	case Prefetcher:
		r.Prefetch(ranges)
	case *io.SectionReader:
		beneath, base, size := r.Outer()
		Prefetch(beneath, within(ranges, base, size))
	}
}

// Prefetches reports whether it is of use to tell r what will be asked for. It
// is not where the bytes are on this machine, and then the caller need not find
// out what that would be.
func Prefetches(r any) bool {
	switch r := r.(type) {
	case Prefetcher:
		return r.Prefetches()
	case *io.SectionReader:
		beneath, _, _ := r.Outer()
		return Prefetches(beneath)
	}
	return false
}

// within is where ranges of a part, which has size bytes from base on, lie in
// the whole.
func within(ranges []Range, base, size int64) (inside []Range) {
	for _, r := range ranges {
		if r.Off >= 0 && r.Len > 0 && r.Off < size {
			inside = append(inside, Range{base + r.Off, min(r.Len, size-r.Off)})
		}
	}
	return inside
}

// RangeRead is a part of a file with the memory that it is to be read into.
type RangeRead struct {
	Off int64
	P   []byte
	Err error // why P is not filled
}

// RangesReader is implemented by a reader that reads several ranges about as
// fast as one.
type RangesReader interface {
	// ReadsRanges reports whether it does so. That may change, once a server
	// has shown what it can do.
	ReadsRanges() bool

	// ReadRanges reads all of them, and sets the error of each that it cannot
	// read.
	ReadRanges(reads []*RangeRead)
}

const (
	// One request has at most so many ranges, as servers allow them and the
	// line of the request stays short, and so many bytes in them.
	maxRanges     = 64
	maxRangeBytes = 1 << 20

	// joinBytes is the longest gap between ranges that is fetched with them,
	// where each range is a request.
	joinBytes = 64 << 10

	// So few runs are somebody's next step rather than all that they need.
	fewRuns = 4
)

var _ Prefetcher = (*Cached)(nil)

// Prefetches implements [Prefetcher].
func (c *Cached) Prefetches() bool { return true }

// Prefetch implements [Prefetcher]. Ranges that lie close together are one
// read. At most a quarter of the budget is fetched.
func (c *Cached) Prefetch(ranges []Range) {
	wanted := c.announced(ranges)
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	runs := c.plan(wanted)
	if len(runs) <= fewRuns {
		for i := range runs {
			c.widen(&runs[i])
		}
	}
	groups := c.group(runs)
	c.ahead.Add(len(groups))
	c.mu.Unlock()
	for _, g := range groups {
		go c.unwaited(func() {
			if len(g) == 1 {
				c.load(g[0])
				return
			}
			c.loadRanges(g)
		})
	}
}

// announced is the blocks of ranges, in order and each once, up to a quarter of
// the budget.
func (c *Cached) announced(ranges []Range) []int64 {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Compare(a.Off, b.Off) })
	var wanted []int64
	limit, next := max(1, c.maxBlocks/4), int64(0)
	for _, r := range ranges {
		if r.Off < 0 || r.Len <= 0 || r.Off >= c.size {
			continue
		}
		end := min(r.Len, c.size-r.Off) + r.Off
		for next = max(next, r.Off/c.blockSize); next*c.blockSize < end && len(wanted) < limit; next++ {
			wanted = append(wanted, next)
		}
	}
	return wanted
}

// plan reserves those of the blocks that are missing, in runs. The lock is held.
func (c *Cached) plan(wanted []int64) (runs [][]*cachedBlock) {
	for _, i := range wanted {
		if c.blocks[i] != nil {
			continue
		}
		last := len(runs) - 1
		if last < 0 || !c.join(&runs[last], i) {
			runs = append(runs, nil)
			last++
		}
		runs[last] = append(runs[last], c.reserve(i))
	}
	return runs
}

// widen reserves what is worth fetching after a run that somebody would miss
// alone, as [Cached.miss] does. The lock is held.
func (c *Cached) widen(run *[]*cachedBlock) {
	first := (*run)[0].index
	_, end := c.region(first)
	for i := first + int64(len(*run)); i < end && int64(len(*run)) < c.maxRun && c.blocks[i] == nil; i++ {
		*run = append(*run, c.reserve(i))
	}
}

// joins reports whether one request may have several ranges.
func (c *Cached) joins() bool { return c.many != nil && c.many.ReadsRanges() }

// join reserves what lies between a run and block i, if both should be one read:
// where the gap costs less than another request. The lock is held.
func (c *Cached) join(run *[]*cachedBlock, i int64) bool {
	n := int64(len(*run))
	next := (*run)[n-1].index + 1
	most := min(n, joinBytes/c.blockSize)
	if c.joins() {
		most = min(most, c.firstRun)
	}
	if i-next > most || n+i-next >= c.maxRun {
		return false
	}
	for k := next; k < i; k++ {
		if c.blocks[k] != nil {
			return false
		}
	}
	for ; next < i; next++ {
		*run = append(*run, c.reserve(next))
	}
	return true
}

// group divides runs among requests. The lock is held.
func (c *Cached) group(runs [][]*cachedBlock) (groups [][]*cachedRun) {
	bytes := int64(0)
	for _, blocks := range runs {
		run := together(blocks)
		_, n := c.extent(run)
		last := len(groups) - 1
		if last < 0 || !c.joins() || len(groups[last]) == maxRanges || bytes+n > maxRangeBytes {
			groups = append(groups, nil)
			last++
			bytes = 0
		}
		groups[last] = append(groups[last], run)
		bytes += n
	}
	return groups
}

// loadRanges fetches several runs of reserved blocks by one request.
func (c *Cached) loadRanges(runs []*cachedRun) {
	reads := make([]*RangeRead, len(runs))
	for i, run := range runs {
		run.unread()
		defer c.settle(run)
		start, n := c.extent(run)
		reads[i] = &RangeRead{Off: start, P: make([]byte, n)}
	}
	c.many.ReadRanges(reads)
	for i, run := range runs {
		got := len(reads[i].P)
		if reads[i].Err != nil {
			got = 0
		}
		c.fill(run, reads[i].P, got, reads[i].Err)
	}
}
