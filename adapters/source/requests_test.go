package source_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/adapters/source"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// meter serves a directory, counts, and answers late.
type meter struct {
	requests, bytes atomic.Int64
	delay           time.Duration
}

type countingWriter struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (w countingWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.n.Add(int64(n))
	return n, err
}

func (m *meter) serve(t testing.TB, dir string) string {
	files := http.FileServer(http.Dir(dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.requests.Add(1)
		time.Sleep(m.delay)
		files.ServeHTTP(countingWriter{w, &m.bytes}, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// work is what somebody does with a disk on a server.
func work(t testing.TB, url string, do func(*imagefs.Tree) error) {
	t.Helper()
	o, err := source.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	src, err := o.Open(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	var d qedfile.Disk
	if strings.HasSuffix(url, ".qed") {
		d, err = qedfile.New(src, nil)
	} else {
		d, err = qedfile.NewRaw(src)
	}
	if err != nil {
		t.Fatal(err)
	}
	disk, err := imagefs.OpenDisk(d, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	if err := do(disk.FS()); err != nil {
		t.Fatal(err)
	}
}

func readPackages(fsys *imagefs.Tree) error {
	for _, name := range []string{"p2/etc/os-release", "p2/var/lib/dpkg/status"} {
		f, err := fsys.Open(name)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, f); err != nil {
			return err
		}
		f.Close()
	}
	return nil
}

// walk goes through all files and their inodes, as commands do.
func walk(fsys *imagefs.Tree) error {
	for e, err := range fsys.Walk(context.Background(), ".", &fstree.WalkOptions{Stat: true}) {
		if err == nil {
			_, err = e.Info()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// A walk over each kind of filesystem, of some hundred files in 8 MiB and less:
// so many requests, of so many KiB in all.
func TestAWalkTakesFewRequests(t *testing.T) {
	for name, most := range map[string]struct{ requests, kib int64 }{
		"ext4-4k":            {13, 800},
		"ext4-1k":            {10, 610},
		"crash-ext4-4k":      {42, 1280},
		"xfs-v5":             {18, 870},
		"xfs-dirty":          {20, 1500},
		"btrfs":              {13, 1300},
		"ntfs":               {16, 1750},
		"fat-32":             {12, 880},
		"exfat-cluster4k":    {10, 890},
		"iso9660-rock-ridge": {4, 460},
		"squashfs-zstd":      {4, 670},
		"erofs-plain":        {7, 860},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "x.raw"), fstreetest.Image(t, name), 0o666); err != nil {
				t.Fatal(err)
			}
			m := &meter{delay: 5 * time.Millisecond}
			work(t, m.serve(t, dir)+"/x.raw", walk)
			requests, kib := m.requests.Load(), m.bytes.Load()>>10
			t.Logf("%d requests, %d KiB", requests, kib)
			if requests > most.requests || kib > most.kib {
				t.Errorf("%d requests and %d KiB, want at most %d and %d", requests, kib, most.requests, most.kib)
			}
		})
	}
}

// What a real Debian disk costs over HTTP, in requests, bytes and round trips
// that wait for each other.
func TestRequests(t *testing.T) {
	dir := os.Getenv("QEDFS_DEBIAN_DISK")
	if dir == "" {
		if oracle.Required() {
			t.Fatal("QEDFS_DEBIAN_DISK is not set")
		}
		t.Skip("QEDFS_DEBIAN_DISK is not set")
	}
	if _, err := os.Stat(filepath.Join(dir, "debian.qed")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name            string
		do              func(*imagefs.Tree) error
		requests, bytes int64 // at most
	}{
		{"os-release and packages", readPackages, 14, 1 << 20},
		{"walk", walk, 28, 6 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &meter{delay: 20 * time.Millisecond}
			url := m.serve(t, dir) + "/debian.qed"
			start := time.Now()
			work(t, url, tt.do)
			passes := int64(time.Since(start) / m.delay)
			requests, bytes := m.requests.Load(), m.bytes.Load()
			t.Logf("%d requests, %d KiB, about %d round trips", requests, bytes>>10, passes)
			if requests > tt.requests || bytes > tt.bytes {
				t.Errorf("%d requests and %d bytes, want at most %d and %d", requests, bytes, tt.requests, tt.bytes)
			}
		})
	}
}

// Reading from the beginning to the end is about as fast as a download, though
// the server takes its time for each answer.
func BenchmarkStream(b *testing.B) {
	const size = 256 << 20
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x"), make([]byte, size), 0o666); err != nil {
		b.Fatal(err)
	}
	m := &meter{delay: 20 * time.Millisecond}
	url := m.serve(b, dir) + "/x"
	b.Run("download", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			resp, err := http.Get(url)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{resp.Body}, make([]byte, 1<<20)); err != nil {
				b.Fatal(err)
			}
			resp.Body.Close()
		}
	})
	b.Run("source", func(b *testing.B) {
		b.SetBytes(size)
		o, err := source.New(nil)
		if err != nil {
			b.Fatal(err)
		}
		defer o.Close()
		for b.Loop() {
			src, err := o.Open(b.Context(), url, nil)
			if err != nil {
				b.Fatal(err)
			}
			r := struct{ io.Reader }{io.NewSectionReader(src, 0, size)}
			if _, err := io.CopyBuffer(io.Discard, r, make([]byte, 1<<20)); err != nil {
				b.Fatal(err)
			}
			src.Close()
		}
	})
}
