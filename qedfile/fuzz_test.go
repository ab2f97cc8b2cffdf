package qedfile_test

import (
	"bytes"
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
	l := small()
	l.entries[8192], l.entries[8192+8], l.entries[8192+16], l.entries[8192+32] = 3*4096, 4*4096, 1, 99*4096
	f.Add(l.bytes())
	l.cluster, l.table = 8192, 2
	f.Add(l.bytes())
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
		m, err := qedfile.New(storage, &qedfile.Options{CacheBytes: 1, Backing: noBacking})
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

// FuzzWrite changes an image of whatever content: it must end, and leave
// an image that opens.
func FuzzWrite(f *testing.F) {
	seedImages(f)
	l := small()
	l.features = qedfile.FeatureNeedCheck
	l.entries[8192], l.entries[8192+8], l.entries[8192+16] = 5*4096, 77*4096, 1
	f.Add(l.bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, policy := range []qedfile.DirtyPolicy{qedfile.DirtyKeep, qedfile.DirtyRepair} {
			storage := backend.NewMemory(bytes.Clone(b))
			m, err := qedfile.New(keepOpen{storage}, &qedfile.Options{Writable: true, Dirty: policy, CacheBytes: 1, Backing: noBacking})
			if err != nil {
				return
			}
			p := bytes.Repeat([]byte{1}, 9000)
			for _, off := range []int64{100, m.Size() / 2, m.Size() - 9000} {
				if n, err := m.WriteAt(p, off); n < len(p) && err == nil {
					t.Fatalf("WriteAt = %d, %v", n, err)
				}
				if err := m.WriteZeroes(off+4000, 20000); err == nil && off+24000 > m.Size() {
					t.Fatal("WriteZeroes past the end")
				}
			}
			m.Resize(m.Size() / 2 / 512 * 512)
			m.Resize(m.Size() + 1<<20)
			m.Sync()
			m.Close()
			if _, err := qedfile.ReadHeader(storage); err != nil {
				t.Fatalf("the image does not open any more: %v", err)
			}
		}
	})
}

func noBacking(qedfile.BackingRef) (qedfile.Disk, error) {
	return qedfile.NewRaw(backend.NewMemory(make([]byte, 9000)))
}
