package qedfile

import (
	"bytes"
	"sync"
)

// bufferBytes is the length of the buffers that an image works with: at least
// a slice of a table.
const bufferBytes = 256 << 10

// buffers recycles buffers of bufferBytes.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *[bufferBytes]byte {
	if buf, ok := b.pool.Get().(*[bufferBytes]byte); ok {
		return buf
	}
	return new([bufferBytes]byte)
}

func (b *buffers) put(buf *[bufferBytes]byte) { b.pool.Put(buf) }

// isZero reports whether b has only zero bytes. Comparing a slice with itself
// one byte on is as quick as the machine's own memory comparison, and stops
// as early.
func isZero(b []byte) bool {
	return len(b) == 0 || b[0] == 0 && bytes.Equal(b[:len(b)-1], b[1:])
}
