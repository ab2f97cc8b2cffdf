package nbd_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/nbd"
)

const limit = 32 << 20 // bytes that a request may carry or ask for

func TestARequestIsAsLongAsTheLimit(t *testing.T) {
	disk := newQED(t, limit+4096)
	if _, err := disk.WriteAt([]byte{1}, limit); err != nil {
		t.Fatal(err)
	}
	// The budget has room for more than the limit: what refuses a longer
	// request is the limit alone.
	s := serve(t, []nbd.Export{{Disk: disk, Writable: true}}, &nbd.Options{Memory: 4 * limit})
	for _, structured := range []bool{false, true} {
		c := s.open("", structured)
		if e := c.do(cmdRead, 0, 0, limit+1, nil); e != eInval {
			t.Errorf("structured %v: a longer read: error %d, want %d", structured, e, eInval)
		}
		if b := c.read(0, limit, 0); bytes.Count(b, []byte{0}) != limit {
			t.Error("a read of the limit has other bytes")
		}
	}
}

// TestALongerWriteEndsTheConnection sends no byte of the data: a server that
// waits for it would have made room for it.
func TestALongerWriteEndsTheConnection(t *testing.T) {
	s := serve(t, []nbd.Export{
		{Name: "long", Disk: newQED(t, 2*limit), Writable: true},
		{Name: "short", Disk: newQED(t, 4096), Writable: true}, // which refuses it besides
	}, &nbd.Options{Memory: 4 * limit, Timeout: time.Minute})
	for _, name := range []string{"long", "short"} {
		for _, n := range []uint32{limit + 1, 1<<32 - 1} {
			c := s.open(name, true)
			c.send(cmdWrite, 0, 0, n, nil)
			c.mustEnd()
		}
	}
	c := s.open("long", true)
	if e := c.do(cmdWrite, 0, 0, limit, make([]byte, limit)); e != 0 {
		t.Errorf("a write of the limit: error %d", e)
	}
}

func TestAnOptionOfMoreThanAMebibyteEndsTheConnection(t *testing.T) {
	s := serve(t, []nbd.Export{{Disk: newRaw(t, make([]byte, 4096))}}, &nbd.Options{HandshakeTimeout: time.Minute})
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, optionMagic), optInfo)
	c := s.dial(3)
	c.write(binary.BigEndian.AppendUint32(header, 1<<20+1)) // and none of its data
	c.mustEnd()
	c = s.dial(3)
	if list := c.option(optInfo, make([]byte, 1<<20)); len(list) != 1 || list[0].kind != repTooBig {
		t.Errorf("an option of a mebibyte: %v", kinds(list))
	}
	c.choose("") // the connection goes on
}

// TestALongReadNeedsTheBudgetOfAPiece leaves 256 KiB of the budget, which is
// what a read in chunks has in memory at a time.
func TestALongReadNeedsTheBudgetOfAPiece(t *testing.T) {
	const piece = 256 << 10
	disk := newFailing(t, 4<<20)
	s := serve(t, []nbd.Export{{Disk: newQED(t, limit), Name: "w", Writable: true}, {Disk: disk}}, &nbd.Options{Memory: 1}) // which is 32 MiB
	a, b := s.open("w", true), s.open("", true)
	write := a.send(cmdWrite, 0, 0, limit-piece, nil)
	a.write(make([]byte, 24<<20)) // more than sockets hold: the server has made room, and waits for the rest
	if got := b.read(0, 4<<20, 0); !bytes.Equal(got, pattern(4<<20, 3)) {
		t.Error("the bytes differ")
	}
	a.write(make([]byte, limit-piece-24<<20))
	if k := a.replies(write); k[0].errno != 0 {
		t.Errorf("the write: error %d", k[0].errno)
	}
}

func TestNothingIsAgreedOnBeforeTLS(t *testing.T) {
	ca := newAuthority(t)
	s := serve(t, []nbd.Export{{Disk: newRaw(t, make([]byte, 4096))}}, &nbd.Options{TLS: &tls.Config{Certificates: []tls.Certificate{ca.sign("server")}}})
	c := s.dial(3)
	for opt, data := range map[uint32][]byte{optStructured: nil, optSetMeta: metaQuery("", "base:allocation")} {
		if list := c.option(opt, data); len(list) != 1 || list[0].kind != repTLSReqd {
			t.Errorf("option %d before TLS: %#x", opt, kinds(list))
		}
	}
	if err := c.startTLS(&tls.Config{RootCAs: ca.pool, ServerName: "localhost"}); err != nil {
		t.Fatal(err)
	}
	c.choose("")
	if c.flags&flagDF != 0 {
		t.Error("structured replies were not asked for in TLS")
	}
	if b := c.read(0, 512, 0); len(b) != 512 {
		t.Error("no data")
	}
	if e := c.do(cmdStatus, 0, 0, 512, nil); e != eInval {
		t.Errorf("the status by a context that was not set in TLS: error %d", e)
	}
}
