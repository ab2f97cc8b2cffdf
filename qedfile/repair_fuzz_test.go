package qedfile

import "testing"

// FuzzRepair repairs a small image after changes to its tables: each three
// bytes of the input choose a table, an entry and its new value.
func FuzzRepair(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 0, 1, 255, 1, 2, 200})
	f.Add([]byte{0, 1, 1, 0, 2, 1, 1, 0, 1, 2, 1, 2}) // tables that share
	f.Add([]byte{1, 1, 5, 1, 2, 5, 2, 0, 5, 64, 3, 7})
	f.Fuzz(func(t *testing.T, pokes []byte) {
		im := newTestImage(t, 4096, 1, 16<<20)
		for _, cluster := range []int64{0, 1, 512, 515, 1024} {
			im.data(cluster, byte(cluster))
		}
		im.grow(2, 0xee)
		tables := []int64{im.h.L1TableOffset, im.table(0), im.table(1)}
		for ; len(pokes) >= 3; pokes = pokes[3:] {
			value := uint64(pokes[2]&63) << 12
			if pokes[0]&64 != 0 {
				value |= uint64(pokes[2]) // misaligned, or a zero marker
			}
			im.setEntry(tables[pokes[0]%3], int64(pokes[1]%8), value)
		}
		want, alias := view(t, im.mem), aliases(t, im)
		report := mustRepair(t, im.mem, RepairAll)
		if !report.Clean() || report.Leaks != 0 {
			t.Fatalf("repaired to %+v", report)
		}
		sameView(t, view(t, im.mem), want, alias)
		if again := mustRepair(t, im.mem, RepairAll); again.CorruptionsFixed != 0 || again.LeaksFixed != 0 {
			t.Fatalf("the second repair fixed %+v", again)
		}
	})
}
