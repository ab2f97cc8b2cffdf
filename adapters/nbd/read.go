package nbd

import (
	"context"
	"encoding/binary"

	"github.com/qedfs/qedfs/qedfile"
)

// doRead answers a read: in one reply where the client cannot have it in
// parts, else in chunks, of which those without data are only told.
func (c *connection) doRead(ctx context.Context, q *request) {
	n := int(q.length)
	if n == 0 {
		c.succeed(q)
		return
	}
	whole := !c.structured || q.flags&cmdFlagDF != 0 || n <= smallBytes
	var b buffers
	defer b.put()
	reserve := n
	if !whole {
		reserve = pieceBytes
	}
	if b.get(ctx, c, reserve) != nil {
		c.fail(q, eShutdown, "the server ends")
		return
	}
	if whole {
		c.readWhole(q, &b)
		return
	}
	c.readChunks(q, b.grow(pieceBytes))
}

func (c *connection) readWhole(q *request, b *buffers) {
	err := cut(int(q.length), func(off, n int) error {
		return c.device.read(b.grow(n), int64(q.off)+int64(off))
	})
	if err != nil {
		c.failed(q, err)
		return
	}
	var space [chunkSize + 8]byte
	header := space[:0]
	if c.structured {
		header = appendChunk(header, q, chunkDone, chunkOffsetData, 8+int(q.length))
		header = binary.BigEndian.AppendUint64(header, q.off)
	} else {
		header = appendSimple(header, q, 0)
	}
	c.send(header, b.parts...)
}

// readChunks answers a long read by chunks of a piece at the most.
func (c *connection) readChunks(q *request, piece []byte) {
	pos, end := int64(q.off), int64(q.off)+int64(q.length)
	for e, err := range c.device.extents(pos, end-pos) {
		if err != nil {
			c.note(q, err)
			c.failAt(q, errnoOf(err), err.Error(), uint64(pos))
			return
		}
		if e.Kind != qedfile.Data {
			c.sendHole(q, e, end)
			pos = e.Start + e.Length
			continue
		}
		for stop := e.Start + e.Length; pos < stop; {
			b := piece[:min(stop-pos, pieceBytes)]
			if err := c.device.read(b, pos); err != nil {
				c.note(q, err)
				c.failAt(q, errnoOf(err), err.Error(), uint64(pos))
				return
			}
			c.sendData(q, b, pos, end)
			pos += int64(len(b))
		}
	}
	if pos < end { // the disk has become shorter
		c.failAt(q, eIO, "past the end of the disk", uint64(pos))
	}
}

// doneAt is the flag of a chunk that reaches to pos.
func doneAt(pos, end int64) uint16 {
	if pos == end {
		return chunkDone
	}
	return 0
}

func (c *connection) sendData(q *request, b []byte, pos, end int64) {
	var space [chunkSize + 8]byte
	header := appendChunk(space[:0], q, doneAt(pos+int64(len(b)), end), chunkOffsetData, 8+len(b))
	c.send(binary.BigEndian.AppendUint64(header, uint64(pos)), b)
}

func (c *connection) sendHole(q *request, e qedfile.Extent, end int64) {
	b := appendChunk(nil, q, doneAt(e.Start+e.Length, end), chunkOffsetHole, 12)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Start))
	c.send(binary.BigEndian.AppendUint32(b, uint32(e.Length)))
}
