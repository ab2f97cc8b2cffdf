package nbd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

const (
	smallBytes = 32 << 10  // requests up to here need no budget
	pieceBytes = 256 << 10 // longer ones are worked on in pieces
)

var (
	smallBuffers = sync.Pool{New: func() any { return new([smallBytes]byte) }}
	pieceBuffers = sync.Pool{New: func() any { return new([pieceBytes]byte) }}
)

// request is what a client asked for.
type request struct {
	command command
	flags   uint16
	cookie  uint64
	off     uint64
	length  uint32

	payload buffers // of a write
	refused errno   // not 0: it is not done
	why     string
}

// parseRequest decodes a request's header.
func parseRequest(b []byte) (request, error) {
	if magic := binary.BigEndian.Uint32(b); magic != magicRequest {
		return request{}, fmt.Errorf("not a request: it begins with %#x", magic)
	}
	return request{
		flags:   binary.BigEndian.Uint16(b[4:]),
		command: command(binary.BigEndian.Uint16(b[6:])),
		cookie:  binary.BigEndian.Uint64(b[8:]),
		off:     binary.BigEndian.Uint64(b[16:]),
		length:  binary.BigEndian.Uint32(b[24:]),
	}, nil
}

func (q *request) refuse(e errno, why string) {
	if q.refused == 0 {
		q.refused, q.why = e, why
	}
}

// validate refuses what an export does not offer, with the error numbers that
// the protocol asks for.
func (q *request) validate(d *device, structured bool, meta *metaContexts) {
	allowed := uint16(cmdFlagFUA)
	beyond := eInval
	write := false
	switch q.command {
	case cmdRead:
		if structured {
			allowed |= cmdFlagDF
		}
		if q.length > maxPayload {
			q.refuse(eInval, "a read of more than 32 MiB")
		}
	case cmdWrite:
		write, beyond = true, eNoSpace
	case cmdWriteZeroes:
		write, beyond = true, eNoSpace
		allowed |= cmdFlagNoHole
		if d.mapper != nil {
			allowed |= cmdFlagFastZero
		}
	case cmdTrim:
		write = true
	case cmdFlush:
		return
	case cmdCache:
	case cmdBlockStatus:
		allowed |= cmdFlagReqOne
		switch {
		case meta.device == nil:
			q.refuse(eInval, "no metadata context was set")
		case q.length == 0:
			q.refuse(eInval, "the status of nothing")
		}
	default:
		q.refuse(eInval, "unknown command")
	}
	switch {
	case write && d.writable == nil:
		q.refuse(ePerm, "the export is read-only")
	case q.flags&^allowed != 0:
		q.refuse(eInval, "flags that the command does not have")
	case !d.holds(q.off, uint64(q.length)):
		q.refuse(beyond, "past the end of the export")
	}
}

// buffers is the memory of one request.
type buffers struct {
	parts   [][]byte
	small   *[smallBytes]byte
	pieces  []*[pieceBytes]byte
	release func()
}

// get reserves n bytes. They are allocated by grow.
func (b *buffers) get(ctx context.Context, c *connection, n int) error {
	if n <= smallBytes {
		return nil
	}
	release, err := c.reserve(ctx, n)
	b.release = release
	return err
}

// grow adds a part of n bytes, of a piece at the most, and returns it.
func (b *buffers) grow(n int) []byte {
	var part []byte
	if b.release == nil {
		b.small = smallBuffers.Get().(*[smallBytes]byte)
		part = b.small[:n]
	} else {
		piece := pieceBuffers.Get().(*[pieceBytes]byte)
		b.pieces = append(b.pieces, piece)
		part = piece[:n]
	}
	b.parts = append(b.parts, part)
	return part
}

func (b *buffers) put() {
	if b.small != nil {
		smallBuffers.Put(b.small)
	}
	for _, p := range b.pieces {
		pieceBuffers.Put(p)
	}
	if b.release != nil {
		b.release()
	}
	*b = buffers{parts: b.parts[:0], pieces: b.pieces[:0]}
}

// cut calls work with the parts, of a piece at the most, that n bytes make.
func cut(n int, work func(off, n int) error) error {
	for off := 0; off < n; off += pieceBytes {
		if err := work(off, min(n-off, pieceBytes)); err != nil {
			return err
		}
	}
	return nil
}

var (
	errDisconnect = errors.New("the client says goodbye")
	errShrunk     = errors.New("nbd: the disk has become shorter")
)

// readRequest reads the next request, with the payload of a write. An error
// ends the connection.
func (c *connection) readRequest(ctx context.Context, q *request) error {
	header, err := c.r.Peek(requestSize)
	if err != nil {
		if err == io.EOF && len(header) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	payload := q.payload
	if *q, err = parseRequest(header); err != nil {
		return err
	}
	q.payload = payload
	if _, err := c.r.Discard(requestSize); err != nil {
		return err
	}
	if q.command == cmdDisconnect {
		return errDisconnect
	}
	q.validate(c.device, c.structured, &c.meta)
	if q.command == cmdWrite {
		return c.readPayload(ctx, q)
	}
	return nil
}

func (c *connection) readPayload(ctx context.Context, q *request) error {
	n := int(q.length)
	if q.length > maxPayload {
		return fmt.Errorf("a write of %d bytes", q.length)
	}
	if n > c.r.Buffered() {
		defer c.readWithin(0)
	}
	if q.refused != 0 {
		return cut(n, func(_, n int) error {
			c.readWithin(c.server.opts.Timeout)
			_, err := c.r.Discard(n)
			return noEOF(err)
		})
	}
	if err := q.payload.get(ctx, c, n); err != nil {
		return err
	}
	return cut(n, func(_, n int) error {
		if n > c.r.Buffered() {
			c.readWithin(c.server.opts.Timeout)
		}
		_, err := io.ReadFull(c.r, q.payload.grow(n))
		return noEOF(err)
	})
}

// noEOF is an error in the middle of something.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
