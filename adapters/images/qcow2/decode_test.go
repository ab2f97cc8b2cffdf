package qcow2

import (
	"bytes"
	"errors"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// frame is b as a zstd frame.
func frame(t *testing.T, b []byte, checksum bool) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(checksum))
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(b, nil)
}

func TestZstdClustersOfSeveralFrames(t *testing.T) {
	text := bytes.Repeat([]byte("several frames make a cluster. "), 1000)
	same := make([]byte, 30000) // a block of one byte that is repeated
	var src []byte
	src = append(src, frame(t, text[:10000], true)...)
	src = append(src, 0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3) // a frame that is to be skipped
	src = append(src, frame(t, same, false)...)
	src = append(src, frame(t, text[10000:], false)...)
	want := append(append(bytes.Clone(text[:10000]), same...), text[10000:]...)
	d := newDecoder(compressionZstd)
	got := make([]byte, len(want))
	if err := d.decode(got, append(bytes.Clone(src), "what follows"...)); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%v; or the bytes differ", err)
	}
	for n := range len(src) - 1 {
		if err := d.decode(got, src[:n:n]); err == nil {
			t.Fatalf("%d of %d bytes decode without an error", n, len(src))
		}
	}
	if err := d.decode(got[:len(got)-1], src); err == nil {
		t.Error("a frame that is longer than what is left of the cluster decodes")
	}
	if err := d.decode(make([]byte, len(want)+1), src); !errors.Is(err, errShort) {
		t.Errorf("more than there is: %v", err)
	}
}

// TestRefcountsThatAreFull packs so many clusters into one of the file that a
// count of two bits is full.
func TestRefcountsThatAreFull(t *testing.T) {
	for _, bits := range []int{1, 2, 4, 8} {
		w := &writer{cluster: 4096, opts: WriteOptions{ClusterSize: 4096, RefcountBits: bits}}
		w.refs = newRefcounts(w)
		w.allocate(2)
		counts := make(map[int64]int)
		for range 1000 {
			at := w.allocateBytes(10)
			counts[at/w.cluster]++
			if at/w.cluster != (at+9)/w.cluster {
				counts[(at+9)/w.cluster]++
			}
		}
		for c, n := range counts {
			if n > 1<<bits-1 {
				t.Errorf("counts of %d bits: %d references to cluster %d", bits, n, c)
			}
			if c < 2 {
				t.Errorf("cluster %d is given out twice", c)
			}
		}
	}
}
