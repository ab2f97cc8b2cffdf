package qedfile_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

func TestHeadersThatBreakARuleAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*layout)
		want   error
	}{
		"another magic":                   {func(l *layout) { l.magic = "QED\x01" }, qedfile.ErrFormat},
		"empty file":                      {func(l *layout) { l.length = 0 }, qedfile.ErrFormat},
		"three bytes":                     {func(l *layout) { l.length = 3 }, qedfile.ErrFormat},
		"unknown feature":                 {func(l *layout) { l.features = 8 }, qedfile.ErrUnsupported},
		"highest feature":                 {func(l *layout) { l.features = 1 << 63 }, qedfile.ErrUnsupported},
		"cluster size 0":                  {func(l *layout) { l.cluster = 0 }, qedfile.ErrFormat},
		"cluster of 2 KiB":                {func(l *layout) { l.cluster = 2048 }, qedfile.ErrFormat},
		"cluster of 128 MiB":              {func(l *layout) { l.cluster = 128 << 20 }, qedfile.ErrFormat},
		"odd cluster size":                {func(l *layout) { l.cluster = 12288 }, qedfile.ErrFormat},
		"table size 0":                    {func(l *layout) { l.table = 0 }, qedfile.ErrFormat},
		"table size 3":                    {func(l *layout) { l.table = 3 }, qedfile.ErrFormat},
		"table size 32":                   {func(l *layout) { l.table = 32 }, qedfile.ErrFormat},
		"size not of sectors":             {func(l *layout) { l.size = 513 }, qedfile.ErrFormat},
		"size beyond the geometry":        {func(l *layout) { l.size = 512*512*4096 + 512 }, qedfile.ErrFormat},
		"a disk longer than qemu's":       {func(l *layout) { l.cluster, l.table, l.l1, l.length, l.size = 8<<20, 16, 8<<20, 64, 1<<63-1<<30+512 }, qedfile.ErrFormat},
		"size of 2^64-512":                {func(l *layout) { l.size = 1<<64 - 512 }, qedfile.ErrFormat},
		"header area of 4 GiB":            {func(l *layout) { l.headerSize = 1 << 20 }, qedfile.ErrFormat},
		"L1 table in the header area":     {func(l *layout) { l.l1 = 0 }, qedfile.ErrFormat},
		"L1 table not at a cluster":       {func(l *layout) { l.l1 = 4608 }, qedfile.ErrFormat},
		"L1 table past the end":           {func(l *layout) { l.l1 = 6 * 4096 }, qedfile.ErrFormat},
		"L1 table reaches past the end":   {func(l *layout) { l.table, l.l1 = 2, 5*4096 }, qedfile.ErrFormat},
		"L1 table at the end of 64 bits":  {func(l *layout) { l.l1 = 1<<64 - 4096 }, qedfile.ErrFormat},
		"L1 cluster lacks a sector":       {func(l *layout) { l.l1, l.length = 5*4096, 6*4096-512 }, qedfile.ErrFormat},
		"backing name past header area":   {func(l *layout) { l.features, l.backingOffset, l.backingSize = 1, 4090, 7 }, qedfile.ErrFormat},
		"backing name wraps in 32 bits":   {func(l *layout) { l.features, l.backingOffset, l.backingSize = 1, math.MaxUint32, 2 }, qedfile.ErrFormat},
		"backing name of 4096 bytes":      {func(l *layout) { l.features, l.headerSize, l.l1, l.backingOffset, l.backingSize = 1, 2, 8192, 64, 4096 }, qedfile.ErrFormat},
		"backing file and nobody to open": {func(l *layout) { l.features, l.backingOffset, l.backingSize, l.backing = 1, 64, 1, "b" }, qedfile.ErrBackingDenied},
	} {
		t.Run(name, func(t *testing.T) {
			l := small()
			test.change(&l)
			m, err := l.open(nil)
			if err == nil {
				m.Close()
			}
			if !errors.Is(err, test.want) {
				t.Errorf("error is %v, want %v", err, test.want)
			}
		})
	}
}

func TestOddHeadersThatTheSpecificationAllowsOpen(t *testing.T) {
	for name, change := range map[string]func(*layout){
		"table of one cluster":              func(*layout) {},
		"disk of no bytes":                  func(l *layout) { l.size = 0 },
		"unknown compat and autoclear bits": func(l *layout) { l.compat, l.autoclear = math.MaxUint64, math.MaxUint64 },
		"dirty":                             func(l *layout) { l.features = qedfile.FeatureNeedCheck },
		"garbage name without the feature":  func(l *layout) { l.backingOffset, l.backingSize = math.MaxUint32, math.MaxUint32 },
		"NO_PROBE without a backing file":   func(l *layout) { l.features = qedfile.FeatureNoProbe },
		"empty backing name":                func(l *layout) { l.features, l.backingOffset = qedfile.FeatureBacking, 64 },
		"backing name that begins with NUL": func(l *layout) {
			l.features, l.backingOffset, l.backingSize, l.backing = qedfile.FeatureBacking, 64, 3, "\x00ab"
		},
		"bytes after the last cluster":    func(l *layout) { l.length += 100 },
		"last cluster short of 511 bytes": func(l *layout) { l.l1, l.length, l.entries = 5*4096, 6*4096-511, nil },
		"largest size of the geometry":    func(l *layout) { l.size = 512 * 512 * 4096 },
	} {
		t.Run(name, func(t *testing.T) {
			l := small()
			change(&l)
			m := l.mustOpen(t, nil)
			if m.Size() != int64(l.size) {
				t.Errorf("Size = %d, want %d", m.Size(), l.size)
			}
			if got, want := m.Header().NeedCheck(), l.features&qedfile.FeatureNeedCheck != 0; got != want {
				t.Errorf("NeedCheck = %t, want %t", got, want)
			}
			if _, err := m.ReadAt(make([]byte, min(l.size, 1<<20)), 0); err != nil {
				t.Errorf("ReadAt: %v", err)
			}
		})
	}
}

func TestHugeGeometriesCostKilobytes(t *testing.T) {
	// Where qemu computes a largest size of 0, or reserves a gigabyte.
	for _, cluster := range []uint32{2 << 20, 8 << 20, 64 << 20} {
		l := layout{magic: "QED\x00", cluster: cluster, table: 16, headerSize: 1, l1: uint64(cluster), size: 1<<63 - 1<<30}
		l.length = 64
		storage := backend.NewMemory(l.bytes())
		if err := storage.Truncate(17 * int64(cluster)); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := qedfile.New(storage, nil)
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 8192)
		for _, off := range []int64{0, 1 << 40, 1<<63 - 1<<30 - 8192} {
			if _, err := m.ReadAt(p, off); err != nil {
				t.Errorf("clusters of %d: read at %d: %v", cluster, off, err)
			}
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > memoryFactor*512<<10 {
			t.Errorf("clusters of %d: %d bytes were allocated", cluster, used)
		}
		runs := 0
		for e, err := range m.Extents(0, m.Size()) {
			if runs++; err != nil || e.Length != m.Size() || e.Kind != qedfile.Unallocated {
				t.Errorf("clusters of %d: extent %+v, %v", cluster, e, err)
			}
		}
		if runs != 1 {
			t.Errorf("clusters of %d: %d extents, want 1", cluster, runs)
		}
	}
}

func TestAnInvalidEntryConcernsItsOwnRangeOnly(t *testing.T) {
	l := small()
	l.entries[8192] = 3 * 4096     // cluster 0: good
	l.entries[8192+8] = 4*4096 + 1 // 1: marker on an offset
	l.entries[8192+16] = 6 * 4096  // 2: past the end
	l.entries[8192+24] = 0         // 3: hole
	l.entries[8192+32] = 5 * 4096  // 4: good
	l.entries[4096+8] = 1          // no zero marker in L1: 2 MiB to 4 MiB
	l.size = 8 << 20
	l.data = map[int64][]byte{3 * 4096: bytes.Repeat([]byte{1}, 4096), 5 * 4096: bytes.Repeat([]byte{5}, 4096)}
	m := l.mustOpen(t, nil)

	p := make([]byte, 2*4096)
	n, err := m.ReadAt(p, 0)
	var corrupt *qedfile.CorruptError
	if n != 4096 || p[4095] != 1 || !errors.As(err, &corrupt) || !errors.Is(err, qedfile.ErrCorrupt) {
		t.Fatalf("ReadAt across = %d, %v; want the first cluster and a CorruptError", n, err)
	}
	if corrupt.Level != 2 || corrupt.Table != 8192 || corrupt.Index != 1 || corrupt.Entry != 4*4096+1 || corrupt.Start != 4096 {
		t.Errorf("the error is about %+v", corrupt)
	}
	if n, err := m.ReadAt(p, 2*4096+100); n != 0 || !errors.Is(err, qedfile.ErrCorrupt) {
		t.Errorf("ReadAt of an entry past the end = %d, %v", n, err)
	}
	if n, err := m.ReadAt(p, 3*4096); n != len(p) || err != nil || p[4096] != 5 {
		t.Errorf("ReadAt after it = %d, %v", n, err)
	}
	if _, err := m.ReadAt(p, 2<<20); !errors.As(err, &corrupt) || corrupt.Level != 1 || corrupt.Index != 1 {
		t.Errorf("ReadAt under a bad L1 entry: %v", err)
	}
	if n, err := m.ReadAt(p, 4<<20); n != len(p) || err != nil {
		t.Errorf("ReadAt after a bad L1 entry = %d, %v", n, err)
	}

	type part struct {
		start, length int64
		bad           bool
	}
	var got []part
	for e, err := range m.Extents(0, m.Size()) {
		got = append(got, part{e.Start, e.Length, err != nil})
	}
	want := []part{
		{0, 4096, false}, {4096, 4096, true}, {8192, 4096, true}, {3 * 4096, 4096, false}, {4 * 4096, 4096, false},
		{5 * 4096, 2<<20 - 5*4096, false}, {2 << 20, 2 << 20, true}, {4 << 20, 4 << 20, false},
	}
	if len(got) != len(want) {
		t.Fatalf("extents are %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("extent %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func TestTheLastClusterMayLackAPartOfASector(t *testing.T) {
	l := small()
	l.entries[8192] = 5 * 4096
	l.data = map[int64][]byte{5 * 4096: bytes.Repeat([]byte{9}, 4096)}
	l.length -= 511
	m := l.mustOpen(t, nil)
	p := bytes.Repeat([]byte{1}, 4096)
	if n, err := m.ReadAt(p, 0); n != 4096 || err != nil {
		t.Fatalf("ReadAt = %d, %v", n, err)
	}
	if p[4096-512] != 9 || p[4096-511] != 0 || p[4095] != 0 {
		t.Error("what the file lacks is not zeroes")
	}
	l.length--
	if _, err := l.mustOpen(t, nil).ReadAt(p, 0); !errors.Is(err, qedfile.ErrCorrupt) {
		t.Errorf("with a sector missing: %v, want ErrCorrupt", err)
	}
}

// reader is a storage that counts and can be changed under an image.
type reader struct {
	*backend.Memory
	reads atomic.Int64
	fail  atomic.Bool
	gate  chan struct{} // when set, a read waits for it
}

var errDisk = errors.New("the disk is broken")

func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	r.reads.Add(1)
	if r.gate != nil {
		<-r.gate
	}
	if r.fail.Load() {
		return 0, errDisk
	}
	return r.Memory.ReadAt(p, off)
}

func TestAdjacentClustersAreOneRead(t *testing.T) {
	l := small()
	for i := int64(0); i < 3; i++ {
		l.entries[8192+8*i] = uint64(3+i) * 4096
	}
	r := &reader{Memory: backend.NewMemory(l.bytes())}
	m, err := qedfile.New(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 5*4096)
	for range 2 {
		r.reads.Store(0)
		if _, err := m.ReadAt(p, 0); err != nil {
			t.Fatal(err)
		}
	}
	if r.reads.Load() != 1 {
		t.Errorf("%d reads for three adjacent clusters and a hole, want 1", r.reads.Load())
	}
	if s := m.Stats(); s.TableLoads != 2 {
		t.Errorf("stats are %+v, want 2 table loads", s)
	}
}

func TestConcurrentMissesOfOneTableReadItOnce(t *testing.T) {
	l := small()
	l.entries[8192] = 1
	r := &reader{Memory: backend.NewMemory(l.bytes())}
	m, err := qedfile.New(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.gate = make(chan struct{})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, err := m.ReadAt(make([]byte, 512), 0); err != nil {
				t.Error(err)
			}
		})
	}
	close(r.gate)
	wg.Wait()
	if s := m.Stats(); s.TableLoads != 2 {
		t.Errorf("%d table loads for an L1 and an L2 table", s.TableLoads)
	}
}

func TestAFailedTableReadIsTriedAgain(t *testing.T) {
	l := small()
	r := &reader{Memory: backend.NewMemory(l.bytes())}
	m, err := qedfile.New(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.fail.Store(true)
	if _, err := m.ReadAt(make([]byte, 512), 0); !errors.Is(err, errDisk) {
		t.Errorf("error is %v", err)
	}
	r.fail.Store(false)
	if _, err := m.ReadAt(make([]byte, 512), 0); err != nil {
		t.Errorf("after the fault: %v", err)
	}
}

func TestAFileThatIsCutWhileOpenIsNotZeroes(t *testing.T) {
	l := small()
	l.entries[8192] = 5 * 4096
	storage := backend.NewMemory(l.bytes())
	m, err := qedfile.New(storage, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := storage.Truncate(4 * 4096); err != nil {
		t.Fatal(err)
	}
	if _, err := m.ReadAt(make([]byte, 512), 0); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error is %v, want ErrUnexpectedEOF", err)
	}
}

func TestImageIsAReader(t *testing.T) {
	l := small()
	l.size = 3*4096 + 512
	l.entries[8192+8] = 3 * 4096
	l.data = map[int64][]byte{3 * 4096: []byte("hello")}
	want := make([]byte, l.size)
	copy(want[4096:], "hello")
	if err := iotest.TestReader(l.mustOpen(t, nil), want); err != nil {
		t.Error(err)
	}
}

func TestAClosedImageSaysSo(t *testing.T) {
	m := small().mustOpen(t, nil)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.ReadAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("ReadAt: %v", err)
	}
	if err := m.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	for _, err := range m.Extents(0, 1) {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("Extents: %v", err)
		}
	}
}

func TestATinyCacheReadsTheSame(t *testing.T) {
	// 4 KiB clusters and tables of one: a slice maps 2 MiB, of 1 GiB.
	const tables = 64
	l := layout{magic: "QED\x00", cluster: 4096, table: 1, headerSize: 1, l1: 4096, size: tables * 512 * 4096,
		entries: map[int64]uint64{}, data: map[int64][]byte{}, length: (2 + 2*tables) * 4096}
	for i := int64(0); i < tables; i++ {
		table, cluster := (2+2*i)*4096, (3+2*i)*4096
		l.entries[4096+8*i] = uint64(table)
		l.entries[table+8*i] = uint64(cluster)
		l.data[cluster] = []byte{byte(i + 1)}
	}
	m := l.mustOpen(t, &qedfile.Options{CacheBytes: 1})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			p := make([]byte, 1)
			for k := range int64(4 * tables) {
				i := (k*37 + int64(g)) % tables
				if _, err := m.ReadAt(p, i*512*4096+i*4096); err != nil || p[0] != byte(i+1) {
					t.Errorf("table %d: read %d, %v", i, p[0], err)
				}
			}
		})
	}
	wg.Wait()
	if s := m.Stats(); s.TableLoads <= tables {
		t.Errorf("%d table loads: the budget was not kept", s.TableLoads)
	}
}
