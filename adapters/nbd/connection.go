package nbd

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// Limits of one connection.
const (
	maxWorkers  = 16       // requests in flight, as in qemu
	readBuffer  = 32 << 10 // bytes
	writeBuffer = 64 << 10 // bytes of replies that are sent together
	stopGrace   = 5 * time.Second
	lingerTime  = time.Second
)

// connection is one client.
type connection struct {
	server *server
	raw    net.Conn // the connection itself; deadlines are set here
	conn   net.Conn // what is read and written: raw, or TLS over it
	r      *bufio.Reader

	// What the handshake agreed on.
	noZeroes   bool
	structured bool
	meta       metaContexts
	device     *device

	memory *semaphore.Weighted // bytes of long requests

	reading struct {
		sync.Mutex
		ended   bool
		err     error // why
		workers int
	}
	readers atomic.Int32 // workers that have no request

	writing struct {
		sync.Mutex
		out []byte // not yet sent
		err error
	}
	writers atomic.Int32 // workers that wait to write

	// Setting a deadline fails on a closed connection alone, of which reading and
	// writing tell too.
	deadlines sync.Mutex
	stopping  bool // no further request is taken
}

func newConnection(s *server, conn net.Conn) *connection {
	return &connection{
		server: s, raw: conn, conn: conn, r: bufio.NewReaderSize(conn, readBuffer),
		memory: semaphore.NewWeighted(maxPayload),
	}
}

// stop has the connection take no further requests. Replies to those that it
// has are still sent.
func (c *connection) stop() {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	c.stopping = true
	now := time.Now()
	_ = c.raw.SetReadDeadline(now)
	_ = c.raw.SetWriteDeadline(now.Add(stopGrace))
}

func (c *connection) isStopping() bool {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	return c.stopping
}

// readWithin sets how long reading may take from now on; 0 means for ever.
func (c *connection) readWithin(d time.Duration) {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	switch {
	case c.stopping:
	case d == 0:
		_ = c.raw.SetReadDeadline(time.Time{})
	default:
		_ = c.raw.SetReadDeadline(time.Now().Add(d))
	}
}

// writeWithin sets how long writing may take from now on.
func (c *connection) writeWithin(d time.Duration) {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	if !c.stopping {
		_ = c.raw.SetWriteDeadline(time.Now().Add(d))
	}
}

// close ends the connection. A socket that is closed with requests unread is
// reset, and what the client has not yet read of the replies is lost with it:
// a connection that is stopped says first that no more comes, and waits a
// little for the client to hang up.
func (c *connection) close() {
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok && c.isStopping() && half.CloseWrite() == nil {
		_ = c.raw.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.Copy(io.Discard, c.raw)
	}
	c.conn.Close()
}

// reserve takes n bytes of the budgets for long requests, and returns what
// gives them back.
func (c *connection) reserve(ctx context.Context, n int) (release func(), err error) {
	if err := c.memory.Acquire(ctx, int64(n)); err != nil {
		return nil, err
	}
	if err := c.server.memory.Acquire(ctx, int64(n)); err != nil {
		c.memory.Release(int64(n))
		return nil, err
	}
	return func() {
		c.server.memory.Release(int64(n))
		c.memory.Release(int64(n))
	}, nil
}
