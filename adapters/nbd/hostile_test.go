package nbd_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/nbd"
	"github.com/qedfs/qedfs/qedfile"
)

// impatient has the server wait no longer than a test can.
var impatient = &nbd.Options{Timeout: time.Second, HandshakeTimeout: time.Second}

// mustServe fails the test unless a new client is served.
func (s *running) mustServe() {
	s.tb.Helper()
	if b := s.open("", true).read(0, 4096, 0); len(b) != 4096 {
		s.tb.Error("no data for another client")
	}
}

func TestClientsThatStallAreCutOff(t *testing.T) {
	disk := newRaw(t, pattern(8<<20, 1))
	for name, stall := range map[string]func(s *running) *client{
		"before the flags": func(s *running) *client {
			conn, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			io.ReadFull(conn, make([]byte, 18))
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			return &client{tb: t, conn: conn}
		},
		"before an option": func(s *running) *client { return s.dial(3) },
		"in an option": func(s *running) *client {
			c := s.dial(3)
			c.write(option(optGo, infoQuery(""))[:10])
			return c
		},
		"in the data of a write": func(s *running) *client {
			c := s.open("", true)
			c.send(cmdWrite, 0, 0, 1<<20, make([]byte, 300<<10))
			return c
		},
		"in the data of a write that is refused": func(s *running) *client {
			c := s.open("", true)
			c.send(cmdWrite, 0, 8<<20, 1<<20, make([]byte, 300<<10))
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, []nbd.Export{{Disk: disk, Writable: true}}, impatient)
			c := stall(s)
			c.tb = t
			start := time.Now()
			if _, err := io.Copy(io.Discard, c.conn); err != nil && !errors.Is(err, net.ErrClosed) && time.Since(start) > 9*time.Second {
				t.Error("it is not cut off")
			}
			s.tb = t
			s.mustServe()
		})
	}
}

func TestAClientThatReadsNoRepliesIsCutOff(t *testing.T) {
	s := serve(t, []nbd.Export{{Disk: newRaw(t, pattern(8<<20, 1))}}, impatient)
	c := s.open("", true)
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		for {
			if _, err := c.conn.Write(request(cmdRead, 0, 1, 0, 8<<20)); err != nil {
				return
			}
		}
	}()
	select {
	case <-cut:
	case <-time.After(10 * time.Second):
		t.Fatal("it is not cut off")
	}
	s.mustServe()
}

func TestAClientThatAsksForNothingMayStay(t *testing.T) {
	s := serve(t, []nbd.Export{{Disk: newRaw(t, make([]byte, 1<<20))}}, impatient)
	c := s.open("", true)
	time.Sleep(3 * impatient.Timeout)
	if b := c.read(0, 512, 0); len(b) != 512 {
		t.Error("it was cut off")
	}
}

func TestGarbageEndsTheConnectionAlone(t *testing.T) {
	s := serve(t, []nbd.Export{{Disk: newRaw(t, make([]byte, 1<<20)), Writable: true}}, nil)
	for name, b := range map[string][]byte{
		"no request":            make([]byte, 28),
		"a write of 4 GiB":      request(cmdWrite, 0, 1, 0, 1<<32-1),
		"a write over 32 MiB":   request(cmdWrite, 0, 1, 0, 32<<20+1),
		"half of a request":     request(cmdRead, 0, 1, 0, 1)[:20],
		"a write without data":  request(cmdWrite, 0, 1, 0, 1<<20),
		"goodbye":               request(cmdDisc, 0, 1, 0, 0),
		"goodbye, and after it": append(request(cmdDisc, 0, 1, 0, 0), request(cmdRead, 0, 1, 0, 1)...),
	} {
		t.Run(name, func(t *testing.T) {
			s.tb = t
			c := s.open("", true)
			c.write(b)
			c.conn.(*net.TCPConn).CloseWrite()
			if rest, err := io.ReadAll(c.r); len(rest) > 0 {
				t.Errorf("%d bytes come: %.40q, %v", len(rest), rest, err)
			}
			s.mustServe()
		})
	}
	s.tb = t
}

func TestAFloodOfOptionsIsCutOff(t *testing.T) {
	s := serve(t, []nbd.Export{{Disk: newRaw(t, make([]byte, 1<<20))}}, nil)
	c := s.dial(3)
	go io.Copy(io.Discard, c.conn)
	flood := bytes.Repeat(option(99, nil), 1000)
	for i := 0; ; i++ {
		if _, err := c.conn.Write(flood); err != nil {
			break
		}
		if i > 1000 {
			t.Fatal("a million options are answered")
		}
	}
	s.mustServe()
}

// TestMemoryIsBounded has many clients claim writes of 32 MiB, send a part of
// each and leave it at that.
func TestMemoryIsBounded(t *testing.T) {
	s := serve(t, []nbd.Export{{Disk: newRaw(t, make([]byte, 64<<20)), Writable: true}}, &nbd.Options{Timeout: 5 * time.Second})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 30 {
		s.open("", true).send(cmdWrite, 0, 0, 32<<20, make([]byte, 64<<10))
	}
	time.Sleep(100 * time.Millisecond)
	runtime.GC()
	runtime.ReadMemStats(&after)
	// Two of them fit into the budget, and have sent a piece of 256 KiB at the
	// most; the others have no memory beyond what every client has.
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	s.mustServe() // short requests need no budget
}

func TestLongRequestsWaitForTheBudget(t *testing.T) {
	disk := newFailing(t, 33<<20)
	s := serve(t, []nbd.Export{{Disk: disk, Writable: true}}, &nbd.Options{Memory: 1}) // which is 32 MiB
	a, b := s.open("", true), s.open("", true)
	// More than lies on the way between two sockets: some of it is read, and
	// the budget is a's.
	first := a.send(cmdWrite, 0, 0, 32<<20, make([]byte, 31<<20))
	second := b.send(cmdRead, df, 0, 1<<20, nil)
	b.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := b.r.Peek(1); err == nil {
		t.Fatal("b is answered, for which there is no memory")
	}
	b.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	a.write(make([]byte, 1<<20))
	if k := a.replies(first); k[0].errno != 0 {
		t.Error(k)
	}
	if got := b.assemble(b.replies(second), 0, 1<<20); len(got) != 1<<20 {
		t.Error("no data")
	}
}

func TestFurtherClientsWait(t *testing.T) {
	s := serve(t, []nbd.Export{{Disk: newRaw(t, make([]byte, 1<<20))}}, &nbd.Options{MaxClients: 2})
	first := s.open("", true)
	s.open("", true)
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	var b [18]byte
	if n, _ := conn.Read(b[:]); n > 0 {
		t.Fatal("a third client is served beside two")
	}
	first.send(cmdDisc, 0, 0, 0, nil)
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(conn, b[:]); err != nil {
		t.Errorf("when one has left: %v", err)
	}
}

// gated is a disk whose reads wait until they are let through.
type gated struct {
	qedfile.WritableDisk
	entered chan struct{}
	gate    chan struct{}
	syncs   atomic.Int64
}

func (g *gated) ReadAt(p []byte, off int64) (int, error) {
	g.entered <- struct{}{}
	<-g.gate
	return g.WritableDisk.ReadAt(p, off)
}

func (g *gated) Sync() error {
	g.syncs.Add(1)
	return g.WritableDisk.Sync()
}

func TestRequestsInFlightAreAnsweredBeforeTheEnd(t *testing.T) {
	disk := &gated{WritableDisk: newRaw(t, pattern(1<<20, 1)), entered: make(chan struct{}, 16), gate: make(chan struct{})}
	s := serve(t, []nbd.Export{{Disk: disk, Writable: true}}, nil)
	c := s.open("", true)
	cookie := c.send(cmdRead, 0, 0, 4096, nil)
	<-disk.entered
	s.stop()
	select {
	case <-s.done:
		t.Fatal("the server ends before its requests")
	case <-time.After(50 * time.Millisecond):
	}
	close(disk.gate)
	if got := c.assemble(c.replies(cookie), 0, 4096); len(got) != 4096 {
		t.Error("no data")
	}
	if _, err := c.r.ReadByte(); err != io.EOF {
		t.Errorf("then: %v", err)
	}
	c.conn.Close()
	if err := s.wait(); err != nil {
		t.Error(err)
	}
	if disk.syncs.Load() == 0 {
		t.Error("the disk is not synced")
	}
}

func TestOneSlowRequestHoldsNoOtherUp(t *testing.T) {
	disk := &gated{WritableDisk: newRaw(t, pattern(1<<20, 1)), entered: make(chan struct{}, 16), gate: make(chan struct{})}
	s := serve(t, []nbd.Export{{Disk: disk, Writable: true}}, nil)
	defer close(disk.gate)
	c := s.open("", true)
	for range 15 {
		c.send(cmdRead, 0, 0, 4096, nil)
	}
	for range 15 {
		<-disk.entered
	}
	if e := c.do(cmdWrite, 0, 0, 512, make([]byte, 512)); e != 0 {
		t.Errorf("error %d", e)
	}
}

// TestTheEndUnderLoad stops the server while clients write with FUA: what was
// acknowledged is there, and Serve returns.
func TestTheEndUnderLoad(t *testing.T) {
	disk := newQED(t, 4<<20)
	s := serve(t, []nbd.Export{{Disk: disk, Writable: true}}, nil)
	var clients sync.WaitGroup
	acked := make([]atomic.Uint32, 4)
	var total atomic.Uint32
	for i := range acked {
		c := s.open("", false)
		clients.Go(func() {
			defer c.conn.Close()
			for n := uint32(1); ; n++ {
				b := binary.BigEndian.AppendUint32(nil, n)
				if _, err := c.conn.Write(append(request(cmdWrite, fua, uint64(n), uint64(i)<<20, 4), b...)); err != nil {
					return
				}
				var reply [16]byte
				if _, err := io.ReadFull(c.r, reply[:]); err != nil {
					return
				}
				acked[i].Store(n)
				total.Add(1)
			}
		})
	}
	for total.Load() < 200 {
		time.Sleep(time.Millisecond)
	}
	s.stop()
	if err := s.wait(); err != nil {
		t.Error(err)
	}
	clients.Wait()
	for i := range acked {
		var b [4]byte
		if _, err := disk.ReadAt(b[:], int64(i)<<20); err != nil {
			t.Fatal(err)
		}
		if got, want := binary.BigEndian.Uint32(b[:]), acked[i].Load(); got < want {
			t.Errorf("client %d: %d is there, %d was acknowledged", i, got, want)
		}
	}
}

func TestTheServerEndsWithTheLastClient(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &running{tb: t, addr: l.Addr().String(), done: make(chan error, 1)}
	go func() {
		s.done <- nbd.Serve(context.Background(), l, []nbd.Export{{Disk: newRaw(t, make([]byte, 4096))}}, &nbd.Options{UntilIdle: true})
	}()
	s.dial(3).option(optAbort, nil) // one that chose no export does not count
	a, b := s.open("", true), s.open("", true)
	a.send(cmdDisc, 0, 0, 0, nil)
	a.mustEnd()
	b.read(0, 512, 0)
	b.conn.Close()
	if err := s.wait(); err != nil {
		t.Error(err)
	}
	noneLeft(t)
}

func TestAFailureOfTheLastSyncIsReported(t *testing.T) {
	disk := newFailing(t, 4096)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	disk.from.Store(0)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := nbd.Serve(ctx, l, []nbd.Export{{Disk: disk, Writable: true}}, nil); !errors.Is(err, disk.err) {
		t.Error(err)
	}
}

func TestAListenerThatFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := nbd.Serve(context.Background(), l, []nbd.Export{{Disk: newRaw(t, make([]byte, 4096))}}, nil); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
