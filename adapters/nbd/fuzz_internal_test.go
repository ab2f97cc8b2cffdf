package nbd

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// FuzzOptions takes the data of options apart, and puts it together again.
func FuzzOptions(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x04disk\x00\x01\x00\x03"))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x05base:\x00\x00\x00\x0fbase:allocation"))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if req, err := parseInfo(data); err == nil {
			b := append(binary.BigEndian.AppendUint32(nil, uint32(len(req.name))), req.name...)
			b = binary.BigEndian.AppendUint16(b, uint16(len(req.want)))
			for _, k := range req.want {
				b = binary.BigEndian.AppendUint16(b, k)
			}
			if !bytes.Equal(b, data) {
				t.Errorf("%+v is %x, came as %x", req, b, data)
			}
		}
		if req, err := parseMeta(data); err == nil {
			b := append(binary.BigEndian.AppendUint32(nil, uint32(len(req.name))), req.name...)
			b = binary.BigEndian.AppendUint32(b, uint32(len(req.queries)))
			for _, q := range req.queries {
				b = append(binary.BigEndian.AppendUint32(b, uint32(len(q))), q...)
			}
			if !bytes.Equal(b, data) {
				t.Errorf("%+v is %x, came as %x", req, b, data)
			}
		}
	})
}

// FuzzSession has a client say anything: the server must come to an end, and
// a disk that is exported for reading must stay as it is.
func FuzzSession(f *testing.F) {
	request := func(cmd, flags uint16, off uint64, length uint32) []byte {
		b := binary.BigEndian.AppendUint32(nil, magicRequest)
		b = binary.BigEndian.AppendUint16(b, flags)
		b = binary.BigEndian.AppendUint16(b, cmd)
		b = binary.BigEndian.AppendUint64(b, 7)
		b = binary.BigEndian.AppendUint64(b, off)
		return binary.BigEndian.AppendUint32(b, length)
	}
	option := func(opt uint32, data string) []byte {
		b := binary.BigEndian.AppendUint64(nil, magicOption)
		b = binary.BigEndian.AppendUint32(b, opt)
		return append(binary.BigEndian.AppendUint32(b, uint32(len(data))), data...)
	}
	begin := bytes.Join([][]byte{{0, 0, 0, 3}, option(8, ""),
		option(10, "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x0fbase:allocation"), option(7, "\x00\x00\x00\x00\x00\x00")}, nil)
	f.Add(append(bytes.Clone(begin), request(0, 0, 0, 70000)...))
	f.Add(append(bytes.Clone(begin), request(7, 0, 0, 1<<20)...))
	f.Add(append(append(bytes.Clone(begin), request(1, 1, 0, 5)...), "hello"...))
	f.Add(append(append(bytes.Clone(begin), request(6, 16, 0, 1<<20)...), request(2, 0, 0, 0)...))
	f.Add(append([]byte{0, 0, 0, 1}, option(1, "")...))
	f.Fuzz(func(t *testing.T, said []byte) {
		content := bytes.Repeat([]byte("qed"), 1<<17)
		for _, writable := range []bool{false, true} {
			disk, err := qedfile.NewRaw(backend.NewMemory(bytes.Clone(content)))
			if err != nil {
				t.Fatal(err)
			}
			session(t, &Export{Disk: disk, Writable: writable, AllocationDepth: true}, said)
			got := make([]byte, len(content))
			if _, err := disk.ReadAt(got, 0); err != nil {
				t.Fatal(err)
			}
			if !writable && !bytes.Equal(got, content) {
				t.Error("a disk for reading was written")
			}
		}
	})
}

// recorded is a connection on which the other side has said all that it says.
type recorded struct {
	io.Reader
}

func (c *recorded) Write(b []byte) (int, error) { return len(b), nil }
func (c *recorded) Close() error                { return nil }
func (c *recorded) LocalAddr() net.Addr         { return &net.UnixAddr{} }
func (c *recorded) RemoteAddr() net.Addr        { return &net.UnixAddr{} }

func (c *recorded) SetDeadline(time.Time) error      { return nil }
func (c *recorded) SetReadDeadline(time.Time) error  { return nil }
func (c *recorded) SetWriteDeadline(time.Time) error { return nil }

// session is a connection of which the client's side is known beforehand.
func session(t *testing.T, e *Export, said []byte) {
	d, err := newDevice(e)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{devices: []*device{d}, memory: semaphore.NewWeighted(maxPayload), done: func() {}}
	s.opts.setDefaults()
	served := make(chan struct{})
	go func() {
		defer close(served)
		s.serve(context.Background(), &recorded{Reader: bytes.NewReader(said)})
	}()
	select {
	case <-served:
	case <-time.After(10 * time.Second):
		t.Fatal("the session does not end")
	}
}
