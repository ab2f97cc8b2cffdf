package nbd

import (
	"encoding/binary"
	"net"
)

// succeed answers a request that asks for nothing but to be done.
func (c *connection) succeed(q *request) {
	if c.structured && q.command == cmdRead {
		c.send(appendChunk(nil, q, chunkDone, chunkNone, 0))
		return
	}
	c.send(appendSimple(make([]byte, 0, simpleSize), q, 0))
}

// fail answers a request with an error.
func (c *connection) fail(q *request, e errno, why string) {
	if !c.structured {
		c.send(appendSimple(nil, q, e))
		return
	}
	why = why[:min(len(why), maxString)]
	b := appendChunk(nil, q, chunkDone, chunkError, 6+len(why))
	b = binary.BigEndian.AppendUint32(b, uint32(e))
	b = binary.BigEndian.AppendUint16(b, uint16(len(why)))
	c.send(append(b, why...))
}

// failAt is fail for a read that has sent what lies before off.
func (c *connection) failAt(q *request, e errno, why string, off uint64) {
	why = why[:min(len(why), maxString)]
	b := appendChunk(nil, q, chunkDone, chunkErrorOffset, 14+len(why))
	b = binary.BigEndian.AppendUint32(b, uint32(e))
	b = binary.BigEndian.AppendUint16(b, uint16(len(why)))
	b = append(b, why...)
	c.send(binary.BigEndian.AppendUint64(b, off))
}

func appendSimple(b []byte, q *request, e errno) []byte {
	b = binary.BigEndian.AppendUint32(b, magicSimple)
	b = binary.BigEndian.AppendUint32(b, uint32(e))
	return binary.BigEndian.AppendUint64(b, q.cookie)
}

// appendChunk appends the header of a chunk of n bytes.
func appendChunk(b []byte, q *request, flags, kind uint16, n int) []byte {
	b = binary.BigEndian.AppendUint32(b, magicStructured)
	b = binary.BigEndian.AppendUint16(b, flags)
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint64(b, q.cookie)
	return binary.BigEndian.AppendUint32(b, uint32(n))
}

// send sends a header and the data that follows it. Where another worker is
// about to send something, small replies are left for it to send along. After
// an error nothing more is sent, and the connection is closed.
func (c *connection) send(header []byte, data ...[]byte) {
	c.writers.Add(1)
	w := &c.writing
	w.Lock()
	defer w.Unlock()
	last := c.writers.Add(-1) == 0
	if w.err != nil {
		return
	}
	if w.out == nil {
		w.out = make([]byte, 0, writeBuffer)
	}
	n := len(header)
	for _, d := range data {
		n += len(d)
	}
	w.out = append(w.out, header...)
	if n > smallBytes+chunkSize+8 {
		c.flush(data)
		return
	}
	for _, d := range data {
		w.out = append(w.out, d...)
	}
	if last || len(w.out) > writeBuffer-smallBytes-2*chunkSize {
		c.flush(nil)
	}
}

// flush sends what is buffered, and data after it.
func (c *connection) flush(data [][]byte) {
	w := &c.writing
	c.writeWithin(c.server.opts.Timeout)
	if len(data) == 0 {
		_, w.err = c.conn.Write(w.out)
	} else {
		parts := append(net.Buffers{w.out}, data...)
		_, w.err = parts.WriteTo(c.conn)
	}
	w.out = w.out[:0]
	if w.err != nil {
		c.raw.Close() // ends the reading too
	}
}
