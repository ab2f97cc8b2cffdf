// Package pieces keeps what was decompressed last: files are mostly read in
// pieces smaller than those that a filesystem compresses.
package pieces

import "sync"

const kept = 32

// Recent are the last 32 pieces of data that were put into it. The zero value
// has none. It is safe for concurrent use; pieces are shared and must not be
// written to.
type Recent struct {
	mu   sync.Mutex
	last [kept]piece
	next int
}

type piece struct {
	at uint64
	b  []byte
}

// Get returns the piece that was stored at a place of the volume, nil if it is
// not kept.
func (p *Recent) Get(at uint64) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.last {
		if x.b != nil && x.at == at {
			return x.b
		}
	}
	return nil
}

// Put keeps a piece, in place of the one that was put in 32 pieces before.
func (p *Recent) Put(at uint64, b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last[p.next] = piece{at, b}
	p.next = (p.next + 1) % kept
}
