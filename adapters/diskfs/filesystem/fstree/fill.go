package fstree

import "math/bits"

// blockMask has the bits of a piece's blocks from one to before another.
func blockMask(from, to int64) uint32 { return uint32(1)<<to - uint32(1)<<from }

// contents is what is in the bytes that are read.
type contents int

const (
	ofMetadata contents = iota
	ofFiles
)

// fill reads the blocks of a piece that mask has, as far as they are missing,
// and what is worth reading with them.
func (c *Cache) fill(p *piece, mask uint32, of contents) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.run = max(p.run, 1)
	for {
		have := p.have.Load()
		missing := mask &^ have
		if missing == 0 {
			return nil // somebody else has read it
		}
		first := int64(bits.TrailingZeros32(missing))
		end := first + int64(bits.TrailingZeros32(^(missing >> first)))
		from, to := c.around(p, first, end, of)
		// As far as it is missing, in one row.
		for from < first && have&blockMask(from, first) != 0 {
			from++
		}
		for to > end && have&blockMask(end, to) != 0 {
			to--
		}
		if to == blocks && of == ofMetadata && c.fillRun(p, from) {
			continue
		}
		if c.read(p, from, to) != nil && (from == first && to == end || c.read(p, first, end) != nil) {
			return errNotRead
		}
	}
}

// around is the part of a piece that is worth reading where the blocks from
// first to before end are missing: these alone if nothing was missed near them
// lately, else all of the piece. Of small files it is these alone until many
// were asked for: most of what lies around them is read past the cache.
func (c *Cache) around(p *piece, first, end int64, of contents) (from, to int64) {
	if c.announces {
		return first, end // what is beneath decides, and knows what was announced
	}
	near := false
	if of == ofFiles {
		near = bits.OnesCount32(p.asked.Load()) >= denseBlocks
	} else {
		for i := range c.missed {
			at := c.missed[i].Load() - 1
			near = near || at >= 0 && max(at-p.no, p.no-at) <= nearPieces
		}
		c.missed[uint64(c.misses.Add(1))%uint64(len(c.missed))].Store(p.no + 1)
	}
	if !near {
		return first, end
	}
	return 0, int64(len(p.b)+blockSize-1) >> blockBits
}

// read reads the blocks of a piece from one to before another, which are
// missing. The lock of the piece is held.
func (c *Cache) read(p *piece, from, to int64) error {
	b := p.b[from<<blockBits : min(to<<blockBits, int64(len(p.b)))]
	_, err := c.fetch(b, p.no<<pieceBits+from<<blockBits)
	if err == nil {
		p.have.Or(blockMask(from, to))
	}
	return err
}

// fillRun reads a piece from a block to its end, and pieces after it, at once:
// where the piece before was read for more than one of its blocks, and twice as
// much as was read with that. It returns false where that is not worth it, or
// fails, so that an unreadable spot spoils no neighbour.
func (c *Cache) fillRun(p *piece, from int64) bool {
	before := c.find(p.no - 1)
	if before == nil || bits.OnesCount32(before.asked.Load())*2 < blocks || !before.mu.TryLock() {
		return false
	}
	run := min(before.run*2, maxRun, len(c.sets)*setWays/4)
	before.mu.Unlock()
	taken := c.take(p, run)
	defer func() {
		for _, next := range taken[1:] {
			next.mu.Unlock()
		}
	}()
	if len(taken) < 2 {
		return false
	}
	buf, _ := c.runs.Get().(*[maxRun * pieceSize]byte)
	if buf == nil {
		buf = new([maxRun * pieceSize]byte)
	}
	defer c.runs.Put(buf)
	skip := from << blockBits
	off := p.no << pieceBits
	b := buf[skip:min(int64(len(taken))*pieceSize, c.size-off)]
	if _, err := c.fetch(b, off+skip); err != nil {
		return false
	}
	for i, q := range taken {
		if i > 0 {
			from = 0
		}
		b = b[copy(q.b[from<<blockBits:], b):]
		q.run = len(taken)
		q.have.Or(blockMask(from, blocks))
	}
	return true
}

// take returns a piece and up to run-1 that follow it and have not been read,
// each with its lock held.
func (c *Cache) take(p *piece, run int) []*piece {
	taken := []*piece{p}
	for i := 1; i < run && (p.no+int64(i))<<pieceBits < c.size; i++ {
		no := p.no + int64(i)
		s := c.set(no)
		if s.find(no) != nil {
			break // somebody reads it otherwise
		}
		next := c.claim(s, no)
		if !next.mu.TryLock() {
			break
		}
		if next.have.Load() != 0 {
			next.mu.Unlock()
			break
		}
		taken = append(taken, next)
	}
	return taken
}

// find returns a piece if it is in the table.
func (c *Cache) find(no int64) *piece {
	if no < 0 {
		return nil
	}
	return c.set(no).find(no)
}
