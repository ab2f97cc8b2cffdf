package qedfile

import (
	"errors"
	"testing"

	"github.com/qedfs/qedfs/backend"
)

// cached gets a slice by its key, and fails if it is not loaded as often as
// the test says.
func cached(t *testing.T, c *tableCache, key uint64, pin, loaded bool) *tableSlice {
	t.Helper()
	loads := 0
	s, err := c.get(key, pin, func() (*tableSlice, error) {
		loads++
		return &tableSlice{key: key}, nil
	})
	if err != nil || loads != map[bool]int{true: 1}[loaded] {
		t.Fatalf("slice %d was loaded %d times (%v)", key, loads, err)
	}
	return s
}

func TestPinnedSlicesKeepTheirPlace(t *testing.T) {
	c := newTableCache(1, 4096) // one set
	s := cached(t, c, 0, true, true)
	for key := range uint64(5 * cacheWays) {
		cached(t, c, key+1, false, true)
	}
	if c.lookup(0) != s {
		t.Error("a pinned slice has lost its place: each lookup of it takes the lock")
	}
	c.unpin(s)
	for key := range uint64(5 * cacheWays) {
		cached(t, c, key+100, false, true)
	}
	if c.lookup(0) != nil {
		t.Error("a slice that is not pinned any more stays")
	}
}

func TestASliceGetsAPlaceWhenItIsUnpinned(t *testing.T) {
	c := newTableCache(1, 4096)
	var slices []*tableSlice
	for key := range uint64(cacheWays + 1) {
		slices = append(slices, cached(t, c, key, true, true))
	}
	last := slices[cacheWays]
	if c.lookup(last.key) != nil {
		t.Fatal("the set had room: nothing is tested")
	}
	cached(t, c, last.key, false, false) // by way of the pinned ones
	c.unpin(slices[0])
	for range 2 { // it is not placed twice
		c.unpin(last)
		cached(t, c, last.key, false, false)
	}
	n := 0
	for i := range c.places {
		if c.places[i].Load() == last {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the slice has %d places, want 1", n)
	}
}

func TestSlicesThatWereWrittenAreTrustedHoweverManyTheyAre(t *testing.T) {
	c := newTableCache(1, 4096)
	if c.wasWritten(0) {
		t.Error("a slice is said to be written that is not")
	}
	for key := range uint64(maxWritten + 5) {
		s := &tableSlice{key: key}
		c.pinned[key] = s
		c.changed(s)
		if !c.wasWritten(key) {
			t.Fatalf("slice %d is not trusted after it was written", key)
		}
		if key == maxWritten/2 && c.wasWritten(maxWritten) {
			t.Error("half of them are taken for too many")
		}
	}
	if len(c.written) > maxWritten {
		t.Errorf("%d slices are remembered, want %d at most", len(c.written), maxWritten)
	}
}

// sizeless is a storage that does not know its size while it is off.
type sizeless struct {
	*backend.Memory
	off bool
}

func (s *sizeless) Size() (int64, error) {
	if s.off {
		return 0, errors.New("no size")
	}
	return s.Memory.Size()
}

func TestATableThatGetsNoPlaceLeavesNothingPinned(t *testing.T) {
	im := newTestImage(t, 4096, 1, 8<<20)
	s := &sizeless{Memory: im.mem}
	m, err := New(s, &Options{Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	s.off = true
	if err := m.placeTable(0); err == nil {
		t.Fatal("a table got a place in a file of unknown size")
	}
	if n := len(m.cache.pinned); n > 0 {
		t.Errorf("%d slices stay pinned, whatever the budget of the cache", n)
	}
	s.off = false
	if _, err := m.WriteAt([]byte{1}, 0); err != nil {
		t.Errorf("a write after that: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}
