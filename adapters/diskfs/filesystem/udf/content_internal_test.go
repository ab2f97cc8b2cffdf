package udf

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// contentOf is a file whose short allocation descriptors are these pairs of a
// length, with its kind in the highest bits, and a block.
func contentOf(image []byte, p func(*volume) partition, size int64, pairs ...uint32) *content {
	v := &volume{cache: fstree.NewCache(bytes.NewReader(image), int64(len(image)), 0), bs: 512, bits: 9}
	v.parts = []partition{p(v)}
	f := &file{kind: typeRegular, size: size}
	for _, n := range pairs {
		f.descs = le.AppendUint32(f.descs, n)
	}
	return &content{v, f}
}

func wholeVolume(v *volume) partition {
	return &physical{length: uint32(v.cache.Size() >> v.bits), bits: v.bits}
}

// scattered is a partition whose blocks lie in the order of a table.
func scattered(table []uint32) func(*volume) partition {
	return func(v *volume) partition {
		return &virtual{under: wholeVolume(v).(*physical), table: table}
	}
}

func TestAnyPartOfAFileCanBeRead(t *testing.T) {
	rnd := oracle.Seed(t)
	image := make([]byte, 64*512)
	for i := range image {
		image[i] = byte(rnd.Uint32())
	}
	table := make([]uint32, 64)
	for i, to := range rnd.Perm(64) {
		table[i] = uint32(to)
	}
	const hole = 2 << 30
	pairs := []uint32{10 * 512, 3, hole | 5*512, 0, 7 * 512, 30, 300, 50}
	for _, p := range []func(*volume) partition{wholeVolume, scattered(table)} {
		c := contentOf(image, p, 23*512, pairs...) // more than is described, which is a hole
		want := make([]byte, 0, c.Size())
		block := func(n uint32) []byte {
			off, _, err := c.v.parts[0].run(n)
			if err != nil {
				t.Fatal(err)
			}
			return image[off : off+512]
		}
		for n := uint32(3); n < 13; n++ {
			want = append(want, block(n)...)
		}
		want = append(want, make([]byte, 5*512)...)
		for n := uint32(30); n < 37; n++ {
			want = append(want, block(n)...)
		}
		want = append(want, block(50)[:300]...)
		want = append(want, make([]byte, 212)...)
		for range 300 {
			off := rnd.IntN(len(want))
			got := make([]byte, 1+rnd.IntN(len(want)))
			n, err := c.ReadAt(got, int64(off))
			if k := min(len(got), len(want)-off); n != k || (err == io.EOF) != (k < len(got)) || !bytes.Equal(got[:n], want[off:off+k]) {
				t.Fatalf("%d bytes at %d: %d, %v", len(got), off, n, err)
			}
		}
	}
}

// counting counts how often a place is looked up.
type counting struct {
	partition
	n *int
}

func (c counting) run(block uint32) (int64, uint32, error) {
	*c.n++
	return c.partition.run(block)
}

func TestWhatIsNotAskedForIsNotLookedUp(t *testing.T) {
	table := make([]uint32, 2048)
	for i := range table {
		table[i] = uint32(rand.IntN(2048))
	}
	looked := 0
	c := contentOf(make([]byte, 2048*512), func(v *volume) partition { return counting{scattered(table)(v), &looked} }, 2048*512, 1024*512, 0, 1024*512, 1024)
	if _, err := c.ReadAt(make([]byte, 1024), 2000*512); err != nil || looked > 3 {
		t.Errorf("%d blocks were looked up for two (%v)", looked, err)
	}
}

// A file of a whole volume may name it once.
func TestNoMoreOfAFileIsStoredThanTheVolumeHolds(t *testing.T) {
	image := make([]byte, 64*512)
	c := contentOf(image, wholeVolume, 1<<40, 64*512, 0, 64*512, 0, 64*512, 0)
	var err error
	for _, err = range c.Extents(0, 1<<40) {
		if err != nil {
			break
		}
	}
	if !errors.Is(err, fstree.ErrDamaged) {
		t.Error(err)
	}
	c = contentOf(image, wholeVolume, 64*512, 64*512, 0)
	for _, err := range c.Extents(0, 1<<40) {
		if err != nil {
			t.Error(err)
		}
	}
}
