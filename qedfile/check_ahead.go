package qedfile

import "iter"

// checkWorkers is how many batches of L2 tables are read at once, while one is
// checked.
const checkWorkers = 4

// A loadedTable is an L2 table on its way to be checked.
type loadedTable struct {
	index  int64 // of the L1 entry
	entry  uint64
	ahead  bool         // the next are what was read of it before its turn
	pieces []tablePiece // in the buffer of its batch
	err    error
}

// A tableBatch is a few of them. Together they are worth a goroutine's turn.
type tableBatch struct {
	tables []loadedTable
	ahead  int64 // bytes that are read ahead
	buf    *[bufferBytes]byte
}

// batches yields the entries of a part of the L1 table that are not 0.
//
// Valid tables fit into the file. If an image refers to more tables than that,
// no more than the length of the file is read ahead.
func (c *checker) batches(p tablePiece) iter.Seq2[*tableBatch, error] {
	const most = 256
	length := c.l2.length
	return func(yield func(*tableBatch, error) bool) {
		b := &tableBatch{}
		for i := range p.len() {
			e := p.entry(i)
			if e == 0 {
				continue
			}
			if len(b.tables) == most || len(b.tables) > 0 && b.ahead+length > bufferBytes {
				if !yield(b, nil) {
					return
				}
				b = &tableBatch{}
			}
			t := loadedTable{index: p.first + i, entry: e}
			if length <= min(bufferBytes, c.ahead) && c.h.checkTable(e, c.usable) == "" {
				t.ahead = true
				b.ahead += length
				c.ahead -= length
			}
			b.tables = append(b.tables, t)
		}
		yield(b, nil)
	}
}

func (c *checker) load(b *tableBatch) error {
	if b.ahead == 0 {
		return nil
	}
	b.buf = c.buffers.get()
	free := b.buf[:]
	for i := range b.tables {
		t := &b.tables[i]
		if !t.ahead {
			continue
		}
		for p, err := range c.l2.piecesIn(free[:c.l2.length], int64(t.entry)) {
			if t.err = err; err == nil {
				t.pieces = append(t.pieces, p)
			}
		}
		free = free[c.l2.length:]
	}
	return nil
}

// piecesOf is what load has read of a table, or reads it now.
func (c *checker) piecesOf(t *loadedTable) iter.Seq2[tablePiece, error] {
	if !t.ahead {
		return c.l2.pieces(int64(t.entry))
	}
	return func(yield func(tablePiece, error) bool) {
		for _, p := range t.pieces {
			if !yield(p, nil) {
				return
			}
		}
		if t.err != nil {
			yield(tablePiece{}, t.err)
		}
	}
}
