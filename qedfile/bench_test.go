package qedfile_test

import (
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/backend"
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

// BenchmarkAllocatingWrite fills a fresh disk, 64 KiB a write, without a sync;
// and, as the limit, a raw file. To compare, in the same run:
// qemu-img bench -w -t writeback -f qed -s 65536 -c 8192 FILE.
func BenchmarkAllocatingWrite(b *testing.B) {
	const size = 512 << 20
	b.Run("qed", func(b *testing.B) {
		fillFresh(b, size, func(name string) (io.WriterAt, io.Closer, error) {
			m, err := qedfile.Create(name, size, nil)
			return m, m, err
		})
	})
	b.Run("raw", func(b *testing.B) {
		fillFresh(b, size, func(name string) (io.WriterAt, io.Closer, error) {
			f, err := os.Create(name)
			return f, f, err
		})
	})
}

// fillFresh times the writes, and neither making the file nor closing it.
func fillFresh(b *testing.B, size int64, create func(name string) (io.WriterAt, io.Closer, error)) {
	p := make([]byte, 64<<10)
	for i := range p {
		p[i] = byte(i) | 1
	}
	name := filepath.Join(b.TempDir(), "disk")
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		w, c, err := create(name)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		for off := int64(0); off < size; off += int64(len(p)) {
			if _, err := w.WriteAt(p, off); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
		if err := os.Remove(name); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// nothing is a storage whose data takes no time to read.
type nothing struct{ backend.Reader }

func (n nothing) ReadAt(p []byte, off int64) (int, error) {
	if off >= 64<<20 {
		return len(p), nil
	}
	return n.Reader.ReadAt(p, off)
}

// BenchmarkReadOverhead is what the translation costs beside the read itself.
func BenchmarkReadOverhead(b *testing.B) {
	l := empty(65536, 4, benchSize)
	entries := map[int64]uint64{65536: 5 * 65536}
	for i := int64(0); i < benchSize/65536; i++ {
		entries[5*65536+8*i] = uint64(64<<20 + i<<16)
	}
	l.entries, l.length = entries, 10*65536
	storage := l.storage()
	if err := storage.Truncate(64<<20 + benchSize); err != nil {
		b.Fatal(err)
	}
	m, err := qedfile.New(nothing{storage}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("one", func(b *testing.B) { randomReads(b, m) })
	b.Run("parallel", func(b *testing.B) { parallelReads(b, m) })
}
