package nbd_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/nbd"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// newRaw is a raw disk in memory.
func newRaw(tb testing.TB, content []byte) *qedfile.Raw {
	tb.Helper()
	d, err := qedfile.NewRaw(backend.NewMemory(content))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// kinds are the types of replies, in order.
func kinds(list []optReply) []uint32 {
	var k []uint32
	for _, r := range list {
		k = append(k, r.kind)
	}
	return k
}

func TestOptionsAreAnsweredAsTheProtocolSays(t *testing.T) {
	s := serve(t, []nbd.Export{
		{Disk: newRaw(t, make([]byte, 1<<20)), Description: "the first"},
		{Name: "second", Disk: newRaw(t, make([]byte, 1<<20)), AllocationDepth: true},
	}, nil)
	long := strings.Repeat("n", 4097)
	for _, test := range []struct {
		name string
		opt  uint32
		data []byte
		want []uint32
	}{
		{"list", optList, nil, []uint32{repServer, repServer, repAck}},
		{"list with data", optList, []byte{0}, []uint32{repInvalid}},
		{"info", optInfo, infoQuery(""), []uint32{repInfo, repInfo, repInfo, repAck}},
		{"info, the name too", optInfo, infoQuery("second", 1), []uint32{repInfo, repInfo, repInfo, repAck}},
		{"info of an unknown export", optInfo, infoQuery("third"), []uint32{repUnknown}},
		{"info of a name that is too long", optInfo, infoQuery(long), []uint32{repInvalid}},
		{"info, cut off", optInfo, infoQuery("second", 1)[:13], []uint32{repInvalid}},
		{"info, with more behind it", optInfo, append(infoQuery(""), 0), []uint32{repInvalid}},
		{"info without data", optInfo, nil, []uint32{repInvalid}},
		{"go to an unknown export", optGo, infoQuery("third"), []uint32{repUnknown}},
		{"contexts without structured replies", optListMeta, metaQuery(""), []uint32{repInvalid}},
		{"structured replies with data", optStructured, []byte("x"), []uint32{repInvalid}},
		{"structured replies", optStructured, nil, []uint32{repAck}},
		{"contexts", optListMeta, metaQuery(""), []uint32{repMeta, repAck}},
		{"contexts of the second", optListMeta, metaQuery("second"), []uint32{repMeta, repMeta, repAck}},
		{"contexts of a namespace", optListMeta, metaQuery("second", "qemu:"), []uint32{repMeta, repAck}},
		{"contexts of no namespace", optListMeta, metaQuery("second", "qemu", "x:"), []uint32{repAck}},
		{"contexts by name", optListMeta, metaQuery("second", "qemu:allocation-depth", "base:allocation"), []uint32{repMeta, repMeta, repAck}},
		{"set by namespace", optSetMeta, metaQuery("second", "qemu:"), []uint32{repAck}},
		{"set nothing", optSetMeta, metaQuery("second"), []uint32{repAck}},
		{"set one", optSetMeta, metaQuery("second", "base:allocation", "base:allocation"), []uint32{repMeta, repAck}},
		{"set for an unknown export", optSetMeta, metaQuery("third", "base:allocation"), []uint32{repUnknown}},
		{"set, cut off", optSetMeta, metaQuery("second", "base:allocation")[:20], []uint32{repInvalid}},
		{"set, a number of queries that are not there", optSetMeta, binary.BigEndian.AppendUint32(appendString(nil, ""), 1<<32-1), []uint32{repInvalid}},
		{"TLS that there is not", optStartTLS, nil, []uint32{repPolicy}},
		{"unknown", 77, nil, []uint32{repUnsup}},
		{"unknown, with data", 11, []byte("abc"), []uint32{repUnsup}},
		{"too long", optInfo, make([]byte, 64<<10+1), []uint32{repTooBig}},
		{"list again", optList, nil, []uint32{repServer, repServer, repAck}},
		{"abort", optAbort, nil, []uint32{repAck}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := s.dial(3)
			if strings.HasPrefix(test.name, "contexts") && test.opt == optListMeta && test.want[0] != repInvalid || test.opt == optSetMeta {
				c.mustAck(optStructured, nil)
			}
			if got := kinds(c.option(test.opt, test.data)); !reflect.DeepEqual(got, test.want) {
				t.Errorf("%#x, want %#x", got, test.want)
			}
			if test.opt == optAbort {
				c.mustEnd()
			} else if got := kinds(c.option(optList, nil)); len(got) != 3 { // it goes on
				t.Errorf("afterwards: %#x", got)
			}
		})
	}
}

func TestAnExportIsDescribed(t *testing.T) {
	var d qedfile.WritableDisk = newRaw(t, make([]byte, 3<<20))
	s := serve(t, []nbd.Export{
		{Name: "ro", Disk: d, Description: "for reading"},
		{Name: "rw", Disk: d, Writable: true},
		{Name: "part", Disk: d, Offset: 1 << 20, Length: 512},
		{Name: "rest", Disk: d, Offset: 1 << 20},
		{Name: "no map", Disk: struct{ qedfile.WritableDisk }{d}, Writable: true},
	}, nil)
	const always = flagHas | flagFlush | flagFUA | flagMultiConn | flagCache
	for _, test := range []struct {
		name       string
		structured bool
		size       uint64
		flags      uint16
	}{
		{"ro", false, 3 << 20, always | flagReadOnly},
		{"ro", true, 3 << 20, always | flagReadOnly | flagDF},
		{"rw", true, 3 << 20, always | flagTrim | flagZero | flagFastZero | flagDF},
		{"part", false, 512, always | flagReadOnly},
		{"rest", false, 2 << 20, always | flagReadOnly},
		{"no map", false, 3 << 20, always | flagTrim | flagZero},
	} {
		if c := s.open(test.name, test.structured); c.size != test.size || c.flags != test.flags {
			t.Errorf("%s: %d bytes, flags %b; want %d, %b", test.name, c.size, c.flags, test.size, test.flags)
		}
	}
	var text []string
	for _, r := range s.dial(3).mustAck(optInfo, infoQuery("ro", 3, 1)) {
		text = append(text, fmt.Sprintf("%x", r.data))
	}
	want := "0001726f 0002666f722072656164696e67 0003000000010000100002000000 00000000000000300000050f"
	if got := strings.Join(text, " "); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	var list []string
	for _, r := range s.dial(3).mustAck(optList, nil) {
		list = append(list, string(r.data[4:4+binary.BigEndian.Uint32(r.data)])+"|"+string(r.data[4+binary.BigEndian.Uint32(r.data):]))
	}
	if got := strings.Join(list, ","); got != "ro|for reading,rw|,part|,rest|,no map|" {
		t.Error(got)
	}
}

func TestAServerOfFewClientsAsksForNoFurtherConnections(t *testing.T) {
	s := serve(t, []nbd.Export{{Disk: newRaw(t, make([]byte, 4096))}}, &nbd.Options{MaxClients: 3})
	if c := s.open("", false); c.flags&flagMultiConn != 0 {
		t.Error("a client is told to make connections that are not accepted")
	}
}

func TestOldClientsChooseByName(t *testing.T) {
	s := serve(t, []nbd.Export{{Name: "x", Disk: newRaw(t, make([]byte, 4096))}}, nil)
	for flags, zeroes := range map[uint32]int{0: 124, 1: 124, 2: 0, 3: 0} {
		c := s.dial(flags)
		c.write(option(optExportName, []byte("x")))
		b := c.bytes(10 + zeroes)
		if size := binary.BigEndian.Uint64(b); size != 4096 {
			t.Errorf("flags %d: size %d", flags, size)
		}
		for _, z := range b[10:] {
			if z != 0 {
				t.Fatalf("flags %d: %x", flags, b)
			}
		}
		if got := c.read(0, 512, 0); len(got) != 512 {
			t.Error("no data")
		}
	}
	c := s.dial(3)
	c.write(option(optExportName, []byte("y")))
	c.mustEnd()
	c = s.dial(2) // it does not know that other options can be answered
	c.write(option(optList, nil))
	c.mustEnd()
}

func TestContextsHoldForTheExportThatTheyWereSetFor(t *testing.T) {
	s := serve(t, []nbd.Export{{Name: "a", Disk: newRaw(t, make([]byte, 4096))}, {Name: "b", Disk: newRaw(t, make([]byte, 4096))}}, nil)
	c := s.dial(3)
	c.mustAck(optStructured, nil)
	c.structured = true
	if r := c.mustAck(optSetMeta, metaQuery("a", "base:allocation")); len(r) != 1 || string(r[0].data[4:]) != "base:allocation" {
		t.Fatal(r)
	}
	c.choose("b")
	if e := c.do(cmdStatus, 0, 0, 512, nil); e != eInval {
		t.Errorf("error %d", e)
	}
}

func TestWhatIsNoHandshakeEndsTheConnection(t *testing.T) {
	s := serve(t, []nbd.Export{{Disk: newRaw(t, make([]byte, 4096))}}, nil)
	for name, b := range map[string][]byte{
		"no option":         []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"a huge option":     append(binary.BigEndian.AppendUint64(nil, optionMagic), 0, 0, 0, optGo, 0xff, 0xff, 0xff, 0xff),
		"a long name":       option(optExportName, make([]byte, 64<<10+1)),
		"half of an option": option(optGo, infoQuery(""))[:9],
	} {
		t.Run(name, func(t *testing.T) {
			c := s.dial(3)
			c.write(b)
			c.conn.(*net.TCPConn).CloseWrite()
			c.mustEnd()
		})
	}
	c := s.dial(4) // a flag that the server did not offer
	c.mustEnd()
}

func TestExportsThatCannotBeServed(t *testing.T) {
	disk := newRaw(t, make([]byte, 4096))
	onlyRead := struct{ qedfile.Disk }{disk}
	for name, exports := range map[string][]nbd.Export{
		"no disk":           {{}},
		"same name":         {{Disk: disk}, {Disk: disk}},
		"long name":         {{Name: strings.Repeat("x", 4097), Disk: disk}},
		"outside":           {{Disk: disk, Offset: 4097}},
		"too long":          {{Disk: disk, Offset: 512, Length: 4096}},
		"negative offset":   {{Disk: disk, Offset: -1}},
		"negative length":   {{Disk: disk, Length: -1}},
		"cannot be written": {{Disk: onlyRead, Writable: true}},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			if err := nbd.Serve(ctx, l, exports, nil); !errors.Is(err, nbd.ErrExport) {
				t.Error(err)
			}
			if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the listener: %v", err)
			}
		})
	}
}
