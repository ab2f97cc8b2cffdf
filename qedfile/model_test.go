package qedfile_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// empty is a fresh image.
func empty(cluster, table uint32, size int64) layout {
	return layout{magic: "QED\x00", cluster: cluster, table: table, headerSize: 1, l1: uint64(cluster), size: uint64(size),
		length: int64(1+table) * int64(cluster)}
}

// A model is a disk as a slice of bytes, beside the image that should be it.
type model struct {
	tb      testing.TB
	rnd     *rand.Rand
	storage backend.Storage
	opts    qedfile.Options
	backing []byte
	max     int64 // of Resize
	m       *qedfile.Image
	disk    []byte
}

func newModel(tb testing.TB, rnd *rand.Rand, l layout, backing []byte, cacheBytes int64) *model {
	tb.Helper()
	if backing != nil {
		l.features, l.backing, l.backingOffset, l.backingSize = qedfile.FeatureBacking, "b", 64, 1
	}
	x := &model{tb: tb, rnd: rnd, storage: l.storage(), backing: backing, max: int64(l.size) * 2, disk: make([]byte, l.size)}
	copy(x.disk, backing)
	x.opts = qedfile.Options{Writable: true, CacheBytes: cacheBytes, Backing: func(qedfile.BackingRef) (qedfile.Disk, error) {
		return qedfile.NewRaw(backend.NewMemory(bytes.Clone(x.backing)))
	}}
	x.open()
	return x
}

func (x *model) open() {
	x.tb.Helper()
	m, err := qedfile.New(keepOpen{x.storage}, &x.opts)
	if err != nil {
		x.tb.Fatal(err)
	}
	x.m = m
}

// keepOpen is a storage that outlives the image in it.
type keepOpen struct{ backend.Storage }

func (keepOpen) Close() error { return nil }

func (x *model) reopen() {
	x.tb.Helper()
	if err := x.m.Close(); err != nil {
		x.tb.Fatal(err)
	}
	x.open()
}

func (x *model) rangeOf(longest int64) (off, n int64) {
	size := int64(len(x.disk))
	if size == 0 {
		return 0, 0
	}
	off = x.rnd.Int64N(size)
	switch x.rnd.IntN(4) {
	case 0:
		off = off / int64(x.m.Header().ClusterSize) * x.m.Header().ClusterSize
	case 1:
		off = off / 512 * 512
	}
	n = x.rnd.Int64N(longest)
	if x.rnd.IntN(2) == 0 {
		n = n / x.m.Header().ClusterSize * x.m.Header().ClusterSize
	}
	return off, min(n, size-off)
}

func (x *model) write(off, n int64, fill byte) {
	x.tb.Helper()
	b := bytes.Repeat([]byte{fill}, int(n))
	if k, err := x.m.WriteAt(b, off); int64(k) != n || err != nil {
		x.tb.Fatalf("WriteAt(%d, %d) = %d, %v", n, off, k, err)
	}
	copy(x.disk[off:], b)
}

func (x *model) zero(off, n int64) {
	x.tb.Helper()
	if err := x.m.WriteZeroes(off, n); err != nil {
		x.tb.Fatalf("WriteZeroes(%d, %d): %v", off, n, err)
	}
	clear(x.disk[off : off+n])
}

// step does one random thing, and returns what it was.
func (x *model) step() string {
	cluster := x.m.Header().ClusterSize
	off, n := x.rangeOf(9 * cluster)
	switch k := x.rnd.IntN(100); {
	case k < 40:
		x.write(off, n, byte(1+x.rnd.IntN(255)))
		return fmt.Sprintf("write %d at %d", n, off)
	case k < 60:
		x.zero(off, n)
		return fmt.Sprintf("zero %d at %d", n, off)
	case k < 80:
		x.compare(off, n)
		return "read"
	case k < 88:
		if err := x.m.Sync(); err != nil {
			x.tb.Fatal(err)
		}
		return "sync"
	case k < 93:
		x.reopen()
		return "reopen"
	}
	size := x.rnd.Int64N(x.max+1) / 512 * 512
	x.resize(size)
	return fmt.Sprintf("resize to %d", size)
}

func (x *model) resize(size int64) {
	x.tb.Helper()
	if err := x.m.Resize(size); err != nil {
		x.tb.Fatalf("Resize(%d): %v", size, err)
	}
	grown := make([]byte, size)
	copy(grown, x.disk)
	x.disk = grown
}

func (x *model) compare(off, n int64) {
	x.tb.Helper()
	p := make([]byte, n)
	if k, err := x.m.ReadAt(p, off); int64(k) != n || err != nil && err != io.EOF {
		x.tb.Fatalf("ReadAt(%d, %d) = %d, %v", n, off, k, err)
	}
	if i := firstDifference(p, x.disk[off:off+n]); i >= 0 {
		x.tb.Fatalf("byte %d is %#x, want %#x", off+int64(i), p[i], x.disk[off+int64(i)])
	}
}

func (x *model) compareAll() {
	x.tb.Helper()
	if x.m.Size() != int64(len(x.disk)) {
		x.tb.Fatalf("size is %d, want %d", x.m.Size(), len(x.disk))
	}
	x.compare(0, int64(len(x.disk)))
}

// steps is how many requests a random history has.
func steps(usual, long int) int {
	switch {
	case oracle.Long():
		return long
	case testing.Short():
		return usual / 3
	}
	return usual
}

func TestRandomHistoriesAgreeWithAFlatDisk(t *testing.T) {
	rnd := oracle.Seed(t)
	steps := steps(60, 500)
	pattern := bytes.Repeat([]byte{0xB1, 0xB2, 0xB3}, 3<<20)
	for _, geometry := range [][2]uint32{{4096, 1}, {4096, 2}, {4096, 16}, {16384, 4}, {65536, 4}} {
		cluster, table := geometry[0], geometry[1]
		size := min(6<<20, 600*int64(cluster)) + 512*rnd.Int64N(20)
		for name, backing := range map[string][]byte{"none": nil, "shorter": pattern[:size/2+rnd.Int64N(size/4)], "longer": pattern} {
			for _, cacheBytes := range []int64{1, 0} {
				t.Run(fmt.Sprintf("%dx%d, backing %s, cache %d", cluster, table, name, cacheBytes), func(t *testing.T) {
					x := newModel(t, rnd, empty(cluster, table, size), backing, cacheBytes)
					var history []string
					defer func() {
						if t.Failed() {
							t.Logf("after %q", history)
						}
					}()
					for range steps {
						history = append(history, x.step())
						if rnd.IntN(20) == 0 {
							x.compareAll()
						}
					}
					x.compareAll()
					x.reopen()
					x.compareAll()
					checkFile(t, x.storage)
				})
			}
		}
	}
}

// checkFile walks the tables of an image with nothing of this package and
// fails for each corruption, leak or forgotten NEED_CHECK.
func checkFile(tb testing.TB, s backend.Reader) {
	tb.Helper()
	if found := findings(tb, s); found.corruptions > 0 || found.leaks > 0 || found.dirty {
		tb.Fatalf("the image has %+v", found)
	}
}
