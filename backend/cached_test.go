package backend_test

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
)

func newCached(t testing.TB, r backend.Reader, opts *backend.CacheOptions) *backend.Cached {
	t.Helper()
	c, err := backend.NewCached(r, opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCachedIsAReader(t *testing.T) {
	for name, opts := range map[string]*backend.CacheOptions{
		"by default":      nil,
		"of small blocks": {BlockSize: 1000, FirstRead: 1000, Budget: 50_000, ReadAhead: 10_000},
		"of one block":    {BlockSize: 4096, FirstRead: 4096, Budget: 1},
	} {
		t.Run(name, func(t *testing.T) {
			backendtest.TestReader(t, func(t *testing.T, b []byte) backend.Reader {
				return newCached(t, backend.NewMemory(b), opts)
			})
		})
	}
}

func TestCachedOverHTTPIsAReader(t *testing.T) {
	backendtest.TestReader(t, func(t *testing.T, b []byte) backend.Reader {
		return newCached(t, openHTTP(t, serve(t, good(b))), nil)
	})
}

// sweep reads all of r in pieces of n bytes.
func sweep(t *testing.T, r io.ReaderAt, size, n int) {
	t.Helper()
	p := make([]byte, n)
	for off := 0; off < size; off += n {
		if _, err := r.ReadAt(p, int64(off)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCachedReadsAheadWhereReadingIsSequential(t *testing.T) {
	const blocks = 256
	counter := backendtest.NewCounter(backend.NewMemory(make([]byte, blocks*1024)))
	c := newCached(t, counter, &backend.CacheOptions{BlockSize: 1024, FirstRead: 1024, Budget: 1 << 20, ReadAhead: 32 << 10})
	sweep(t, c, blocks*1024, 512)
	// 1, 1, 2, 4, 8 and 16 blocks, then at most 32 each time.
	if got, want := counter.Counts(), (backendtest.Counts{Reads: 13, ReadBytes: blocks * 1024}); got != want {
		t.Errorf("a sequential pass makes %+v, want %+v", got, want)
	}
	counter.Reset()
	sweep(t, c, blocks*1024, 512)
	if got := counter.Counts(); got.Reads != 0 {
		t.Errorf("a second pass makes %+v, want nothing read", got)
	}
}

func TestCachedReadsOneBlockForARandomRead(t *testing.T) {
	counter := backendtest.NewCounter(backend.NewMemory(make([]byte, 1<<20)))
	c := newCached(t, counter, &backend.CacheOptions{BlockSize: 4096, FirstRead: 4096})
	for _, off := range []int64{500_000, 100_000, 900_000, 300_000} {
		if _, err := c.ReadAt(make([]byte, 10), off); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := counter.Counts(), (backendtest.Counts{Reads: 4, ReadBytes: 4 * 4096}); got != want {
		t.Errorf("four reads make %+v, want %+v", got, want)
	}
}

func TestCachedKeepsToItsBudgetAndDropsTheOldest(t *testing.T) {
	counter := backendtest.NewCounter(backend.NewMemory(make([]byte, 1<<20)))
	c := newCached(t, counter, &backend.CacheOptions{BlockSize: 1024, FirstRead: 1024, Budget: 4 * 1024})
	touch := func(block int64) int64 {
		before := counter.Counts().Reads
		if _, err := c.ReadAt(make([]byte, 1), block*1024); err != nil {
			t.Fatal(err)
		}
		return counter.Counts().Reads - before
	}
	for _, block := range []int64{10, 20, 30, 40, 10, 50} { // 50 drives out 20
		touch(block)
	}
	for _, tt := range []struct{ block, reads int64 }{{10, 0}, {30, 0}, {40, 0}, {50, 0}, {20, 1}} {
		if got := touch(tt.block); got != tt.reads {
			t.Errorf("block %d takes %d reads, want %d", tt.block, got, tt.reads)
		}
	}
}

// gate holds every read back until it is opened.
type gate struct {
	backend.Reader
	arrived chan struct{}
	open    chan struct{}
}

func (g *gate) ReadAt(p []byte, off int64) (int, error) {
	g.arrived <- struct{}{}
	<-g.open
	return g.Reader.ReadAt(p, off)
}

func TestCachedFetchesABlockOnceForAllWhoMissIt(t *testing.T) {
	counter := backendtest.NewCounter(backend.NewMemory(bytes.Repeat([]byte{7}, 1<<20)))
	g := &gate{counter, make(chan struct{}, 100), make(chan struct{})}
	c := newCached(t, g, nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			p := make([]byte, 100)
			if _, err := c.ReadAt(p, 5000); err != nil || p[99] != 7 {
				t.Errorf("ReadAt: %v, %d", err, p[99])
			}
		})
	}
	<-g.arrived
	close(g.open)
	wg.Wait()
	if got := counter.Counts().Reads; got != 1 {
		t.Errorf("%d reads, want 1", got)
	}
}

func TestCachedForgetsWhatFailed(t *testing.T) {
	fault := backendtest.NewFault(backend.NewMemory(bytes.Repeat([]byte{7}, 100_000)), backendtest.FaultPlan{Ops: backendtest.OpRead, Nth: 1})
	c := newCached(t, fault, &backend.CacheOptions{BlockSize: 1024, FirstRead: 1024})
	p := make([]byte, 5000)
	if n, err := c.ReadAt(p, 2000); n != 0 || !errors.Is(err, backendtest.ErrInjected) {
		t.Errorf("ReadAt = %d, %v, want the fault", n, err)
	}
	if n, err := c.ReadAt(p, 2000); n != 5000 || err != nil || p[4999] != 7 {
		t.Errorf("the second ReadAt = %d, %v", n, err)
	}
}

func TestCachedFailureInWhatIsReadAheadHurtsNobody(t *testing.T) {
	memory := backend.NewMemory(bytes.Repeat([]byte{7}, 64<<10))
	fault := backendtest.NewFault(memory, backendtest.FaultPlan{Ops: backendtest.OpRead, Nth: 2, Short: true})
	c := newCached(t, fault, &backend.CacheOptions{BlockSize: 1024, FirstRead: 1024})
	sweep(t, c, 64<<10, 1024) // the second read fetches three blocks, of which only a part comes
	if fault.Failed() != 1 {
		t.Errorf("%d reads failed, want 1", fault.Failed())
	}
}

func TestCachedRefusesANegativeBudget(t *testing.T) {
	if _, err := backend.NewCached(backend.NewMemory(nil), &backend.CacheOptions{Budget: -1}); err == nil {
		t.Error("no error")
	}
}

// Half of what lies together was asked for: the rest is worth having. That
// holds for any order of asking.
func TestCachedFetchesLittleMoreThanIsNeeded(t *testing.T) {
	const blocks, dense = 4096, 512
	for name, order := range map[string]func(i int) int{
		"forward":   func(i int) int { return i },
		"backward":  func(i int) int { return dense - 1 - i },
		"scattered": func(i int) int { return i * 131 % dense },
		"every 2nd": func(i int) int { return i * 2 % dense },
	} {
		t.Run(name, func(t *testing.T) {
			counter := backendtest.NewCounter(backend.NewMemory(make([]byte, blocks*1024)))
			c := newCached(t, counter, &backend.CacheOptions{BlockSize: 1024, FirstRead: 1024, Budget: 4 << 20, ReadAhead: 64 << 10})
			for i := range dense {
				if _, err := c.ReadAt(make([]byte, 1), int64(1024+order(i))*1024); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Close(); err != nil { // ends what is under way
				t.Fatal(err)
			}
			got := counter.Counts()
			if got.ReadBytes > 2*dense*1024 {
				t.Errorf("%d bytes are read, of which %d were asked for", got.ReadBytes, dense*1024)
			}
			if name != "scattered" && got.Reads > 40 {
				t.Errorf("%d reads", got.Reads)
			}
		})
	}
}

func TestCachedFetchesWhatIsAnnounced(t *testing.T) {
	b := content(1 << 20)
	counter := backendtest.NewCounter(backend.NewMemory(b))
	g := &gate{counter, make(chan struct{}, 100), make(chan struct{})}
	c := newCached(t, g, &backend.CacheOptions{BlockSize: 1024, FirstRead: 1024, Budget: 1 << 20, ReadAhead: 64 << 10})
	backend.Prefetch(c, []backend.Range{{Off: 100_000, Len: 10}, {Off: 500_000, Len: 3000}, {Off: 101_000, Len: 10}, {Off: -1, Len: 5}, {Off: 1 << 40, Len: 5}, {Off: 1<<20 - 1, Len: 1 << 62}})
	section, err := backend.NewSection(c, 700_000, 1000)
	if err != nil {
		t.Fatal(err)
	}
	backend.Prefetch(section, []backend.Range{{Off: 500, Len: 1 << 40}, {Off: 1000, Len: 1}, {Off: -5, Len: 100}})
	for range 4 { // all at the same time
		<-g.arrived
	}
	close(g.open)
	for _, off := range []int64{100_000, 500_000, 502_990, 101_000, 1<<20 - 10, 700_600} {
		p := make([]byte, 10)
		if n, err := c.ReadAt(p, off); n != 10 || err != nil || !bytes.Equal(p, b[off:off+10]) {
			t.Errorf("ReadAt %d: %d, %v, or the bytes differ", off, n, err)
		}
	}
	if got := counter.Counts().Reads; got != 4 {
		t.Errorf("%d reads, want the 4 that were announced", got)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	backend.Prefetch(c, []backend.Range{{Off: 0, Len: 10}}) // is too late, and no harm
}

// pairs lets no read past an offset end before another one has begun.
type pairs struct {
	backend.Reader
	from int64
	once sync.Once
	n    atomic.Int64
	two  chan struct{}
}

func (p *pairs) ReadAt(b []byte, off int64) (int, error) {
	if off >= p.from {
		if p.n.Add(1) >= 2 {
			p.once.Do(func() { close(p.two) })
		}
		select {
		case <-p.two:
		case <-time.After(10 * time.Second):
			return 0, errors.New("no other read has begun")
		}
	}
	return p.Reader.ReadAt(b, off)
}

func TestCachedIsAheadOfAStream(t *testing.T) {
	p := &pairs{Reader: backend.NewMemory(content(1 << 20)), from: 64 << 10, two: make(chan struct{})}
	c := newCached(t, p, &backend.CacheOptions{BlockSize: 1024, FirstRead: 1024, Budget: 1 << 20, ReadAhead: 16 << 10})
	sweep(t, c, 1<<20, 1024)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// panicking panics in its n-th read.
type panicking struct {
	backend.Reader
	left int
}

func (p *panicking) ReadAt(b []byte, off int64) (int, error) {
	if p.left--; p.left == 0 {
		panic("broken reader")
	}
	return p.Reader.ReadAt(b, off)
}

func TestCachedSurvivesAPanicOfItsReader(t *testing.T) {
	c := newCached(t, &panicking{backend.NewMemory(content(10_000)), 1}, &backend.CacheOptions{BlockSize: 1024, FirstRead: 1024})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is hidden")
			}
		}()
		c.ReadAt(make([]byte, 10), 0)
	}()
	if n, err := c.ReadAt(make([]byte, 10), 0); n != 10 || err != nil {
		t.Errorf("the next ReadAt = %d, %v", n, err)
	}
}
