package nbd

import (
	"context"
	"errors"
	"io"
	"sync"
)

// transmit answers requests until the client leaves. The workers take turns
// in reading: one reads a request, lets the next one read, does what was asked
// and answers. So a request that takes long holds no other up, and nothing is
// handed from goroutine to goroutine.
func (c *connection) transmit(ctx context.Context) error {
	c.readWithin(0)
	var workers sync.WaitGroup
	c.reading.workers = 1
	c.work(ctx, &workers)
	workers.Wait()
	err := c.reading.err
	if err == io.EOF || errors.Is(err, errDisconnect) || ctx.Err() != nil {
		err = nil
	}
	if err == nil {
		err = c.writing.err
	}
	return err
}

// work answers requests, one after the other.
func (c *connection) work(ctx context.Context, workers *sync.WaitGroup) {
	var q request
	for c.take(ctx, &q, workers) {
		c.do(ctx, &q)
		q.payload.put()
	}
	q.payload.put()
}

// take waits for the turn to read, and reads a request.
func (c *connection) take(ctx context.Context, q *request, workers *sync.WaitGroup) bool {
	c.readers.Add(1)
	c.reading.Lock()
	defer c.reading.Unlock()
	others := c.readers.Add(-1)
	if c.reading.ended {
		return false
	}
	if err := c.readRequest(ctx, q); err != nil {
		c.reading.ended, c.reading.err = true, err
		return false
	}
	if others == 0 && c.readers.Load() == 0 && c.reading.workers < maxWorkers {
		c.reading.workers++
		workers.Go(func() { c.work(ctx, workers) })
	}
	return true
}

// do does what a request asks for, and answers it.
func (c *connection) do(ctx context.Context, q *request) {
	if q.refused != 0 {
		c.fail(q, q.refused, q.why)
		return
	}
	d := c.device
	var err error
	switch q.command {
	case cmdRead:
		c.doRead(ctx, q)
		return
	case cmdBlockStatus:
		c.doBlockStatus(q)
		return
	case cmdWrite:
		err = d.writeParts(q.payload.parts, int64(q.off))
	case cmdWriteZeroes:
		if q.flags&cmdFlagFastZero != 0 {
			err = d.mustBeFast(int64(q.off), int64(q.length))
		}
		if err == nil {
			err = d.writable.WriteZeroes(d.base+int64(q.off), int64(q.length))
		}
	case cmdTrim:
		if d.discards != nil {
			err = d.discards.Discard(d.base+int64(q.off), int64(q.length))
		}
	case cmdCache:
		err = c.doCache(q)
	}
	if err == nil && d.writable != nil && (q.command == cmdFlush || q.flags&cmdFlagFUA != 0) {
		err = d.writable.Sync()
	}
	if err != nil {
		c.failed(q, err)
		return
	}
	c.succeed(q)
}

func (d *device) writeParts(parts [][]byte, off int64) error {
	for _, p := range parts {
		if err := d.write(p, off); err != nil {
			return err
		}
		off += int64(len(p))
	}
	return nil
}

// doCache reads what the client will want soon, for the host to have it in
// memory.
func (c *connection) doCache(q *request) error {
	buf := smallBuffers.Get().(*[smallBytes]byte)
	defer smallBuffers.Put(buf)
	for off, end := int64(q.off), int64(q.off)+int64(q.length); off < end; {
		b := buf[:min(end-off, smallBytes)]
		if err := c.device.read(b, off); err != nil {
			return err
		}
		if off += int64(len(b)); c.isStopping() {
			return nil // it was a hint
		}
	}
	return nil
}

// failed answers a request that the disk failed.
func (c *connection) failed(q *request, err error) {
	c.note(q, err)
	c.fail(q, errnoOf(err), err.Error())
}

func (c *connection) note(q *request, err error) {
	c.server.opts.Logger.Error("nbd: request failed", "export", c.device.name,
		"command", uint16(q.command), "offset", q.off, "length", q.length, "error", err)
}
