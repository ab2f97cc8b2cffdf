package qedfile

import (
	"testing"
)

// A table that is looked at to be changed, and is not, must not take room in
// the cache for ever.
func TestShrinkingKeepsNoTableInTheCache(t *testing.T) {
	im := newTestImage(t, 4096, 1, 4<<20)
	im.table(0)
	im.setEntry(im.table(0), 1, uint64(im.end+2)*4096) // data at the end of the file, which stays
	past := im.data(512, 3)
	if past >= int64(im.entry(im.table(0), 1)) {
		t.Fatal("what is cut off is to lie before what stays")
	}
	im.end += 2
	im.write(make([]byte, 4096), (im.end-1)*4096)
	im.setEntry(im.table(0), 1, uint64(im.end-1)*4096)
	m, err := New(im.mem, &Options{Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Resize(1 << 20); err != nil {
		t.Fatal(err)
	}
	if n := len(m.cache.pinned); n > 0 {
		t.Errorf("%d slices stay in the cache", n)
	}
}
