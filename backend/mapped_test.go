package backend_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
)

func openMapped(t testing.TB, name string) *backend.Mapped {
	t.Helper()
	f, err := backend.OpenFile(name, os.O_RDONLY, nil)
	if err != nil {
		t.Fatal(err)
	}
	return backend.NewMapped(f, &backend.MappedOptions{Remote: true})
}

// mapped is openMapped for tests that mean nothing without a mapping.
func mapped(t testing.TB, name string) *backend.Mapped {
	t.Helper()
	m := openMapped(t, name)
	t.Cleanup(func() { m.Close() })
	if !m.IsMapped() {
		if runtime.GOOS == "linux" {
			t.Fatal("the file is not mapped")
		}
		t.Skip("no mapping on this system")
	}
	return m
}

func TestMappedIsAReader(t *testing.T) {
	backendtest.TestReader(t, func(t *testing.T, b []byte) backend.Reader {
		return openMapped(t, tempFile(t, b))
	})
}

func TestMappedEndsWhereTheFileWasCut(t *testing.T) {
	want := content(1 << 20)
	name := tempFile(t, want)
	m := mapped(t, name)
	if err := os.Truncate(name, 40_000); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 8192)
	if n, err := m.ReadAt(p, 500_000); n != 0 || err != io.EOF {
		t.Errorf("beyond the cut ReadAt = %d, %v, want 0, EOF", n, err)
	}
	if n, err := m.ReadAt(p, 39_000); n != 1000 || err != io.EOF || !bytes.Equal(p[:n], want[39_000:40_000]) {
		t.Errorf("across the cut ReadAt = %d, %v, want 1000, EOF", n, err)
	}
	if n, err := m.ReadAt(p, 10_000); n != len(p) || err != nil || !bytes.Equal(p, want[10_000:18_192]) {
		t.Errorf("before the cut ReadAt = %d, %v", n, err)
	}
	if size, err := m.Size(); size != 40_000 || err != nil {
		t.Errorf("Size() = %d, %v, want 40000", size, err)
	}
}

func TestMappedShowsWhatTheFileHasGrownBy(t *testing.T) {
	name := tempFile(t, []byte("short"))
	m := mapped(t, name)
	if err := os.WriteFile(name, []byte("short and more"), 0); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 14)
	if n, err := m.ReadAt(p, 0); n != 14 || err != nil || string(p) != "short and more" {
		t.Errorf("ReadAt = %d, %v, %q", n, err, p)
	}
}

func TestMappedClosedUnderItsReadersGivesThemAnError(t *testing.T) {
	name := tempFile(t, bytes.Repeat([]byte{7}, 1<<20))
	for range 20 {
		m := mapped(t, name)
		var wg, reading sync.WaitGroup
		reading.Add(4)
		for g := range 4 {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(0, uint64(g)))
				begun := sync.OnceFunc(reading.Done)
				defer begun()
				for p := make([]byte, 4096); ; begun() {
					clear(p)
					_, err := m.ReadAt(p, rng.Int64N(1<<20-4096))
					if errors.Is(err, fs.ErrClosed) {
						return
					}
					if err != nil || p[0] != 7 || p[4095] != 7 {
						t.Errorf("ReadAt: %v, %v", err, p[:1])
						return
					}
				}
			})
		}
		reading.Wait() // each has read once and goes on
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
	}
}

func TestMappedLeavesTheGoroutinesFaultsAsTheyWere(t *testing.T) {
	m := mapped(t, tempFile(t, make([]byte, 10_000)))
	if _, err := m.ReadAt(make([]byte, 100), 0); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a nil dereference after a read does not panic")
		}
	}()
	var nothing *int
	fmt.Fprint(io.Discard, *nothing)
}

func TestMappedOfAnEmptyFileReadsItPlainly(t *testing.T) {
	m := openMapped(t, tempFile(t, nil))
	defer m.Close()
	if m.IsMapped() {
		t.Error("an empty file is mapped")
	}
}

// BenchmarkReadAt compares the ways to read a local file that is in the page
// cache: at random offsets, by one goroutine and by several.
func BenchmarkReadAt(b *testing.B) {
	name := tempFile(b, bytes.Repeat([]byte{7}, 256<<20))
	raw, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer raw.Close()
	file, err := backend.OpenFile(name, os.O_RDONLY, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	mapping := mapped(b, name)
	// Warm the page cache and the page tables.
	for off := int64(0); off < 256<<20; off += 4096 {
		mapping.ReadAt(make([]byte, 4096), off)
	}
	for _, n := range []int{4 << 10, 64 << 10, 1 << 20} {
		for _, kind := range []struct {
			name string
			r    io.ReaderAt
		}{{"os.File", raw}, {"File", file}, {"Mapped", mapping}} {
			b.Run(fmt.Sprintf("%dKiB/%s", n>>10, kind.name), func(b *testing.B) {
				b.SetBytes(int64(n))
				b.ReportAllocs()
				p := make([]byte, n)
				rng := rand.New(rand.NewPCG(1, 2))
				for b.Loop() {
					if _, err := kind.r.ReadAt(p, rng.Int64N(256<<20-int64(n))&^4095); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("%dKiB/%s/parallel", n>>10, kind.name), func(b *testing.B) {
				b.SetBytes(int64(n))
				b.RunParallel(func(pb *testing.PB) {
					p := make([]byte, n)
					rng := rand.New(rand.NewPCG(1, rand.Uint64()))
					for pb.Next() {
						if _, err := kind.r.ReadAt(p, rng.Int64N(256<<20-int64(n))&^4095); err != nil {
							b.Error(err)
						}
					}
				})
			})
		}
	}
}
