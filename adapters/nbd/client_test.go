package nbd_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/nbd"
)

// Numbers of the protocol, written down once more: a client that shared the
// server's would share its mistakes.
const (
	optExportName, optAbort, optList, optStartTLS, optInfo, optGo = 1, 2, 3, 5, 6, 7
	optStructured, optListMeta, optSetMeta                        = 8, 9, 10

	repAck, repServer, repInfo, repMeta                            = 1, 2, 3, 4
	repUnsup, repPolicy, repInvalid                                = 0x80000001, 0x80000002, 0x80000003
	repTLSReqd, repUnknown, repTooBig                              = 0x80000005, 0x80000006, 0x80000009
	cmdRead, cmdWrite, cmdDisc, cmdFlush, cmdTrim                  = 0, 1, 2, 3, 4
	cmdCache, cmdZero, cmdStatus                                   = 5, 6, 7
	fua, noHole, df, reqOne, fastZero                              = 1, 2, 4, 8, 16
	chunkNone, chunkData, chunkHole, chunkStatus                   = 0, 1, 2, 5
	chunkError, chunkErrorOffset                                   = 0x8001, 0x8002
	ePerm, eIO, eInval, eNoSpace, eNotSup                          = 1, 5, 22, 28, 95
	flagReadOnly, flagTrim, flagZero, flagDF, flagMultiConn        = 2, 32, 64, 128, 256
	flagHas, flagFlush, flagFUA, flagCache, flagFastZero           = 1, 4, 8, 1024, 2048
	optionMagic, replyMagic                                 uint64 = 0x49484156454f5054, 0x3e889045565a9
)

// running is a server of a test.
type running struct {
	tb   testing.TB
	addr string
	stop context.CancelFunc
	done chan error // what Serve returns
}

// serve serves exports until the end of the test, when nothing of the server
// may be left.
func serve(tb testing.TB, exports []nbd.Export, opts *nbd.Options) *running {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &running{tb: tb, addr: l.Addr().String(), stop: cancel, done: make(chan error, 1)}
	go func() { s.done <- nbd.Serve(ctx, l, exports, opts) }()
	tb.Cleanup(func() {
		cancel()
		if err := s.wait(); err != nil {
			tb.Errorf("Serve: %v", err)
		}
		noneLeft(tb)
	})
	return s
}

// wait waits for the end of the server.
func (s *running) wait() error {
	s.tb.Helper()
	select {
	case err := <-s.done:
		s.done <- nil // for the next who asks
		return err
	case <-time.After(20 * time.Second):
		s.tb.Fatal("the server goes on")
		return nil
	}
}

// noneLeft fails the test if goroutines of the package still run.
func noneLeft(tb testing.TB) {
	tb.Helper()
	buf := make([]byte, 1<<20)
	var left []string
	for range 10_000 { // what has returned may not yet be gone
		left = nil
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "adapters/nbd.") {
				left = append(left, g)
			}
		}
		if left == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
	tb.Errorf("left behind:\n%s", strings.Join(left, "\n\n"))
}

// client is a client of the protocol, which checks what it is told.
type client struct {
	tb         testing.TB
	conn       net.Conn
	r          *bufio.Reader
	structured bool
	cookie     uint64
	reads      map[uint64]uint32 // lengths of reads that are not answered, by cookie

	size  uint64 // of the export
	flags uint16
}

// dial greets the server and answers with flags.
func (s *running) dial(flags uint32) *client {
	s.tb.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.tb.Fatal(err)
	}
	s.tb.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	c := &client{tb: s.tb, conn: conn, r: bufio.NewReader(conn), reads: make(map[uint64]uint32)}
	if hello := string(c.bytes(18)); hello != "NBDMAGICIHAVEOPT\x00\x03" {
		s.tb.Fatalf("the server says %q", hello)
	}
	c.write(binary.BigEndian.AppendUint32(nil, flags))
	return c
}

// open chooses an export.
func (s *running) open(name string, structured bool, contexts ...string) *client {
	s.tb.Helper()
	c := s.dial(3)
	if structured {
		c.mustAck(optStructured, nil)
		c.structured = true
	}
	if len(contexts) > 0 {
		c.mustAck(optSetMeta, metaQuery(name, contexts...))
	}
	c.choose(name)
	return c
}

func (c *client) choose(name string) {
	c.tb.Helper()
	for _, r := range c.mustAck(optGo, infoQuery(name)) {
		if binary.BigEndian.Uint16(r.data) == 0 {
			c.size, c.flags = binary.BigEndian.Uint64(r.data[2:]), binary.BigEndian.Uint16(r.data[10:])
		}
	}
}

func (c *client) write(b []byte) {
	c.tb.Helper()
	if _, err := c.conn.Write(b); err != nil {
		c.tb.Fatal(err)
	}
}

func (c *client) bytes(n int) []byte {
	c.tb.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(c.r, b); err != nil {
		c.tb.Fatalf("%d bytes from the server: %v", n, err)
	}
	return b
}

// mustEnd fails the test unless the server closes the connection.
func (c *client) mustEnd() {
	c.tb.Helper()
	rest, err := io.ReadAll(c.r)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		c.tb.Fatal("the connection goes on")
	}
	if len(rest) > 0 {
		c.tb.Errorf("before the end %d bytes come: %.40q", len(rest), rest)
	}
}

func option(opt uint32, data []byte) []byte {
	b := binary.BigEndian.AppendUint64(nil, optionMagic)
	b = binary.BigEndian.AppendUint32(b, opt)
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

func infoQuery(name string, infos ...uint16) []byte {
	b := binary.BigEndian.AppendUint16(appendString(nil, name), uint16(len(infos)))
	for _, i := range infos {
		b = binary.BigEndian.AppendUint16(b, i)
	}
	return b
}

func metaQuery(name string, queries ...string) []byte {
	b := binary.BigEndian.AppendUint32(appendString(nil, name), uint32(len(queries)))
	for _, q := range queries {
		b = appendString(b, q)
	}
	return b
}

// optReply is a reply to an option.
type optReply struct {
	kind uint32
	data []byte
}

// option sends an option and returns the replies; the last is an
// acknowledgement or an error.
func (c *client) option(opt uint32, data []byte) []optReply {
	c.tb.Helper()
	c.write(option(opt, data))
	var list []optReply
	for {
		h := c.bytes(20)
		if magic, o := binary.BigEndian.Uint64(h), binary.BigEndian.Uint32(h[8:]); magic != replyMagic || o != opt {
			c.tb.Fatalf("option %d: reply %x", opt, h)
		}
		r := optReply{binary.BigEndian.Uint32(h[12:]), c.bytes(int(binary.BigEndian.Uint32(h[16:])))}
		list = append(list, r)
		if r.kind == repAck || r.kind >= 1<<31 {
			return list
		}
	}
}

// mustAck is option where the last reply is an acknowledgement, which is left
// out.
func (c *client) mustAck(opt uint32, data []byte) []optReply {
	c.tb.Helper()
	list := c.option(opt, data)
	if last := list[len(list)-1]; last.kind != repAck || len(last.data) > 0 {
		c.tb.Fatalf("option %d: %#x %q", opt, last.kind, last.data)
	}
	return list[:len(list)-1]
}

// send sends a request, and returns its cookie.
func (c *client) send(cmd, flags uint16, off uint64, length uint32, payload []byte) uint64 {
	c.tb.Helper()
	c.cookie += 0x0101010101
	if cmd == cmdRead {
		c.reads[c.cookie] = length
	}
	c.write(append(request(cmd, flags, c.cookie, off, length), payload...))
	return c.cookie
}

func request(cmd, flags uint16, cookie, off uint64, length uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, 0x25609513)
	b = binary.BigEndian.AppendUint16(b, flags)
	b = binary.BigEndian.AppendUint16(b, cmd)
	b = binary.BigEndian.AppendUint64(b, cookie)
	b = binary.BigEndian.AppendUint64(b, off)
	return binary.BigEndian.AppendUint32(b, length)
}

// chunk is a simple reply, or one chunk of a structured one.
type chunk struct {
	cookie  uint64
	done    bool
	kind    uint16
	errno   uint32
	payload []byte
}

func (c *client) receive() chunk {
	c.tb.Helper()
	switch magic := binary.BigEndian.Uint32(c.bytes(4)); magic {
	case 0x67446698:
		h := c.bytes(12)
		k := chunk{cookie: binary.BigEndian.Uint64(h[4:]), done: true, errno: binary.BigEndian.Uint32(h)}
		if length, read := c.reads[k.cookie]; read && k.errno == 0 {
			if c.structured {
				c.tb.Fatal("a simple reply to a read, where structured ones were agreed on")
			}
			k.kind, k.payload = chunkData, c.bytes(int(length))
		}
		return k
	case 0x668e33ef:
		h := c.bytes(16)
		k := chunk{cookie: binary.BigEndian.Uint64(h[4:]), done: h[1]&1 != 0, kind: binary.BigEndian.Uint16(h[2:])}
		k.payload = c.bytes(int(binary.BigEndian.Uint32(h[12:])))
		if !c.structured {
			c.tb.Fatal("a structured reply, which was not agreed on")
		}
		if k.kind >= 1<<15 {
			k.errno = binary.BigEndian.Uint32(k.payload)
		}
		return k
	default:
		c.tb.Fatalf("a reply begins with %#x", magic)
		return chunk{}
	}
}

// replies are all the chunks of the one request that is not answered.
func (c *client) replies(cookie uint64) []chunk {
	c.tb.Helper()
	for list := []chunk(nil); ; {
		k := c.receive()
		if k.cookie != cookie {
			c.tb.Fatalf("reply to %#x, want %#x", k.cookie, cookie)
		}
		if list = append(list, k); k.done {
			return list
		}
	}
}

// do makes a request without data in its reply, and returns the error number.
func (c *client) do(cmd, flags uint16, off uint64, length uint32, payload []byte) uint32 {
	c.tb.Helper()
	list := c.replies(c.send(cmd, flags, off, length, payload))
	return list[len(list)-1].errno
}

// read reads n bytes; the chunks must cover them once.
func (c *client) read(off uint64, n int, flags uint16) []byte {
	c.tb.Helper()
	return c.assemble(c.replies(c.send(cmdRead, flags, off, uint32(n), nil)), off, n)
}

func (c *client) assemble(list []chunk, off uint64, n int) []byte {
	c.tb.Helper()
	b, covered := bytes.Repeat([]byte{0xee}, n), 0
	for _, k := range list {
		if k.errno != 0 {
			c.tb.Fatalf("read of %d bytes at %d: error %d %q", n, off, k.errno, k.payload)
		}
		if !c.structured {
			return k.payload
		}
		switch k.kind {
		case chunkData:
			at := binary.BigEndian.Uint64(k.payload) - off
			covered += copy(b[at:], k.payload[8:])
		case chunkHole:
			at, length := binary.BigEndian.Uint64(k.payload)-off, binary.BigEndian.Uint32(k.payload[8:])
			clear(b[at : at+uint64(length)])
			covered += int(length)
		case chunkNone:
		default:
			c.tb.Fatalf("chunk of type %d in a read", k.kind)
		}
	}
	if covered != n {
		c.tb.Fatalf("the chunks are %d bytes, want %d", covered, n)
	}
	return b
}

// extent is a run of a block status.
type extent struct {
	length, state uint32
}

// status asks for the block status, by the number of the context.
func (c *client) status(off uint64, n uint32, flags uint16) map[uint32][]extent {
	c.tb.Helper()
	out := make(map[uint32][]extent)
	for _, k := range c.replies(c.send(cmdStatus, flags, off, n, nil)) {
		if k.kind != chunkStatus {
			c.tb.Fatalf("status of %d bytes at %d: chunk %#x, error %d", n, off, k.kind, k.errno)
		}
		var list []extent
		for b := k.payload[4:]; len(b) > 0; b = b[8:] {
			list = append(list, extent{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])})
		}
		out[binary.BigEndian.Uint32(k.payload)] = list
	}
	return out
}
