package backendtest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"sync"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// TestStorage checks a kind of storage, as a reader and as what can be
// written. The function open returns an open, empty, writable storage; the
// suite closes it.
func TestStorage(t *testing.T, open func(t *testing.T) backend.Storage) {
	t.Run("as a reader", func(t *testing.T) {
		TestReader(t, func(t *testing.T, content []byte) backend.Reader {
			s := open(t)
			write(t, s, content, 0)
			return s
		})
	})
	tests := []struct {
		name  string
		check func(t *testing.T, s backend.Storage)
	}{
		{"writing beyond the end grows it, the gap is zeroes", growWithGap},
		{"truncating cuts, and growing again shows no old bytes", truncateBothWays},
		{"writing nothing changes nothing", writeNothing},
		{"a negative offset or size is an error and changes nothing", writeNegative},
		{"a range beyond the largest offset is an error and changes nothing", writeFarBeyond},
		{"a punched hole reads as zeroes, and only that", punchHole},
		{"a write keeps no hold of the caller's buffer", writeCopies},
		{"disjoint writes may run concurrently", writeConcurrently},
		{"it agrees with a slice of bytes through a random history", randomHistory},
		{"a closed one refuses changes", writeClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() { s.Close() })
			tt.check(t, s)
		})
	}
}

// punchHole is for storages that can do it.
func punchHole(t *testing.T, s backend.Storage) {
	puncher, ok := s.(backend.HolePuncher)
	if !ok {
		t.Skip("it punches no holes")
	}
	want := bytes.Repeat([]byte{7}, 300<<10)
	write(t, s, want, 0)
	for _, hole := range [][2]int64{{100, 1}, {4000, 200 << 10}, {290 << 10, 100 << 10}, {0, 0}} {
		err := puncher.PunchHole(hole[0], hole[1])
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip("it punches no holes here")
		}
		if err != nil {
			t.Fatalf("PunchHole(%d, %d): %v", hole[0], hole[1], err)
		}
		clear(want[hole[0]:min(hole[0]+hole[1], int64(len(want)))])
	}
	got := make([]byte, len(want)+1)
	if n, err := s.ReadAt(got, 0); n != len(want) || err != io.EOF || !bytes.Equal(got[:n], want) {
		t.Errorf("ReadAt = %d, %v, or other bytes than expected", n, err)
	}
	if err := puncher.PunchHole(-1, 10); err == nil {
		t.Error("a hole at -1 was punched")
	}
}

func write(t *testing.T, s backend.Storage, p []byte, off int64) {
	t.Helper()
	if n, err := s.WriteAt(p, off); n != len(p) || err != nil {
		t.Fatalf("WriteAt(%d bytes at %d) = %d, %v", len(p), off, n, err)
	}
}

func truncate(t *testing.T, s backend.Storage, size int64) {
	t.Helper()
	if err := s.Truncate(size); err != nil {
		t.Fatalf("Truncate(%d): %v", size, err)
	}
}

// checkAll compares everything stored, the size and the runs of data.
func checkAll(t *testing.T, s backend.Storage, want []byte) {
	t.Helper()
	size, err := s.Size()
	if err != nil || size != int64(len(want)) {
		t.Fatalf("Size() = %d, %v, want %d", size, err, len(want))
	}
	if len(want) > 0 {
		checkRead(t, s, want, 0)
	}
	if f, ok := s.(backend.DataFinder); ok {
		checkData(t, f, want)
	}
}

func growWithGap(t *testing.T, s backend.Storage) {
	write(t, s, []byte("head"), 0)
	write(t, s, []byte("tail"), 200_000)
	want := make([]byte, 200_004)
	copy(want, "head")
	copy(want[200_000:], "tail")
	checkAll(t, s, want)
}

func truncateBothWays(t *testing.T, s backend.Storage) {
	want := bytes.Repeat([]byte{0xAB}, 150_000)
	write(t, s, want, 0)
	for _, size := range []int{149_999, 131_072, 65_537, 70_000, 65_536, 200_000, 511, 1024, 0, 5} {
		truncate(t, s, int64(size))
		want = append(want[:min(size, len(want))], make([]byte, max(0, size-len(want)))...)
		checkAll(t, s, want)
	}
	truncate(t, s, 100)
	write(t, s, []byte{7}, 300)
	got := make([]byte, 301)
	if _, err := s.ReadAt(got, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	if !bytes.Equal(got, append(make([]byte, 300), 7)) {
		t.Error("a write beyond a cut end brings old bytes back")
	}
}

func writeNothing(t *testing.T, s backend.Storage) {
	write(t, s, []byte("four"), 0)
	write(t, s, nil, 0)
	write(t, s, nil, 100)
	checkAll(t, s, []byte("four"))
}

func writeNegative(t *testing.T, s backend.Storage) {
	write(t, s, []byte("four"), 0)
	for _, off := range []int64{-1, -4, math.MinInt64} {
		if n, err := s.WriteAt([]byte("xx"), off); n != 0 || err == nil {
			t.Errorf("WriteAt(2 bytes at %d) = %d, %v, want an error", off, n, err)
		}
		if err := s.Truncate(off); err == nil {
			t.Errorf("Truncate(%d) is no error", off)
		}
	}
	checkAll(t, s, []byte("four"))
}

func writeFarBeyond(t *testing.T, s backend.Storage) {
	write(t, s, []byte("four"), 0)
	for _, off := range []int64{math.MaxInt64, math.MaxInt64 - 1} {
		if _, err := s.WriteAt([]byte("xx"), off); err == nil {
			t.Errorf("WriteAt(2 bytes at %d) is no error", off)
		}
	}
	checkAll(t, s, []byte("four"))
}

func writeCopies(t *testing.T, s backend.Storage) {
	buf := bytes.Repeat([]byte{1}, 70_000)
	write(t, s, buf, 0)
	clear(buf)
	checkAll(t, s, bytes.Repeat([]byte{1}, 70_000))
}

func writeConcurrently(t *testing.T, s backend.Storage) {
	const writers, pieces, piece = 8, 40, 1000
	want := make([]byte, writers*pieces*piece)
	for i := range want {
		want[i] = byte(i/piece%251 + 1)
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range pieces {
				at := (i*writers + w) * piece
				if n, err := s.WriteAt(want[at:at+piece], int64(at)); n != piece || err != nil {
					t.Errorf("WriteAt(%d bytes at %d) = %d, %v", piece, at, n, err)
				}
				if i%8 == 0 {
					if err := s.Sync(); err != nil {
						t.Error(err)
					}
				}
				checkRead(t, s, want[at:at+piece], int64(at))
			}
		})
	}
	wg.Wait()
	checkAll(t, s, want)
}

func randomHistory(t *testing.T, s backend.Storage) {
	rng := oracle.Seed(t)
	const limit = 400_000
	var want []byte
	for range 200 {
		switch off := rng.IntN(limit); rng.IntN(5) {
		case 0:
			truncate(t, s, int64(off))
			want = append(want[:min(off, len(want))], make([]byte, max(0, off-len(want)))...)
		case 1:
			if err := s.Sync(); err != nil {
				t.Fatal(err)
			}
		default:
			p := make([]byte, 1+rng.IntN(70_000))
			for i := range p {
				p[i] = byte(rng.Uint32())
			}
			write(t, s, p, int64(off))
			want = append(want, make([]byte, max(0, off+len(p)-len(want)))...)
			copy(want[off:], p)
		}
	}
	checkAll(t, s, want)
}

func writeClosed(t *testing.T, s backend.Storage) {
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, writeErr := s.WriteAt([]byte("x"), 0)
	errs := map[string]error{"WriteAt": writeErr, "Truncate": s.Truncate(1), "Sync": s.Sync()}
	for call, err := range errs {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s of a closed one: %v, want fs.ErrClosed", call, err)
		}
	}
}

// TestDecorator checks a storage that passes calls on to another one: what the
// one beneath can do besides reading and writing, the other can do as well. The
// function wrap puts it before a storage; the suite closes it.
func TestDecorator(t *testing.T, wrap func(s backend.Storage) backend.Storage) {
	beneath := backend.NewMemory(bytes.Repeat([]byte{7}, 256<<10))
	s := wrap(beneath)
	t.Cleanup(func() { s.Close() })
	if err := backend.PunchHole(s, 64<<10, 64<<10); err != nil {
		t.Errorf("PunchHole: %v", err)
	}
	for _, who := range []struct {
		name string
		r    backend.Reader
	}{{"the storage beneath", beneath}, {"the one above", s}} {
		start, end, err := backend.NextData(who.r, 64<<10)
		if start != 128<<10 || end != 256<<10 || err != nil {
			t.Errorf("%s has data from %d to %d, %v after the hole was made, want 131072 to 262144", who.name, start, end, err)
		}
	}
	t.Run("what is beneath frees no space", func(t *testing.T) {
		s := wrap(struct{ backend.Storage }{backend.NewMemory([]byte("some"))})
		t.Cleanup(func() { s.Close() })
		if err := backend.PunchHole(s, 0, 2); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("PunchHole: %v, want errors.ErrUnsupported", err)
		}
		if start, end, err := backend.NextData(s, 1); start != 1 || end != 4 || err != nil {
			t.Errorf("NextData(1) = %d, %d, %v, want all of the rest", start, end, err)
		}
	})
}
