package ext4_test

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ext4"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

// manyFiles is a filesystem of 20,000 files of 12 KiB on average.
var manyFiles = fstreetest.Config{
	Name:  "many-files",
	Size:  512 * mib,
	Mkfs:  []string{"mke2fs", "-q", "-F", "-t", "ext4", "-N", "40000"},
	Mount: "ext4",
	Fill: func(tb testing.TB, dir string) {
		data := make([]byte, 24<<10)
		for i := range data {
			data[i] = byte(i * i >> 8)
		}
		for i := range 20000 {
			sub := filepath.Join(dir, fmt.Sprintf("dir %d/sub %d", i%20, i/20%20))
			if i/20 < 20 {
				if err := os.MkdirAll(sub, 0o755); err != nil {
					tb.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("file number %d", i)), data[:i%len(data)], 0o644); err != nil {
				tb.Fatal(err)
			}
		}
	},
}

func BenchmarkListWithStat(b *testing.B) {
	image, _ := fstreetest.Build(b, manyFiles)
	b.ReportAllocs()
	var reads int64
	for b.Loop() {
		r := &counting{r: image}
		vol, err := ext4.Open(r, manyFiles.Size)
		if err != nil {
			b.Fatal(err)
		}
		files := 0
		walk(b, vol, func(string, fs.FileInfo) { files++ })
		if files < 20000 {
			b.Fatalf("%d files", files)
		}
		reads = r.reads.Load()
	}
	b.ReportMetric(float64(reads), "reads/op")
}

func BenchmarkReadEveryFile(b *testing.B) {
	image, _ := fstreetest.Build(b, manyFiles)
	b.ReportAllocs()
	var reads, bytes int64
	for b.Loop() {
		r := &counting{r: image}
		vol, err := ext4.Open(r, manyFiles.Size)
		if err != nil {
			b.Fatal(err)
		}
		bytes = 0
		walk(b, vol, func(name string, info fs.FileInfo) {
			if !info.Mode().IsRegular() {
				return
			}
			f, err := vol.Open(name)
			if err != nil {
				b.Fatal(err)
			}
			n, err := io.Copy(io.Discard, f)
			if err != nil || n != info.Size() {
				b.Fatalf("%s: %d bytes of %d: %v", name, n, info.Size(), err)
			}
			bytes += n
			_ = f.Close()
		})
		reads = r.reads.Load()
	}
	b.SetBytes(bytes)
	b.ReportMetric(float64(reads), "reads/op")
}

// The inode tables and directories are all that a listing touches.
func TestAListingReadsMetadataInLargePieces(t *testing.T) {
	image, records := fstreetest.Build(t, manyFiles)
	metadata := int64(len(records)) * 256
	for _, r := range records {
		if fs.FileMode(r.Mode)&0o170000 == 0o040000 {
			metadata += r.Size
		}
	}
	r := &counting{r: image}
	vol, err := ext4.Open(r, manyFiles.Size)
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	walk(t, vol, func(string, fs.FileInfo) { files++ })
	if files != len(records) {
		t.Errorf("%d files of %d", files, len(records))
	}
	// In pieces of 64 KiB, but where the walk comes to another part of the volume.
	if most := metadata / (48 << 10); r.reads.Load() > most {
		t.Errorf("%d reads for %d bytes of metadata, want at most %d", r.reads.Load(), metadata, most)
	}
}
