package images_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// everyForm writes a disk in each form that this package writes, and returns
// the names of the images.
func everyForm(t *testing.T, disk []byte) map[string]string {
	t.Helper()
	names := make(map[string]string)
	for _, m := range append(writtenImages, machineImage{"qcow2", "compress=on"}, machineImage{"qcow2", "compress=on,compression_type=zstd"}) {
		name := filepath.Join(t.TempDir(), "disk."+m.format)
		writeImage(t, m, memoryDisk(t, disk), name, 2)
		names[m.String()] = name
	}
	return names
}

// TestManyReadersOfOneImage reads each form from several goroutines at once, in
// requests that take the tables of the small cache from each other, while others
// ask for the map.
func TestManyReadersOfOneImage(t *testing.T) {
	rng := oracle.Seed(t)
	disk := oracle.Mixed(rng, 3<<20)[:3<<20]
	clear(disk[1<<20 : 2<<20])
	for form, name := range everyForm(t, disk) {
		d := open(t, name, &images.Options{Files: images.Anywhere(name), CacheBytes: 4096})
		size := min(int64(len(disk)), d.Size())
		var g sync.WaitGroup
		for range 6 {
			seed := rng.Uint64()
			g.Go(func() {
				rng := rand.New(rand.NewPCG(seed, 1))
				p := make([]byte, 200<<10)
				for range 25 {
					off := rng.Int64N(size)
					want := disk[off:min(size, off+rng.Int64N(int64(len(p))))]
					if n, err := d.ReadAt(p[:len(want)], off); err != nil || !bytes.Equal(p[:n], want) {
						t.Errorf("%s: ReadAt(%d bytes, %d) = %d, %v, or other bytes", form, len(want), off, n, err)
						return
					}
				}
			})
		}
		g.Go(func() {
			end := int64(0)
			for e, err := range d.(qedfile.Mapper).Extents(0, d.Size()) {
				if err != nil || e.Start != end {
					t.Errorf("%s: extent %+v, %v after %d", form, e, err, end)
					return
				}
				end += e.Length
			}
		})
		g.Go(func() { _, _ = d.(images.Describer).Info() })
		g.Wait()
	}
}

// TestCloseDuringReads closes each form while others read. Until then they read
// what is there, and from then on they are told that it is closed.
func TestCloseDuringReads(t *testing.T) {
	rng := oracle.Seed(t)
	disk := oracle.Mixed(rng, 3<<20)[:3<<20]
	for form, name := range everyForm(t, disk) {
		d, err := images.Open(name, &images.Options{Files: images.Anywhere(name), CacheBytes: 4096})
		if err != nil {
			t.Fatal(err)
		}
		var reads atomic.Int64
		enough := make(chan struct{})
		var g sync.WaitGroup
		for range 4 {
			seed := rng.Uint64()
			g.Go(func() {
				rng := rand.New(rand.NewPCG(seed, 1))
				p := make([]byte, 100<<10)
				for {
					off := rng.Int64N(int64(len(disk) - len(p)))
					n, err := d.ReadAt(p, off)
					if !bytes.Equal(p[:n], disk[off:][:n]) {
						t.Errorf("%s: other bytes at %d", form, off)
						return
					}
					if err != nil {
						if !errors.Is(err, fs.ErrClosed) {
							t.Errorf("%s: a read while it is closed: %v", form, err)
						}
						return
					}
					if reads.Add(1) == 20 {
						close(enough)
					}
				}
			})
		}
		<-enough
		if err := d.Close(); err != nil {
			t.Errorf("%s: Close: %v", form, err)
		}
		g.Wait()
		if _, err := d.ReadAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: ReadAt after Close: %v", form, err)
		}
		for _, err := range d.(qedfile.Mapper).Extents(0, d.Size()) {
			if !errors.Is(err, fs.ErrClosed) {
				t.Errorf("%s: Extents after Close: %v", form, err)
			}
		}
		if err := d.Close(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: the second Close: %v", form, err)
		}
		if c, ok := d.(layer.Checker); ok {
			if _, err := c.Check(t.Context(), nil); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("%s: Check after Close: %v", form, err)
			}
		}
	}
}

func memoryDisk(t *testing.T, b []byte) qedfile.Disk {
	t.Helper()
	d, err := qedfile.NewRaw(backend.NewMemory(b))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// cancelling is a disk that is given up at one of its reads.
type cancelling struct {
	qedfile.Disk
	left   atomic.Int64
	cancel func()
}

func (c *cancelling) ReadAt(p []byte, off int64) (int, error) {
	if c.left.Add(-1) == 0 {
		c.cancel()
	}
	return c.Disk.ReadAt(p, off)
}

func TestWritingAndCheckingEndWhenCancelled(t *testing.T) {
	disk := oracle.Mixed(oracle.Seed(t), 8<<20)[:8<<20]
	for _, f := range images.WrittenFormats() {
		ctx, cancel := context.WithCancel(t.Context())
		src := &cancelling{Disk: memoryDisk(t, disk), cancel: cancel}
		src.left.Store(3)
		if err := images.Write(ctx, f.Name, backend.NewMemory(nil), src, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: Write: %v", f.Name, err)
		}
		if left := src.left.Load(); left < -16 {
			t.Errorf("%s: %d reads after it was cancelled", f.Name, -left)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for form, name := range everyForm(t, disk[:1<<20]) {
		d := open(t, name, &images.Options{Files: images.Anywhere(name)})
		c, ok := d.(layer.Checker)
		if !ok {
			continue
		}
		if _, err := c.Check(ctx, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: Check: %v", form, err)
		}
	}
}
