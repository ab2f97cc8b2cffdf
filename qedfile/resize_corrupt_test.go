package qedfile_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/qedfs/qedfs/qedfile"
)

// content reads all of a disk, sector by sector where it must; what cannot be
// read is nil.
func contentOf(t *testing.T, m *qedfile.Image) [][]byte {
	t.Helper()
	sectors := make([][]byte, m.Size()/512)
	for i := range sectors {
		p := make([]byte, 512)
		if _, err := m.ReadAt(p, int64(i)*512); err == nil {
			sectors[i] = p
		}
	}
	return sectors
}

// corruptLayouts are images in which a part of the disk that is past the end,
// or is going to be, shares something with a part that stays.
func corruptLayouts() map[string]layout {
	data := func(at ...int64) map[int64][]byte {
		m := map[int64][]byte{}
		for _, off := range at {
			m[off] = bytes.Repeat([]byte{7}, 4096)
		}
		return m
	}
	base := func(size uint64) layout {
		l := small()
		l.size = size
		return l
	}
	pastEnd := base(8 * 4096)
	pastEnd.entries = map[int64]uint64{4096: 8192, 8192: 3 * 4096, 8192 + 8*20: 3 * 4096}
	pastEnd.data = data(3 * 4096)

	lastCluster := base(8*4096 - 512)
	lastCluster.entries = map[int64]uint64{4096: 8192, 8192: 3 * 4096, 8192 + 8*7: 3 * 4096}
	lastCluster.data = data(3 * 4096)

	// Two L1 entries share a table: what is past the end is before it as well.
	// One table of 512 entries maps 2 MiB.
	table := base(2<<20 + 4096)
	table.entries = map[int64]uint64{4096: 8192, 4096 + 8: 8192, 8192: 3 * 4096, 8192 + 8*9: 4 * 4096}
	table.data = data(3*4096, 4*4096)

	// A table past the end is the data of a cluster before it.
	isData := base(3 << 20)
	isData.entries = map[int64]uint64{4096: 8192, 4096 + 8: 4 * 4096, 8192: 4 * 4096, 4*4096 + 8*300: 5 * 4096, 4 * 4096: 3 * 4096}

	// An invalid entry in the middle.
	invalid := base(3 << 20)
	invalid.entries = map[int64]uint64{4096: 8192, 4096 + 8: 4 * 4096, 8192: 3 * 4096, 8192 + 8: 12345, 4*4096 + 8*300: 3 * 4096, 4 * 4096: 3 * 4096}
	invalid.data = data(3 * 4096)
	return map[string]layout{
		"a cluster past the end": pastEnd, "the last cluster": lastCluster, "a table": table,
		"a table that is data": isData, "an invalid entry": invalid,
	}
}

func TestResizingACorruptImageChangesNoReadableByte(t *testing.T) {
	for name, l := range corruptLayouts() {
		for _, size := range []int64{512, 4096, 8 * 4096, 21 * 4096, 1 << 20, 2 << 20, 2<<20 + 8192, 3 << 20, 4 << 20} {
			m := l.mustOpen(t, writable)
			before := contentOf(t, m)
			err := m.Resize(size)
			if err != nil && !errors.Is(err, qedfile.ErrCorrupt) {
				t.Errorf("%s, resized to %d: %v", name, size, err)
			}
			if err != nil && m.Size() != int64(l.size) || err == nil && m.Size() != size {
				t.Errorf("%s, resized to %d: %v, and the disk has %d bytes", name, size, err, m.Size())
			}
			if size < int64(l.size) && err != nil {
				t.Errorf("%s does not shrink to %d: %v", name, size, err)
			}
			after := contentOf(t, m)
			for i := range min(len(before), len(after)) {
				if before[i] != nil && !bytes.Equal(before[i], after[i]) {
					t.Errorf("%s, resized to %d: sector %d has changed", name, size, i)
					break
				}
			}
			// What the disk has gained is zeroes.
			for i := len(before); i < len(after); i++ {
				if !bytes.Equal(after[i], make([]byte, 512)) {
					t.Errorf("%s, resized to %d: sector %d shows old bytes", name, size, i)
					break
				}
			}
		}
	}
}

func TestAnUnalignedImageGrowsEvenIfCorruptWhereItsEndIsZeroes(t *testing.T) {
	l := small()
	l.size = 8*4096 - 512
	l.entries = map[int64]uint64{4096: 8192, 8192: 3 * 4096, 8192 + 8*7: 3 * 4096}
	l.data = map[int64][]byte{3 * 4096: bytes.Repeat([]byte{7}, 1024)}
	m := l.mustOpen(t, writable)
	if err := m.Resize(1 << 20); err != nil || m.Size() != 1<<20 {
		t.Errorf("Resize: %v, and the disk has %d bytes", err, m.Size())
	}
}

func TestAnImageWithoutAHeaderAreaCanOnlyBeRead(t *testing.T) {
	l := small()
	l.headerSize = 0
	l.entries[8192] = 3 * 4096
	l.data = map[int64][]byte{3 * 4096: []byte("data")}
	m := l.mustOpen(t, nil)
	p := make([]byte, 4)
	if n, err := m.ReadAt(p, 0); n != 4 || err != nil || string(p) != "data" {
		t.Errorf("ReadAt = %d, %v, %q", n, err, p)
	}
	if report, err := m.Check(t.Context(), nil); err != nil || report.Corruptions != 0 {
		t.Errorf("Check: %+v, %v", report, err)
	}
	repair := &qedfile.CheckOptions{Repair: qedfile.RepairAll, DryRun: true}
	if _, err := m.Check(t.Context(), repair); !errors.Is(err, qedfile.ErrUnsupported) {
		t.Errorf("a dry run of a repair: %v, want ErrUnsupported", err)
	}
	if _, err := l.open(writable); !errors.Is(err, qedfile.ErrUnsupported) {
		t.Errorf("opened for writing: %v, want ErrUnsupported", err)
	}

	l.l1 = 0 // the header is the table
	l.entries = nil
	if m, err := l.open(nil); err == nil {
		if _, err := m.ReadAt(p, 0); !errors.Is(err, qedfile.ErrCorrupt) {
			t.Errorf("reading by a table that is the header: %v, want ErrCorrupt", err)
		}
	}

	compacted := small().storage()
	compacted.Truncate(0)
	if err := qedfile.Compact(t.Context(), compacted, m, nil); err != nil {
		t.Fatal(err)
	}
	copied, err := qedfile.New(compacted, writable)
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	if n, err := copied.ReadAt(p, 0); n != 4 || err != nil || string(p) != "data" {
		t.Errorf("of the compact copy ReadAt = %d, %v, %q", n, err, p)
	}
}
