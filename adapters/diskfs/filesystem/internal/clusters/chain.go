package clusters

import (
	"sort"
)

// Chain is the clusters of a file or directory, in order.
type Chain struct {
	v    *Volume
	runs []run
	len  int64 // clusters
	err  error // why it ends before it should, nil if it does not
}

// run is clusters that lie together. It ends where the next one begins.
type run struct {
	index   uint32 // within the chain
	cluster uint32
}

// Chain follows the table from a cluster on. It ends with the table's mark or
// after limit clusters. Structure names the file in an error.
//
// An error does not undo what precedes it: see [Chain.Err].
func (v *Volume) Chain(structure string, start uint32, limit int64) Chain {
	ch := Chain{v: v}
	c := v.cursor()
	// Brent's way to find a loop: a mark that moves up by powers of two.
	mark, steps, power := start, int64(0), int64(1)
	for at := start; ch.len < limit; {
		if !v.Valid(at) {
			ch.err = v.damage(structure, at, "no such cluster")
			return ch
		}
		ch.add(at)
		next, err := c.next(at)
		if err != nil {
			ch.err = err
			return ch
		}
		if next == end {
			return ch
		}
		if next == 0 {
			ch.err = v.damage(structure, at, "the chain leads into a free cluster")
			return ch
		}
		if steps++; next == mark {
			ch.cutLoop(&c, start, steps)
			ch.err = v.damage(structure, next, "the chain loops")
			return ch
		}
		if steps == power {
			mark, steps, power = next, 0, power*2
		}
		at = next
	}
	return ch
}

// cutLoop cuts the chain to its clusters before they repeat, given the length
// of the loop.
func (ch *Chain) cutLoop(c *cursor, start uint32, loop int64) {
	ahead := start
	for range loop {
		ahead, _ = c.next(ahead)
	}
	distinct := loop
	for at := start; at != ahead; distinct++ {
		at, _ = c.next(at)
		ahead, _ = c.next(ahead)
		if distinct > ch.len { // the table changed meanwhile
			return
		}
	}
	for n := len(ch.runs); n > 0 && int64(ch.runs[n-1].index) >= distinct; n-- {
		ch.runs = ch.runs[:n-1]
	}
	ch.len = min(ch.len, distinct)
}

func (ch *Chain) add(cluster uint32) {
	index := uint32(ch.len)
	ch.len++
	if n := len(ch.runs); n > 0 {
		if last := ch.runs[n-1]; cluster-last.cluster == index-last.index {
			return
		}
	}
	ch.runs = append(ch.runs, run{index, cluster})
}

// Contiguous is n clusters that follow each other, as exFAT stores a file
// that needs no chain.
func (v *Volume) Contiguous(structure string, start uint32, n int64) Chain {
	ch := Chain{v: v}
	if n == 0 {
		return ch
	}
	if !v.Valid(start) {
		ch.err = v.damage(structure, start, "no such cluster")
		return ch
	}
	if fit := int64(v.Count - (start - First)); n > fit {
		ch.err = v.damage(structure, start, "%d clusters where only %d are left", n, fit)
		n = fit
	}
	ch.runs, ch.len = []run{{0, start}}, n
	return ch
}

// Len is the number of clusters.
func (ch *Chain) Len() int64 { return ch.len }

// Err says why the chain ends before it should.
func (ch *Chain) Err() error { return ch.err }

// at returns where byte off of the chain lies on the volume, and how many
// bytes follow it there. It returns 0, 0 past the end.
func (ch *Chain) at(off int64) (pos, n int64) {
	index := off >> ch.v.Bits
	if index >= ch.len {
		return 0, 0
	}
	i := sort.Search(len(ch.runs), func(i int) bool { return int64(ch.runs[i].index) > index }) - 1
	stop := ch.len
	if i+1 < len(ch.runs) {
		stop = int64(ch.runs[i+1].index)
	}
	r := ch.runs[i]
	skip := off - int64(r.index)<<ch.v.Bits
	return ch.v.Offset(r.cluster) + skip, (stop-int64(r.index))<<ch.v.Bits - skip
}

// Next returns a view of the chain's bytes from off on, up to 64 KiB of them, and where they
// lie on the volume. At the end it returns none, and [Chain.Err].
func (ch *Chain) Next(off int64) (b []byte, pos int64, err error) {
	pos, n := ch.at(off)
	if n == 0 {
		return nil, 0, ch.err
	}
	const window = 1 << 16
	n = min(n, pos&^(window-1)+window-pos)
	b, err = ch.v.Cache.Bytes(pos, n)
	return b, pos, err
}
