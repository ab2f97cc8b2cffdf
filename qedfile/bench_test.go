package qedfile_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

const benchSize = 512 << 20

// benchImage makes a disk that is full of data, as QED and raw.
func benchImage(b *testing.B) (*qedfile.Image, *os.File) {
	b.Helper()
	dir := b.TempDir()
	raw, image := filepath.Join(dir, "raw"), filepath.Join(dir, "qed")
	f, err := os.Create(raw)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	chunk := make([]byte, 1<<20)
	for i := range chunk {
		chunk[i] = byte(i) | 1
	}
	for off := int64(0); off < benchSize; off += int64(len(chunk)) {
		if _, err := f.WriteAt(chunk, off); err != nil {
			b.Fatal(err)
		}
	}
	oracle.Run(b, "qemu-img", "convert", "-O", "qed", raw, image)
	m, err := qedfile.Open(image, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Close() })
	return m, f
}

type readerAt interface {
	ReadAt([]byte, int64) (int, error)
}

func randomReads(b *testing.B, r readerAt) {
	p := make([]byte, 4096)
	rnd := rand.New(rand.NewPCG(1, 2))
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.ReadAt(p, rnd.Int64N(benchSize/4096)*4096); err != nil {
			b.Fatal(err)
		}
	}
}

func sequentialReads(b *testing.B, r readerAt) {
	p := make([]byte, 1<<20)
	var off int64
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.ReadAt(p, off); err != nil {
			b.Fatal(err)
		}
		off = (off + int64(len(p))) % benchSize
	}
}

func BenchmarkRead(b *testing.B) {
	m, raw := benchImage(b)
	report := func(b *testing.B, before qedfile.Stats) {
		b.ReportMetric(float64(m.Stats().Reads-before.Reads)/float64(b.N), "reads/op")
	}
	b.Run("4KiB random/raw", func(b *testing.B) { randomReads(b, raw) })
	b.Run("4KiB random/qed", func(b *testing.B) {
		before := m.Stats()
		randomReads(b, m)
		report(b, before)
	})
	b.Run("1MiB sequential/raw", func(b *testing.B) { sequentialReads(b, raw) })
	b.Run("1MiB sequential/qed", func(b *testing.B) {
		before := m.Stats()
		sequentialReads(b, m)
		report(b, before)
	})
	b.Run("4KiB random, parallel/raw", func(b *testing.B) { parallelReads(b, raw) })
	b.Run("4KiB random, parallel/qed", func(b *testing.B) { parallelReads(b, m) })
}

func parallelReads(b *testing.B, r readerAt) {
	b.SetBytes(4096)
	b.RunParallel(func(pb *testing.PB) {
		p := make([]byte, 4096)
		rnd := rand.New(rand.NewPCG(rand.Uint64(), 2))
		for pb.Next() {
			if _, err := r.ReadAt(p, rnd.Int64N(benchSize/4096)*4096); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkExtents(b *testing.B) {
	m, _ := benchImage(b)
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range m.Extents(0, m.Size()) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
