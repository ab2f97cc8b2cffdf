package backendtest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/qedfs/qedfs/backend"
)

// TestReader checks a kind of reader. The function open returns an open
// reader of exactly the content that it is given; the suite closes it.
func TestReader(t *testing.T, open func(t *testing.T, content []byte) backend.Reader) {
	tests := []struct {
		name  string
		check func(t *testing.T, open func(*testing.T, []byte) backend.Reader)
	}{
		{"reads what is there, at any offset and length", readAnywhere},
		{"an empty one has no bytes", readEmpty},
		{"a short read carries io.EOF", readAtEnd},
		{"a negative offset is an error", readNegative},
		{"the largest offset is beyond the end", readFarBeyond},
		{"any number of goroutines may read", readConcurrently},
		{"what is between runs of data reads as zeroes", findData},
		{"a closed one refuses everything", readClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.check(t, open) })
	}
}

// content returns n bytes: long runs of zeroes, and bytes that differ
// from place to place.
func content(n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	for at := 0; at < n; at += 128 << 10 {
		for i := at; i < min(n, at+64<<10); i++ {
			b[i] = byte(rng.Uint32()) | 1
		}
	}
	return b
}

func opened(t *testing.T, open func(*testing.T, []byte) backend.Reader, b []byte) backend.Reader {
	t.Helper()
	r := open(t, bytes.Clone(b))
	t.Cleanup(func() { r.Close() })
	return r
}

func readAnywhere(t *testing.T, open func(*testing.T, []byte) backend.Reader) {
	want := content(300_000)
	r := opened(t, open, want)
	if size, err := r.Size(); err != nil || size != int64(len(want)) {
		t.Fatalf("Size() = %d, %v, want %d", size, err, len(want))
	}
	for _, n := range []int{1, 511, 512, 4096, 65_536, 65_537, 299_999, 300_000} {
		for _, off := range []int{0, 1, 511, 4095, 65_535, 65_536, 131_000, 300_000 - n} {
			if off+n > len(want) {
				continue
			}
			checkRead(t, r, want[off:off+n], int64(off))
		}
	}
}

func checkRead(t *testing.T, r io.ReaderAt, want []byte, off int64) {
	t.Helper()
	got := bytes.Repeat([]byte{0xEE}, len(want))
	n, err := r.ReadAt(got, off)
	if n != len(want) || err != nil && err != io.EOF {
		t.Errorf("ReadAt(%d bytes at %d) = %d, %v", len(want), off, n, err)
		return
	}
	if !bytes.Equal(got, want) {
		t.Errorf("ReadAt(%d bytes at %d) differs first at byte %d", len(want), off, firstDifference(got, want))
	}
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func readEmpty(t *testing.T, open func(*testing.T, []byte) backend.Reader) {
	r := opened(t, open, nil)
	if size, err := r.Size(); size != 0 || err != nil {
		t.Errorf("Size() = %d, %v, want 0", size, err)
	}
	if n, err := r.ReadAt(make([]byte, 1), 0); n != 0 || err != io.EOF {
		t.Errorf("ReadAt(1 byte at 0) = %d, %v, want 0, EOF", n, err)
	}
}

func readAtEnd(t *testing.T, open func(*testing.T, []byte) backend.Reader) {
	want := content(1000)
	r := opened(t, open, want)
	for _, tt := range []struct {
		off  int64
		len  int
		want int
	}{
		{0, 1001, 1000}, {999, 2, 1}, {990, 4096, 10}, {1000, 1, 0}, {1001, 1, 0}, {1 << 40, 512, 0},
	} {
		got := make([]byte, tt.len)
		n, err := r.ReadAt(got, tt.off)
		if n != tt.want || err != io.EOF {
			t.Errorf("ReadAt(%d bytes at %d) = %d, %v, want %d, EOF", tt.len, tt.off, n, err, tt.want)
			continue
		}
		if n > 0 && !bytes.Equal(got[:n], want[tt.off:]) {
			t.Errorf("ReadAt(%d bytes at %d) differs in the bytes that are there", tt.len, tt.off)
		}
	}
	n, err := r.ReadAt(make([]byte, 10), 990)
	if n != 10 || err != nil && err != io.EOF {
		t.Errorf("ReadAt up to the end = %d, %v, want 10 and nil or EOF", n, err)
	}
}

func readNegative(t *testing.T, open func(*testing.T, []byte) backend.Reader) {
	r := opened(t, open, content(100))
	for _, off := range []int64{-1, -50, math.MinInt64} {
		if n, err := r.ReadAt(make([]byte, 10), off); n != 0 || err == nil || err == io.EOF {
			t.Errorf("ReadAt(10 bytes at %d) = %d, %v, want an error", off, n, err)
		}
	}
}

func readFarBeyond(t *testing.T, open func(*testing.T, []byte) backend.Reader) {
	r := opened(t, open, content(100))
	for _, off := range []int64{math.MaxInt64, math.MaxInt64 - 5} {
		// Systems differ in whether such an offset is one.
		if n, err := r.ReadAt(make([]byte, 10), off); n != 0 || err == nil {
			t.Errorf("ReadAt(10 bytes at %d) = %d, %v, want an error", off, n, err)
		}
	}
}

func readConcurrently(t *testing.T, open func(*testing.T, []byte) backend.Reader) {
	want := content(1 << 20)
	r := opened(t, open, want)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(2, uint64(g)))
			for range 50 {
				n := 1 + rng.IntN(40_000)
				off := rng.IntN(len(want) - n)
				checkRead(t, r, want[off:off+n], int64(off))
			}
		})
	}
	wg.Wait()
}

func readClosed(t *testing.T, open func(*testing.T, []byte) backend.Reader) {
	r := open(t, content(100))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	_, readErr := r.ReadAt(make([]byte, 10), 0)
	_, sizeErr := r.Size()
	errs := map[string]error{"ReadAt": readErr, "Size": sizeErr, "Close": r.Close()}
	if f, ok := r.(backend.DataFinder); ok {
		_, _, errs["NextData"] = f.NextData(0)
	}
	for call, err := range errs {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s of a closed one: %v, want fs.ErrClosed", call, err)
		}
	}
}

func findData(t *testing.T, open func(*testing.T, []byte) backend.Reader) {
	want := content(1<<20 + 777)
	r := opened(t, open, want)
	f, ok := r.(backend.DataFinder)
	if !ok {
		t.Skip("this kind does not know its holes")
	}
	checkData(t, f, want)
}

// checkData walks the runs of data and holds against them what is stored.
func checkData(t *testing.T, f backend.DataFinder, want []byte) {
	t.Helper()
	size := int64(len(want))
	for off := int64(0); off < size; {
		start, end, err := f.NextData(off)
		if err != nil {
			t.Fatalf("NextData(%d): %v", off, err)
		}
		if start < off || end < start || end > size || start == end && start != size {
			t.Fatalf("NextData(%d) = %d, %d, which is no run of a storage of %d bytes", off, start, end, size)
		}
		for i := off; i < start; i++ {
			if want[i] != 0 {
				t.Fatalf("NextData(%d) = %d, %d, but byte %d is not zero", off, start, end, i)
			}
		}
		off = max(end, off+1)
	}
	for _, off := range []int64{size, size + 1, 1 << 40} {
		if start, end, err := f.NextData(off); start != size || end != size || err != nil {
			t.Errorf("NextData(%d) = %d, %d, %v, want the size %d twice", off, start, end, err, size)
		}
	}
	if size > 0 {
		mid := size / 2
		if start, _, err := f.NextData(mid); err != nil || start < mid {
			t.Errorf("NextData(%d) starts at %d, %v", mid, start, err)
		}
	}
	if _, _, err := f.NextData(-1); err == nil {
		t.Error("NextData(-1) is no error")
	}
}
