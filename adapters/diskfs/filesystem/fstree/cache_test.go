package fstree_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// counted counts the reads of a volume, and can hold them up or fail them.
type counted struct {
	data  []byte
	reads atomic.Int64
	gate  chan struct{} // nil, or what every read waits for
	bad   func(off, n int64) bool
}

var errBad = errors.New("unreadable")

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.reads.Add(1)
	if c.gate != nil {
		<-c.gate
	}
	if c.bad != nil && c.bad(off, int64(len(p))) {
		return 0, errBad
	}
	return bytes.NewReader(c.data).ReadAt(p, off)
}

func random(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func TestCacheGivesTheVolumesBytes(t *testing.T) {
	rng := oracle.Seed(t)
	r := &counted{data: random(rng, 5<<20+123)}
	size := int64(len(r.data))
	c := fstree.NewCache(r, size, 1<<20)
	for range 2000 {
		off := rng.Int64N(size + 1)
		n := min(rng.Int64N(1<<rng.Int64N(20)), size-off)
		b, err := c.Bytes(off, n)
		if err != nil || !bytes.Equal(b, r.data[off:off+n]) {
			t.Fatalf("Bytes(%d, %d): %d bytes, %v", off, n, len(b), err)
		}
		p := make([]byte, n)
		if m, err := c.ReadAt(p, off); err != nil || int64(m) != n || !bytes.Equal(p, r.data[off:off+n]) {
			t.Fatalf("ReadAt(%d, %d): %d, %v", off, n, m, err)
		}
	}
	if c.Stats().Evictions == 0 {
		t.Error("5 MiB went through a cache of 1 MiB, and nothing was evicted")
	}
}

func TestCacheRefusesWhatLiesOutside(t *testing.T) {
	r := &counted{data: make([]byte, 100_000)}
	for _, c := range []struct {
		name          string
		size, off, n  int64
		wantReadsMost int64
	}{
		{"before the volume", 100_000, -1, 2, 0},
		{"negative length", 100_000, 5, -1, 0},
		{"over the end", 100_000, 99_999, 2, 0},
		{"far away", 100_000, 1 << 62, 1 << 62, 0},
		{"volume shorter than said, within a piece", 1 << 40, 99_999, 2, 2},
		{"volume shorter than said, whole pieces", 1 << 40, 1 << 30, 1 << 38, 2},
		{"volume shorter than said, much asked for", 1 << 40, 0, 1 << 39, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.reads.Store(0)
			cache := fstree.NewCache(r, c.size, 0)
			if _, err := cache.Bytes(c.off, c.n); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("error %v", err)
			}
			if n := r.reads.Load(); n > c.wantReadsMost {
				t.Errorf("%d reads", n)
			}
		})
	}
}

func TestGoroutinesThatMissTogetherReadOnce(t *testing.T) {
	r := &counted{data: make([]byte, 1<<20), gate: make(chan struct{})}
	c := fstree.NewCache(r, 1<<20, 0)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			if _, err := c.Bytes(int64(i)*100, 100); err != nil {
				t.Error(err)
			}
		})
	}
	close(r.gate)
	wg.Wait()
	if n := r.reads.Load(); n != 1 {
		t.Errorf("%d reads, want 1", n)
	}
}

func TestSequentialReadsAreReadAhead(t *testing.T) {
	r := &counted{data: make([]byte, 8<<20)}
	c := fstree.NewCache(r, 8<<20, 0)
	for off := int64(0); off < 8<<20; off += 4096 {
		if _, err := c.Bytes(off, 4096); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.reads.Load(); n > 24 { // 1, 1, 2, 4 and 8 blocks, then 1, 2, 4 and 8 pieces at a time
		t.Errorf("%d reads for 8 MiB, want at most 24", n)
	}
	if s := c.Stats(); s.Bytes != 8<<20 {
		t.Errorf("%d bytes read for 8 MiB", s.Bytes)
	}
}

func TestAVolumeThatFitsIsReadOnce(t *testing.T) {
	for _, size := range []int64{1, 65536, 65537, 600_000, 3 << 20, 16 << 20} {
		r := &counted{data: make([]byte, size)}
		c := fstree.NewCache(r, size, 0)
		for range 3 {
			for off := int64(0); off < size; off += 1 << 12 {
				if _, err := c.Bytes(off, 1); err != nil {
					t.Fatal(err)
				}
			}
		}
		if s := c.Stats(); s.Bytes != size || s.Evictions != 0 {
			t.Errorf("volume of %d bytes: %+v", size, s)
		}
	}
}

func TestAnUnreadablePieceSpoilsNoNeighbourAndIsTriedAgain(t *testing.T) {
	r := &counted{data: make([]byte, 1<<20)}
	broken := true
	r.bad = func(off, n int64) bool { return broken && off < 200_000 && 200_000 < off+n } // in piece 3
	c := fstree.NewCache(r, 1<<20, 0)
	for piece := range int64(16) {
		_, err := c.Bytes(piece<<16+3390, 10)
		if want := piece == 3; errors.Is(err, errBad) != want {
			t.Errorf("piece %d: %v", piece, err)
		}
	}
	if _, err := c.Bytes(3<<16, 3390); err != nil {
		t.Errorf("before the unreadable spot: %v", err)
	}
	broken = false
	if _, err := c.Bytes(3<<16+3390, 10); err != nil {
		t.Errorf("read again: %v", err)
	}
}

func TestAPanicOfTheReaderLeavesNobodyWaiting(t *testing.T) {
	r := &counted{data: make([]byte, 1<<20)}
	r.bad = func(int64, int64) bool { panic("reader") }
	c := fstree.NewCache(r, 1<<20, 0)
	func() {
		defer func() { _ = recover() }()
		_, _ = c.Bytes(0, 10)
	}()
	r.bad = nil
	if _, err := c.Bytes(0, 10); err != nil {
		t.Error(err)
	}
}

func TestAHitAllocatesNothing(t *testing.T) {
	c := fstree.NewCache(&counted{data: make([]byte, 1<<20)}, 1<<20, 0)
	p := make([]byte, 100)
	if n := testing.AllocsPerRun(100, func() {
		_, _ = c.Bytes(5000, 200)
		_, _ = c.ReadAt(p, 6000)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCacheHit(b *testing.B) {
	c := fstree.NewCache(&counted{data: make([]byte, 8<<20)}, 8<<20, 0)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := int64(0); pb.Next(); i++ {
			if _, err := c.Bytes(i*4096&(8<<20-1), 256); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// What lies alone costs what was asked for, and what lies together about twice
// of that at most, whatever the order.
func TestTheCacheReadsLittleMoreThanIsAskedFor(t *testing.T) {
	const volume, dense = 1 << 16, 512 // blocks
	for name, order := range map[string]func(i int) int{
		"forward":   func(i int) int { return i },
		"backward":  func(i int) int { return dense - 1 - i },
		"scattered": func(i int) int { return i * 131 % dense },
		"every 2nd": func(i int) int { return i * 2 % dense },
		"alone":     func(i int) int { return i * 50 * 141 % volume },
	} {
		t.Run(name, func(t *testing.T) {
			r := &counted{data: make([]byte, volume<<12)}
			c := fstree.NewCache(r, volume<<12, volume<<12)
			asked := map[int]bool{}
			for i := range dense {
				asked[order(i)] = true
				if _, err := c.Bytes(int64(order(i))<<12, 1); err != nil {
					t.Fatal(err)
				}
			}
			got, most := c.Stats().Bytes>>12, int64(2*len(asked)+128) // the last read is up to 512 KiB
			if name == "alone" {
				most = dense
			}
			if got > most {
				t.Errorf("%d blocks are read, of which %d were asked for", got, len(asked))
			}
		})
	}
}

func TestReadDataReadsAPieceOnlyForWhatLiesTogether(t *testing.T) {
	const piece = 64 << 10
	rng := oracle.Seed(t)
	r := &counted{data: random(rng, 128*piece)}
	c := fstree.NewCache(r, int64(len(r.data)), 0)
	read := func(off int64, n int, wantReads, wantBytes int64) {
		t.Helper()
		before := c.Stats()
		p := make([]byte, n)
		if m, err := c.ReadData(p, off); m != n || err != nil || !bytes.Equal(p, r.data[off:off+int64(n)]) {
			t.Fatalf("ReadData(%d, %d): %d, %v", off, n, m, err)
		}
		after := c.Stats()
		if after.Reads-before.Reads != wantReads || after.Bytes-before.Bytes != wantBytes {
			t.Errorf("%d bytes at %d: %d reads of %d bytes, want %d of %d",
				n, off, after.Reads-before.Reads, after.Bytes-before.Bytes, wantReads, wantBytes)
		}
	}
	for i := range int64(16) { // far from each other
		read((2*i+1)*piece+100, 1000, 1, 1000)
	}
	read(40*piece, 1000, 1, 1000)
	read(40*piece+1000, 1000, 1, 4096) // the second of its piece
	read(40*piece+2000, 1000, 0, 0)
	read(40*piece+2000, 4096, 1, 4096) // long
	read(41*piece, 1000, 1, 1000)
	read(105*piece, 1000, 1, 1000) // remembered in the same place
	read(41*piece+1000, 1000, 1, 1000)
	if _, err := c.ReadData(make([]byte, 10), c.Size()-5); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("behind the end: %v", err)
	}
	if _, err := c.ReadData(make([]byte, 10), -5); err == nil {
		t.Error("a read before the beginning")
	}
}

// What a small file shares its piece with is mostly read past the cache: metadata
// nearby is no reason to read all of it, and many small files are.
func TestSmallFilesBetweenOthersBringInNothingElse(t *testing.T) {
	const piece, block = 64 << 10, 4 << 10
	r := &counted{data: make([]byte, 64*piece)}
	c := fstree.NewCache(r, int64(len(r.data)), 0)
	if _, err := c.Bytes(10*piece, 1); err != nil {
		t.Fatal(err)
	}
	small := func(at, want int64) {
		t.Helper()
		before := c.Stats().Bytes
		if _, err := c.ReadData(make([]byte, 100), 11*piece+at*block); err != nil {
			t.Fatal(err)
		}
		if got := c.Stats().Bytes - before; got != want {
			t.Errorf("block %d: %d bytes are read, want %d", at, got, want)
		}
	}
	small(0, 100) // the first of its piece
	small(2, block)
	small(4, block)
	small(6, block)
	small(8, block)
	small(15, 7*block) // what is missing around it in one row
}
