package nbd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/qedfs/qedfs/qedfile"
)

// Export is a disk, or a part of one, that clients can ask for by name.
type Export struct {
	// Name is what clients ask for; at most 4096 bytes. Without a name it is
	// the default export.
	Name string
	// Description is told to clients that list the exports; at most 4096
	// bytes.
	Description string

	// Disk is the disk. It stays the caller's. Where it is a
	// [qedfile.Mapper], clients are told which parts hold data.
	Disk qedfile.Disk
	// Offset is the byte of the disk at which the export begins.
	Offset int64
	// Length is the size of the export in bytes; 0 means as far as the disk
	// reaches.
	Length int64

	// Writable lets clients write; Disk must then be a
	// [qedfile.WritableDisk] that was opened for writing.
	Writable bool
	// Discard passes trim requests on to a Disk that has a method
	// Discard(off, n int64) error. Otherwise they do nothing.
	Discard bool
	// AllocationDepth offers the metadata context qemu:allocation-depth:
	// which layer of the backing chain holds a part.
	AllocationDepth bool
}

// Options say how a server treats its clients. The zero value, and nil, are
// the defaults.
type Options struct {
	// TLS, if set, is required of every client before it sees anything of the
	// exports. Set its ClientAuth and ClientCAs to ask for certificates.
	TLS *tls.Config

	// MaxClients is how many clients are served at the same time; further
	// ones wait until they are accepted. 0 means 64. With fewer than 4 clients
	// are not told that they may make several connections.
	MaxClients int

	// Memory is the budget, in bytes, for the data of requests longer than
	// 32 KiB, of all clients together; those that do not fit wait. 0 means 64
	// MiB; there is always room for the longest request, 32 MiB. Each client
	// takes up to 1 MiB besides.
	Memory int64

	// Timeout is how long a client may stop in the middle of what it sends,
	// or leave a reply unread, before it is cut off; 0 means 30 seconds. A
	// client that asks for nothing may stay.
	Timeout time.Duration

	// HandshakeTimeout is how long a client may take to choose an export; 0
	// means 10 seconds.
	HandshakeTimeout time.Duration

	// UntilIdle has Serve return when the last client leaves that had chosen
	// an export.
	UntilIdle bool

	// Logger is told of clients that are cut off, and why, and of requests
	// that the disk failed. Nil is silent.
	Logger *slog.Logger
}

const (
	defaultClients = 64
	defaultMemory  = 64 << 20
)

// ErrExport is returned by [Serve] for exports that it can't offer.
var ErrExport = errors.New("nbd: invalid export")

// Serve accepts clients on l and serves them the exports, until ctx ends, l
// fails, or opts.UntilIdle holds. It then answers the requests that are being
// worked on, closes the connections and l, and syncs the disks that could be
// written. It returns nil after that if ctx ended or nobody was left.
//
// No goroutine outlives it. Requests that the disk is working on cannot be
// broken off: Serve waits for them.
func Serve(ctx context.Context, l net.Listener, exports []Export, opts *Options) error {
	defer l.Close()
	if opts == nil {
		opts = &Options{}
	}
	s := &server{opts: *opts}
	s.opts.setDefaults()
	for i := range exports {
		d, err := newDevice(&exports[i])
		if err != nil {
			return err
		}
		if s.device(d.name) != nil {
			return fmt.Errorf("%w: two are named %q", ErrExport, d.name)
		}
		s.devices = append(s.devices, d)
	}
	s.memory = semaphore.NewWeighted(s.opts.Memory)
	s.slots = semaphore.NewWeighted(int64(s.opts.MaxClients))
	return s.run(ctx, l)
}

func (o *Options) setDefaults() {
	if o.MaxClients <= 0 {
		o.MaxClients = defaultClients
	}
	if o.Memory <= 0 {
		o.Memory = defaultMemory
	}
	o.Memory = max(o.Memory, maxPayload)
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.HandshakeTimeout <= 0 {
		o.HandshakeTimeout = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// server is what the connections share.
type server struct {
	opts    Options
	devices []*device
	memory  *semaphore.Weighted // bytes of long requests
	slots   *semaphore.Weighted // clients
	done    context.CancelFunc  // ends the server

	mu     sync.Mutex
	active int // clients that have chosen an export
}

// device returns the export of a name, or nil.
func (s *server) device(name string) *device {
	for _, d := range s.devices {
		if d.name == name {
			return d
		}
	}
	return nil
}

func (s *server) run(ctx context.Context, l net.Listener) error {
	ctx, s.done = context.WithCancel(ctx)
	defer s.done()
	defer whenDone(ctx, func() { l.Close() })()
	var clients sync.WaitGroup
	err := s.accept(ctx, l, &clients)
	s.done() // where l failed there are clients left
	clients.Wait()
	for _, d := range s.devices {
		if d.writable != nil {
			if e := d.writable.Sync(); e != nil {
				err = errors.Join(err, fmt.Errorf("nbd: export %q: %w", d.name, e))
			}
		}
	}
	return err
}

// whenDone calls f in a goroutine of its own when ctx ends. What it returns
// has that no longer happen, and waits for f where it has begun.
func whenDone(ctx context.Context, f func()) (cancel func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		f()
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// accept starts a goroutine for each client, until ctx ends.
func (s *server) accept(ctx context.Context, l net.Listener, clients *sync.WaitGroup) error {
	pause := time.Millisecond
	for {
		if s.slots.Acquire(ctx, 1) != nil {
			return nil
		}
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case err == nil:
			pause = time.Millisecond
			clients.Go(func() {
				defer s.slots.Release(1)
				s.serve(ctx, conn)
			})
			continue
		}
		s.slots.Release(1)
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("nbd: %w", err)
		}
		// No file descriptors left, or the client gone already: neither is a
		// reason to leave the others.
		s.opts.Logger.Warn("nbd: accept", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
			pause = min(2*pause, time.Second)
		}
	}
}

// joined counts a client that has chosen an export.
func (s *server) joined() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active++
}

// left is joined's counterpart.
func (s *server) left() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
	if s.active == 0 && s.opts.UntilIdle {
		s.done()
	}
}

// serve is the life of one connection.
func (s *server) serve(ctx context.Context, conn net.Conn) {
	c := newConnection(s, conn)
	defer c.close()
	defer whenDone(ctx, c.stop)()
	err := c.handshake(ctx)
	if c.device != nil {
		defer s.left()
	}
	if err == nil {
		err = c.transmit(ctx)
	}
	if err != nil && err != io.EOF && ctx.Err() == nil {
		s.opts.Logger.Info("nbd: client cut off", "client", conn.RemoteAddr().String(), "error", err)
	}
}
