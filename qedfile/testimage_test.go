package qedfile

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// A testImage is an image put together entry by entry, so that tests can make
// what no writer would.
type testImage struct {
	t   *testing.T
	h   *Header
	mem *backend.Memory
	end int64 // clusters
}

func newTestImage(t *testing.T, clusterSize, tableSize, size int64) *testImage {
	t.Helper()
	opts := &CreateOptions{ClusterSize: clusterSize, TableSize: tableSize}
	h, err := opts.header(size)
	if err != nil {
		t.Fatal(err)
	}
	mem := backend.NewMemory(nil)
	if err := writeNew(mem, h); err != nil {
		t.Fatal(err)
	}
	return &testImage{t: t, h: h, mem: mem, end: 1 + tableSize}
}

// grow adds n clusters to the file, filled with b, and returns where they are.
func (im *testImage) grow(n int64, b byte) int64 {
	off := im.end * im.h.ClusterSize
	im.end += n
	im.write(bytes.Repeat([]byte{b}, int(n*im.h.ClusterSize)), off)
	return off
}

func (im *testImage) write(b []byte, off int64) {
	im.t.Helper()
	if _, err := im.mem.WriteAt(b, off); err != nil {
		im.t.Fatal(err)
	}
}

func (im *testImage) entry(table, index int64) uint64 {
	im.t.Helper()
	var b [8]byte
	if _, err := im.mem.ReadAt(b[:], table+index*8); err != nil {
		im.t.Fatal(err)
	}
	return binary.LittleEndian.Uint64(b[:])
}

func (im *testImage) setEntry(table, index int64, value uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], value)
	im.write(b[:], table+index*8)
}

// table returns the L2 table of an L1 entry, made if need be.
func (im *testImage) table(l1 int64) int64 {
	if e := im.entry(im.h.L1TableOffset, l1); e != 0 {
		return int64(e)
	}
	off := im.grow(im.h.TableSize, 0)
	im.setEntry(im.h.L1TableOffset, l1, uint64(off))
	return off
}

// data gives the disk's cluster a cluster of the file full of b.
func (im *testImage) data(cluster int64, b byte) int64 {
	table := im.table(cluster / im.h.entries())
	off := im.grow(1, b)
	im.setEntry(table, cluster%im.h.entries(), uint64(off))
	return off
}

// save writes the image to a file.
func (im *testImage) save() string { return saveMemory(im.t, im.mem) }

func saveMemory(t *testing.T, mem *backend.Memory) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "image.qed")
	if err := os.WriteFile(name, mem.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// randomImage is an image with some tables, data, zero markers and leaks in a
// random order.
func randomImage(t *testing.T, rng *rand.Rand, minTable int64) *testImage {
	table := []int64{1, 2, 4}[rng.IntN(3)]
	entries := max(table, minTable) * 4096 / 8
	im := newTestImage(t, 4096, max(table, minTable), entries*4*4096)
	for range 1 + rng.IntN(40) {
		cluster := rng.Int64N(4 * entries)
		switch rng.IntN(8) {
		case 0:
			im.setEntry(im.table(cluster/entries), cluster%entries, entryZero)
		case 1:
			im.grow(1+rng.Int64N(3), 0xee)
		default:
			if im.entry(im.table(cluster/entries), cluster%entries) <= entryZero {
				im.data(cluster, byte(rng.IntN(256)))
			}
		}
	}
	return im
}

// view is what the tables of an image show, read in the simplest way: for each
// cluster of the disk with a valid entry its bytes.
func view(t *testing.T, mem *backend.Memory) map[int64][]byte {
	t.Helper()
	b := mem.Bytes()
	h, err := parseHeader(b, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	usable := h.usableSize(int64(len(b)))
	seen := map[int64][]byte{}
	for i := range h.entries() {
		l2 := le.Uint64(b[h.L1TableOffset+i*8:])
		if l2 == 0 || h.checkTable(l2, usable) != "" {
			continue
		}
		for k := range h.entries() {
			e := le.Uint64(b[int64(l2)+k*8:])
			switch {
			case e == entryZero:
				seen[i*h.entries()+k] = make([]byte, h.ClusterSize)
			case e != 0 && h.checkCluster(e, usable) == "":
				seen[i*h.entries()+k] = b[e:][:h.ClusterSize]
			}
		}
	}
	return seen
}

// damage changes random entries in ways that a check has to find, and a few
// that it may not.
func (im *testImage) damage(rng *rand.Rand) {
	entries := im.h.entries()
	anywhere := func() uint64 {
		switch rng.IntN(8) {
		case 0:
			return rng.Uint64()
		case 1:
			return uint64(rng.Int64N(im.h.ClusterSize)) // in the header, and misaligned
		case 2:
			return uint64((im.end + rng.Int64N(3)) * im.h.ClusterSize)
		case 3:
			return uint64(im.end-1) * uint64(im.h.ClusterSize) // valid for data, not for a longer table
		default:
			return uint64(rng.Int64N(im.end) * im.h.ClusterSize)
		}
	}
	for range 1 + rng.IntN(6) {
		l1 := rng.Int64N(4)
		if rng.IntN(4) == 0 {
			im.setEntry(im.h.L1TableOffset, l1, anywhere())
			continue
		}
		table := im.entry(im.h.L1TableOffset, l1)
		if table == 0 || im.h.checkTable(table, im.end*im.h.ClusterSize) != "" {
			continue
		}
		im.setEntry(int64(table), rng.Int64N(entries), anywhere())
	}
}

// rounds is how often a random test runs.
func rounds(quick int) int {
	if oracle.Long() {
		return quick * 20
	}
	return quick
}
