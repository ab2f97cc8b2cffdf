package web

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// What a server gives to strangers is bounded, so that clients who read
// slowly, or never, cost little: a page holds the names of its rows, a file
// 32 KiB, an archive what is read ahead of it.
const (
	maxConnections = 256
	maxArchives    = 1 // at a time: each holds the names of the directories that it is in
	writeTimeout   = 30 * time.Second
	writePart      = 32 << 10 // bytes that a client must take within writeTimeout
)

// MemoryLimit is for [debug.SetMemoryLimit] of a process that is nothing but a
// server: a directory of 250,000 entries on its pages and in an archive takes
// less, as long as what the garbage collector has not freed yet is not added.
const MemoryLimit = 96 << 20

// Limit makes further connections wait while a server has as many as it
// serves at a time.
func Limit(l net.Listener) net.Listener { return limit(l, maxConnections) }

func limit(l net.Listener, n int) net.Listener {
	return &limited{Listener: l, places: make(chan struct{}, n), closed: make(chan struct{})}
}

type limited struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &limitedConn{Conn: c, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	leave func()
}

func (c *limitedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// answer is a response that ends when its client does not take it.
type answer struct {
	http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	plain   bool  // errors are text: the client is no browser
	err     error // of the first write that failed
}

func newAnswer(w http.ResponseWriter, timeout time.Duration) *answer {
	a := &answer{ResponseWriter: w, control: http.NewResponseController(w), timeout: timeout}
	a.extend()
	return a
}

// extend gives the client time for the next part. A writer that knows no
// deadlines, as that of a test, has no client who could stall.
func (a *answer) extend() { _ = a.control.SetWriteDeadline(time.Now().Add(a.timeout)) }

func (a *answer) Write(p []byte) (n int, err error) {
	for len(p) > 0 && a.err == nil {
		part := p[:min(len(p), writePart)]
		a.extend()
		var m int
		m, a.err = a.ResponseWriter.Write(part)
		n, p = n+m, p[m:]
	}
	return n, a.err
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
