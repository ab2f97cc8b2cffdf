package xfs_test

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/xfs"
)

// BenchmarkListing is ls -R with every inode's data, of 20,000 files in 200
// directories, from opening on.
func BenchmarkListing(b *testing.B) {
	image, size := populous(b)
	var reads counter
	reads.r = image
	b.ReportAllocs()
	for b.Loop() {
		files := 0
		walk(b, &reads, size, func(_ fs.FS, _ string, d fs.DirEntry) error {
			files++
			_, err := d.Info()
			return err
		})
		if files < 20000 {
			b.Fatal(files)
		}
	}
	b.ReportMetric(float64(reads.calls.Load())/float64(b.N), "reads/op")
}

// BenchmarkReadingAll reads every byte of the same files.
func BenchmarkReadingAll(b *testing.B) {
	image, size := populous(b)
	var reads counter
	reads.r = image
	b.ReportAllocs()
	for b.Loop() {
		var n int64
		walk(b, &reads, size, func(fsys fs.FS, name string, d fs.DirEntry) error {
			if !d.Type().IsRegular() {
				return nil
			}
			f, err := fsys.Open(name)
			if err != nil {
				return err
			}
			defer f.Close()
			m, err := f.(io.WriterTo).WriteTo(io.Discard)
			n += m
			return err
		})
		b.SetBytes(n)
	}
	b.ReportMetric(float64(reads.calls.Load())/float64(b.N), "reads/op")
}

func walk(b *testing.B, r io.ReaderAt, size int64, visit func(fs.FS, string, fs.DirEntry) error) {
	fsys, err := xfs.Open(r, size)
	if err != nil {
		b.Fatal(err)
	}
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return visit(fsys, name, d)
	})
	if err != nil {
		b.Fatal(err)
	}
}

func populous(b *testing.B) (io.ReaderAt, int64) {
	c := filled(config("populous", 512, fstreetest.Tree{}), func(tb testing.TB, dir string) {
		data := make([]byte, 48<<10)
		for i := range data {
			data[i] = byte(i * 7)
		}
		for i := range 20000 {
			sub := filepath.Join(dir, fmt.Sprintf("directory %d", i/100))
			_ = os.Mkdir(sub, 0o755)
			if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("file %d", i)), data[:i*37%len(data)/4], 0o644); err != nil {
				tb.Fatal(err)
			}
		}
	})
	image, _ := fstreetest.Build(b, c)
	return image, c.Size
}

// counter counts what is read of a volume.
type counter struct {
	r     io.ReaderAt
	calls atomic.Int64
}

func (c *counter) ReadAt(p []byte, off int64) (int, error) {
	c.calls.Add(1)
	return c.r.ReadAt(p, off)
}

// BenchmarkRandomRead reads 4 KiB at a time of a file in 3,000 extents.
func BenchmarkRandomRead(b *testing.B) {
	const extents = 3000
	c := filled(config("fragmented", 128, fstreetest.Tree{}), func(tb testing.TB, dir string) {
		if err := fragments(filepath.Join(dir, "file"), extents); err != nil {
			tb.Fatal(err)
		}
	})
	image, _ := fstreetest.Build(b, c)
	fsys, err := xfs.Open(image, c.Size)
	if err != nil {
		b.Fatal(err)
	}
	f, err := fsys.Open("file")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	p := make([]byte, 4096)
	b.ReportAllocs()
	b.SetBytes(int64(len(p)))
	for i := 0; b.Loop(); i++ {
		if _, err := f.(io.ReaderAt).ReadAt(p, int64(i*7919%(extents*4))*4096); err != nil {
			b.Fatal(err)
		}
	}
}
