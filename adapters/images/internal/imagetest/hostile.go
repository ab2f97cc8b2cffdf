package imagetest

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// MachineImages returns the committed images of virtual machines' formats whose
// names match a pattern, unpacked, by name. The directory is that of the module.
func MachineImages(tb testing.TB, module, pattern string) map[string][]byte {
	tb.Helper()
	names, err := filepath.Glob(filepath.Join(module, "testdata/images/machines", pattern+".gz"))
	if err != nil || len(names) == 0 {
		tb.Fatalf("no images %s: %v", pattern, err)
	}
	images := make(map[string][]byte)
	for _, name := range names {
		packed, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			tb.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			tb.Fatal(err)
		}
		images[strings.TrimSuffix(filepath.Base(name), ".gz")] = b
	}
	return images
}

// An Opener opens an image for [Exercise]. Whatever it names is empty.
type Opener func(r backend.Reader) (qedfile.Disk, error)

// Exercise does with an image what a reader may, within bounds that are its
// own. Errors are fine; a map with gaps, or one that does not end, is not.
func Exercise(tb testing.TB, open Opener, b []byte) {
	tb.Helper()
	d, err := open(backend.NewMemory(b))
	if err != nil {
		return
	}
	defer d.Close()
	buf := make([]byte, 200<<10)
	for off := int64(0); off < min(d.Size(), 8<<20); off += 1 << 20 {
		d.ReadAt(buf, off)
	}
	d.ReadAt(buf, d.Size()/2)
	d.ReadAt(buf, max(0, d.Size()-int64(len(buf))))
	if c, ok := d.(layer.Checker); ok {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		c.Check(ctx, nil)
	}
	next, runs := int64(0), 0
	for e, err := range d.(qedfile.Mapper).Extents(0, d.Size()) {
		if e.Start != next || e.Length <= 0 {
			tb.Fatalf("extent %+v (%v) after byte %d of %d", e, err, next, d.Size())
		}
		next += e.Length
		if runs++; runs == 2000 {
			return
		}
	}
	if next != d.Size() {
		tb.Fatalf("the map ends at %d of %d", next, d.Size())
	}
}

// Mutants exercises random mutants of images, of whose first bytes, which hold
// headers and tables, most are changed. The function mend, if not nil, sets
// checksums right, so that parsers see what lies behind them.
func Mutants(t *testing.T, images map[string][]byte, heads []int64, mend func([]byte), open Opener) {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	n := 60
	if testing.Short() {
		n = 10
	}
	for name, b := range images {
		for i := range n {
			mutant := bytes.Clone(b)
			for range 1 + rng.IntN(6) {
				at := heads[rng.IntN(len(heads))] + rng.Int64N(1<<(3+rng.IntN(8)))
				if at >= 0 && at < int64(len(mutant)) {
					mutant[at] = []byte{0, 1, 0x7f, 0x80, 0xff, byte(rng.Uint32())}[rng.IntN(6)]
				}
			}
			if rng.IntN(6) == 0 {
				mutant = mutant[:rng.IntN(len(mutant))]
			}
			if mend != nil && i%2 == 0 {
				mend(mutant)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			Exercise(t, open, mutant)
			runtime.ReadMemStats(&after)
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("%s, mutant %d: %v", name, i, d)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
				t.Errorf("%s, mutant %d: %d bytes were allocated", name, i, used)
			}
		}
	}
}

// FuzzPatches fuzzes an image by patches: four bytes each, three for an
// offset and one for the value there. Images are too large to be inputs.
func FuzzPatches(f *testing.F, images map[string][]byte, mend func([]byte), open Opener) {
	f.Helper()
	var bases [][]byte
	for _, b := range images {
		f.Add(uint8(len(bases)), []byte{0, 0, 0, b[0]})
		bases = append(bases, b)
	}
	f.Fuzz(func(t *testing.T, base uint8, patches []byte) {
		b := bytes.Clone(bases[int(base)%len(bases)])
		for ; len(patches) >= 4; patches = patches[4:] {
			if at := int(patches[0])<<16 | int(patches[1])<<8 | int(patches[2]); at < len(b) {
				b[at] = patches[3]
			} else if cut := at - len(b); cut < len(b) {
				b = b[:len(b)-cut]
			}
		}
		if mend != nil && base >= 128 {
			mend(b)
		}
		Exercise(t, open, b)
	})
}

// Empty is a BackingFunc for parents that nobody looks into.
func Empty(qedfile.BackingRef) (qedfile.Disk, error) { return qedfile.NewRaw(backend.NewMemory(nil)) }
