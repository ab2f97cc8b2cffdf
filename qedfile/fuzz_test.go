package qedfile_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// seedImages adds the images of the tools and some made by hand.
func seedImages(f *testing.F) {
	names, err := filepath.Glob("../testdata/*.qed")
	if err != nil || len(names) == 0 {
		f.Fatalf("no images in testdata (%v)", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 24<<10)])
	}
	f.Add(small().bytes())
	f.Add(overlay("base").bytes())
}

func FuzzHeader(f *testing.F) {
	seedImages(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := qedfile.ReadHeader(backend.NewMemory(b))
		if err != nil {
			return
		}
		if h.ImageSize < 0 || h.ImageSize > h.MaxImageSize() || h.L1TableOffset <= 0 || h.L1TableOffset >= int64(len(b))+511 {
			t.Fatalf("accepted %+v of a file of %d bytes", h, len(b))
		}
	})
}

func FuzzImage(f *testing.F) {
	seedImages(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		storage := backend.NewMemory(b)
		m, err := qedfile.New(storage, &qedfile.Options{CacheBytes: 1, Backing: func(qedfile.BackingRef) (qedfile.Disk, error) {
			return qedfile.NewRaw(backend.NewMemory(make([]byte, 9000)))
		}})
		if err != nil {
			return
		}
		defer m.Close()
		p := make([]byte, 10000)
		for _, off := range []int64{0, 5000, m.Size() / 2, m.Size() - 700} {
			n, err := m.ReadAt(p, max(0, off))
			if n < 0 || n > len(p) || n < len(p) && err == nil {
				t.Fatalf("ReadAt = %d, %v", n, err)
			}
		}
		next, runs := int64(0), 0
		for e, err := range m.Extents(0, m.Size()) {
			if e.Start != next || e.Length <= 0 {
				t.Fatalf("extent %+v (%v) after byte %d", e, err, next)
			}
			next += e.Length
			if runs++; runs > 10000 {
				return
			}
			if err == nil && e.Kind == qedfile.Data && e.Depth == 0 {
				if n, err := m.ReadAt(p[:min(e.Length, 512)], e.Start); n == 0 && err != io.EOF {
					t.Fatalf("data extent %+v cannot be read: %v", e, err)
				}
			}
		}
		if next != m.Size() {
			t.Fatalf("extents end at %d of %d", next, m.Size())
		}
	})
}
