package fill

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

func TestTableHasEveryEntry(t *testing.T) {
	rng := oracle.Seed(t)
	for range 60 {
		w := &Table{At: 12, Len: rng.Int64N(40000), Order: binary.BigEndian, Wide: rng.IntN(2) == 0, Fill: uint64(rng.IntN(2)) * 0xffffffff}
		want := make([]byte, w.At+w.Len*w.entryBytes())
		put := func(i int64, v uint64) {
			if w.Wide {
				w.Order.PutUint64(want[w.At+8*i:], v)
			} else {
				w.Order.PutUint32(want[w.At+4*i:], uint32(v))
			}
		}
		for i := range w.Len {
			put(i, w.Fill)
		}
		file := backend.NewMemory(make([]byte, 2*len(want)))
		w.To, w.Mirrors = file, []int64{w.At + int64(len(want))}
		for i := rng.Int64N(100); i < w.Len; i += rng.Int64N(20000) {
			v := uint64(rng.Uint32())
			put(i, v)
			if err := w.Set(i, v); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 2*len(want))
		if _, err := file.ReadAt(got, 0); err != nil && len(got) > 0 {
			t.Fatal(err)
		}
		if !bytes.Equal(got[:len(want)], want) || !bytes.Equal(got[len(want)+12:], want[12:]) {
			t.Fatalf("a table of %d entries, wide %t, filled with %#x, differs", w.Len, w.Wide, w.Fill)
		}
	}
}
