package nbd_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/qedfs/qedfs/adapters/nbd"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// newQED is an image in memory, open for writing.
func newQED(tb testing.TB, size int64) *qedfile.Image {
	tb.Helper()
	img, err := qedfile.CreateIn(backend.NewMemory(nil), size, &qedfile.CreateOptions{ClusterSize: 4096})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { img.Close() })
	return img
}

func pattern(n int, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32()) | 1
	}
	return b
}

// TestTheExportIsTheDisk makes random requests, and holds the answers against
// a model in memory.
func TestTheExportIsTheDisk(t *testing.T) {
	for _, structured := range []bool{false, true} {
		for _, kind := range []string{"raw", "qed", "part"} {
			t.Run(fmt.Sprintf("%s, structured %v", kind, structured), func(t *testing.T) {
				const size = 3 << 20
				e := nbd.Export{Disk: newQED(t, size), Writable: true}
				switch kind {
				case "raw":
					e.Disk = newRaw(t, make([]byte, size))
				case "part":
					e.Disk, e.Offset, e.Length = newQED(t, size+9000), 5000, size
				}
				c := serve(t, []nbd.Export{e}, nil).open("", structured)
				if c.size != size {
					t.Fatal(c.size)
				}
				model := make([]byte, size)
				rng := rand.New(rand.NewPCG(7, uint64(len(kind))))
				for range 300 {
					n := rng.IntN(1 << (rng.IntN(20) + 1))
					off := rng.IntN(size - n + 1)
					b := model[off : off+n]
					switch rng.IntN(5) {
					case 0, 1:
						flags := uint16(rng.IntN(2)) * df
						if !structured {
							flags = 0
						}
						if got := c.read(uint64(off), n, flags); !bytes.Equal(got, b) {
							t.Fatalf("read of %d bytes at %d differs", n, off)
						}
					case 2, 3:
						copy(b, pattern(n, rng.Uint64()))
						if e := c.do(cmdWrite, uint16(rng.IntN(2))*fua, uint64(off), uint32(n), b); e != 0 {
							t.Fatalf("write: error %d", e)
						}
					case 4:
						clear(b)
						if e := c.do(cmdZero, uint16(rng.IntN(2))*noHole, uint64(off), uint32(n), nil); e != 0 {
							t.Fatalf("write zeroes: error %d", e)
						}
					}
				}
				if got := c.read(0, size, 0); !bytes.Equal(got, model) {
					t.Error("the disk differs in the end")
				}
			})
		}
	}
}

func TestManyRequestsAtATime(t *testing.T) {
	const size, piece = 8 << 20, 40 << 10
	disk := newQED(t, size)
	content := pattern(size, 1)
	if _, err := disk.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	s := serve(t, []nbd.Export{{Disk: disk, Writable: true}}, nil)
	for _, structured := range []bool{false, true} {
		c := s.open("", structured)
		want := make(map[uint64]int)
		got := make(map[uint64][]chunk)
		for i := range 100 {
			want[c.send(cmdRead, 0, uint64(i*piece), piece, nil)] = i * piece
		}
		for len(want) > 0 {
			k := c.receive()
			if got[k.cookie] = append(got[k.cookie], k); !k.done {
				continue
			}
			off, asked := want[k.cookie]
			if !asked {
				t.Fatalf("a reply to %#x, which is answered or was never asked for", k.cookie)
			}
			delete(want, k.cookie)
			if b := c.assemble(got[k.cookie], uint64(off), piece); !bytes.Equal(b, content[off:off+piece]) {
				t.Fatalf("read at %d differs", off)
			}
		}
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	const size = 1 << 20
	disk := newRaw(t, make([]byte, size))
	s := serve(t, []nbd.Export{{Disk: disk, Writable: true}, {Name: "ro", Disk: disk}}, nil)
	for _, test := range []struct {
		name       string
		export     string
		cmd, flags uint16
		off        uint64
		length     uint32
		want       uint32
	}{
		{"read past the end", "", cmdRead, 0, size - 1, 2, eInval},
		{"read from beyond the largest offset", "", cmdRead, 0, 1<<64 - 1, 2, eInval},
		{"read of more than the limit", "", cmdRead, 0, 0, 32<<20 + 1, eInval},
		{"read with an unknown flag", "", cmdRead, fastZero, 0, 1, eInval},
		{"write past the end", "", cmdWrite, 0, size - 1, 2, eNoSpace},
		{"zeroes past the end", "", cmdZero, 0, size, 1, eNoSpace},
		{"trim past the end", "", cmdTrim, 0, size, 1, eInval},
		{"cache past the end", "", cmdCache, 0, size, 1, eInval},
		{"write to what is for reading", "ro", cmdWrite, 0, 0, 2, ePerm},
		{"zeroes to what is for reading", "ro", cmdZero, 0, 0, 2, ePerm},
		{"trim of what is for reading", "ro", cmdTrim, 0, 0, 2, ePerm},
		{"flush of what is for reading", "ro", cmdFlush, 0, 0, 0, 0},
		{"status of no context", "", cmdStatus, 0, 0, 512, eInval},
		{"unknown command", "", 99, 0, 0, 0, eInval},
		{"read of nothing", "", cmdRead, 0, size, 0, 0},
		{"write of nothing", "", cmdWrite, fua, size, 0, 0},
		{"cache", "", cmdCache, 0, 1, size - 1, 0},
		{"trim", "", cmdTrim, 0, 0, size, 0},
	} {
		for _, structured := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, structured %v", test.name, structured), func(t *testing.T) {
				c := s.open(test.export, structured)
				var payload []byte
				if test.cmd == cmdWrite {
					payload = make([]byte, test.length)
				}
				if e := c.do(test.cmd, test.flags, test.off, test.length, payload); e != test.want {
					t.Errorf("error %d, want %d", e, test.want)
				}
				if b := c.read(0, 512, 0); len(b) != 512 { // the connection goes on
					t.Error("no data afterwards")
				}
			})
		}
	}
	c := s.open("", true, "base:allocation")
	if e := c.do(cmdStatus, 0, 0, 0, nil); e != eInval {
		t.Errorf("the status of nothing: error %d", e)
	}
	if e := c.do(cmdStatus, 0, size, 512, nil); e != eInval {
		t.Errorf("the status past the end: error %d", e)
	}
}

// failing is a disk that fails where a test wants it to.
type failing struct {
	qedfile.WritableDisk
	from  atomic.Int64 // offset from which on nothing can be read or written
	err   error
	syncs atomic.Int64
}

func newFailing(tb testing.TB, size int) *failing {
	f := &failing{WritableDisk: newRaw(tb, pattern(size, 3)), err: errors.New("the disk is broken")}
	f.from.Store(1 << 62)
	return f
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.from.Load() {
		return 0, f.err
	}
	return f.WritableDisk.ReadAt(p, off)
}

func (f *failing) WriteAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.from.Load() {
		return 0, f.err
	}
	return f.WritableDisk.WriteAt(p, off)
}

func (f *failing) Sync() error {
	f.syncs.Add(1)
	if f.from.Load() == 0 {
		return f.err
	}
	return f.WritableDisk.Sync()
}

func TestADiskThatFails(t *testing.T) {
	disk := newFailing(t, 2<<20)
	s := serve(t, []nbd.Export{{Disk: disk, Writable: true}}, nil)
	disk.from.Store(1 << 20)
	defer disk.from.Store(1 << 62)
	c := s.open("", true)
	list := c.replies(c.send(cmdRead, 0, 1<<20-512<<10, 1<<20, nil))
	last := list[len(list)-1]
	if last.kind != chunkErrorOffset || last.errno != eIO || binary.BigEndian.Uint64(last.payload[len(last.payload)-8:]) != 1<<20 ||
		!strings.Contains(string(last.payload), disk.err.Error()) {
		t.Errorf("chunk %#x, error %d %q", last.kind, last.errno, last.payload)
	}
	if n := len(list) - 1; n != 2 {
		t.Errorf("%d chunks of data before the error, want the two that could be read", n)
	}
	for _, structured := range []bool{true, false} {
		c := s.open("", structured)
		flags := uint16(0)
		if structured {
			flags = df
		}
		list = c.replies(c.send(cmdRead, flags, 1<<20-512<<10, 1<<20, nil))
		if len(list) != 1 || list[0].errno != eIO {
			t.Errorf("structured %v: %d replies, error %d", structured, len(list), list[0].errno)
		}
		if e := c.do(cmdWrite, 0, 1<<20, 512, make([]byte, 512)); e != eIO {
			t.Errorf("write: error %d", e)
		}
		disk.err = fmt.Errorf("wrapped: %w", syscall.ENOSPC)
		if e := c.do(cmdWrite, 0, 1<<20, 512, make([]byte, 512)); e != eNoSpace && noSpaceIsKnown {
			t.Errorf("write to a full disk: error %d", e)
		}
		disk.err = errors.New("the disk is broken")
		if b := c.read(0, 4096, 0); len(b) != 4096 {
			t.Error("it does not go on")
		}
	}
	disk.from.Store(0)
	if e := c.do(cmdFlush, 0, 0, 0, nil); e != eIO {
		t.Errorf("flush: error %d", e)
	}
}

func TestFlushAndFUASync(t *testing.T) {
	disk := newFailing(t, 1<<20)
	c := serve(t, []nbd.Export{{Disk: disk, Writable: true}}, nil).open("", false)
	for _, step := range []struct {
		name       string
		cmd, flags uint16
		want       int64
	}{
		{"write", cmdWrite, 0, 0}, {"write with FUA", cmdWrite, fua, 1},
		{"zeroes", cmdZero, 0, 1}, {"zeroes with FUA", cmdZero, fua, 2},
		{"trim", cmdTrim, 0, 2}, {"trim with FUA", cmdTrim, fua, 3},
		{"flush", cmdFlush, 0, 4},
	} {
		length, payload := uint32(512), make([]byte, 512)
		if step.cmd != cmdWrite {
			payload = nil
		}
		if step.cmd == cmdFlush {
			length = 0
		}
		if e := c.do(step.cmd, step.flags, 0, length, payload); e != 0 || disk.syncs.Load() != step.want {
			t.Errorf("after %s: %d syncs, want %d; error %d", step.name, disk.syncs.Load(), step.want, e)
		}
	}
}

func TestHolesAreTold(t *testing.T) {
	disk := newQED(t, 4<<20)
	data := pattern(64<<10, 5)
	if _, err := disk.WriteAt(data, 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteZeroes(2<<20, 8192); err != nil {
		t.Fatal(err)
	}
	c := serve(t, []nbd.Export{{Disk: disk, AllocationDepth: true}}, nil).open("", true, "base:allocation", "qemu:allocation-depth")
	got := c.status(0, 4<<20, 0)
	want := map[uint32][]extent{
		0: {{1 << 20, 3}, {64 << 10, 0}, {3<<20 - 64<<10, 3}},
		1: {{1 << 20, 0}, {64 << 10, 1}, {1<<20 - 64<<10, 0}, {8192, 1}, {2<<20 - 8192, 0}},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v\nwant %v", got, want)
	}
	if got := c.status(100, 2<<20, reqOne); fmt.Sprint(got) != fmt.Sprint(map[uint32][]extent{0: {{1<<20 - 100, 3}}, 1: {{1<<20 - 100, 0}}}) {
		t.Errorf("one: %v", got)
	}
	list := c.replies(c.send(cmdRead, 0, 0, 4<<20, nil))
	b := c.assemble(list, 0, 4<<20)
	if !bytes.Equal(b[1<<20:1<<20+64<<10], data) || bytes.Count(b, []byte{0}) != 4<<20-64<<10 {
		t.Error("the bytes differ")
	}
	var sent int
	for _, k := range list {
		if k.kind == chunkData {
			sent += len(k.payload) - 8
		}
	}
	if sent != 64<<10 {
		t.Errorf("%d bytes of data were sent for 64 KiB", sent)
	}
	if list := c.replies(c.send(cmdRead, df, 0, 4<<20, nil)); len(list) != 1 {
		t.Errorf("%d chunks where the client wants one", len(list))
	}
}

func TestAStatusHasAnEnd(t *testing.T) {
	disk := newQED(t, 256<<20)
	for off := int64(0); off < 256<<20; off += 8192 {
		if _, err := disk.WriteAt([]byte{1}, off); err != nil {
			t.Fatal(err)
		}
	}
	c := serve(t, []nbd.Export{{Disk: disk}}, nil).open("", true, "base:allocation")
	var runs int
	for off := uint64(0); off < 256<<20; {
		list := c.status(off, uint32(256<<20-off), 0)[0]
		if len(list) == 0 || len(list) > 8192 {
			t.Fatalf("%d runs in one reply", len(list))
		}
		for i, x := range list {
			if x.length != 4096 || x.state != uint32((runs+i)%2)*3 {
				t.Fatalf("run %d: %v", runs+i, x)
			}
			off += uint64(x.length)
		}
		runs += len(list)
	}
	if runs != 65536 {
		t.Errorf("%d runs", runs)
	}
}

func TestTheDepthIsThatOfTheChain(t *testing.T) {
	name := filepath.Join("..", "..", "testdata", "chain.qed")
	img, err := qedfile.Open(name, &qedfile.Options{Backing: qedfile.SiblingBacking(name)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	c := serve(t, []nbd.Export{{Disk: img, AllocationDepth: true}}, nil).open("", true, "qemu:allocation-depth")
	var depths []extent
	for off := uint64(0); off < c.size; {
		for _, x := range c.status(off, uint32(c.size-off), 0)[1] {
			depths = append(depths, x)
			off += uint64(x.length)
		}
	}
	// What qemu-nbd tells of it. From 262144 on the deepest layer has ended.
	want := []extent{
		{32768, 3}, {8192, 2}, {12288, 1}, {12288, 3}, {8192, 2}, {188416, 3}, {45056, 2}, {4096, 1}, {212992, 2},
	}
	if fmt.Sprint(depths) != fmt.Sprint(want) {
		t.Errorf("%v\nwant %v", depths, want)
	}
}

func TestZeroesAreFastOrRefused(t *testing.T) {
	disk := newQED(t, 1<<20)
	if _, err := disk.WriteAt([]byte{1}, 512<<10); err != nil {
		t.Fatal(err)
	}
	c := serve(t, []nbd.Export{{Disk: disk, Writable: true}}, nil).open("", true)
	if e := c.do(cmdZero, fastZero, 0, 512<<10, nil); e != 0 {
		t.Errorf("where nothing is: error %d", e)
	}
	if e := c.do(cmdZero, fastZero, 0, 1<<20, nil); e != eNotSup {
		t.Errorf("over data: error %d", e)
	}
	if b := c.read(512<<10, 1, 0); b[0] != 1 {
		t.Error("what was refused was done")
	}
	if e := c.do(cmdZero, 0, 0, 1<<20, nil); e != 0 || c.read(512<<10, 1, 0)[0] != 0 {
		t.Errorf("however long it takes: error %d", e)
	}
}

// discarding counts what it is told to discard.
type discarding struct {
	qedfile.WritableDisk
	calls []string
}

func (d *discarding) Discard(off, n int64) error {
	d.calls = append(d.calls, fmt.Sprint(off, "+", n))
	return nil
}

func TestTrimReachesADiskThatCanDiscard(t *testing.T) {
	for wanted, want := range map[bool]string{false: "", true: "4608+1024"} {
		t.Run(fmt.Sprint(wanted), func(t *testing.T) {
			disk := &discarding{WritableDisk: newRaw(t, make([]byte, 1<<20))}
			c := serve(t, []nbd.Export{{Disk: disk, Offset: 4096, Writable: true, Discard: wanted}}, nil).open("", false)
			if e := c.do(cmdTrim, 0, 512, 1024, nil); e != 0 {
				t.Errorf("error %d", e)
			}
			if got := strings.Join(disk.calls, " "); got != want {
				t.Errorf("discarded %q, want %q", got, want)
			}
		})
	}
}
