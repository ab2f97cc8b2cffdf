package qedfile

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
)

// unreadableStorage is unreadable for what is written.
type unreadableStorage struct {
	backend.Storage
	off int64
}

func (s unreadableStorage) ReadAt(p []byte, off int64) (int, error) {
	return unreadable{s.Storage, s.off}.ReadAt(p, off)
}

// What a table that cannot be read refers to is not known: nothing is mended,
// and the report says why.
func TestRepairLeavesAnImageAloneOfWhichATableCannotBeRead(t *testing.T) {
	im := newTestImage(t, 4096, 1, 8<<20)
	im.data(0, 1)
	im.setEntry(im.table(0), 7, 12345)
	bad := im.table(1)
	im.grow(3, 0xee)
	before := im.mem.Bytes()
	report, _, err := repairTables(context.Background(), unreadableStorage{im.mem, bad}, im.h, &CheckOptions{Repair: RepairAll})
	if err != nil {
		t.Fatal(err)
	}
	if report.CheckErrors != 1 || report.Corruptions != 1 || report.CorruptionsFixed+report.LeaksFixed != 0 {
		t.Errorf("report %+v", report)
	}
	if !bytes.Equal(im.mem.Bytes(), before) {
		t.Error("the image has changed")
	}
}

// TestARepairGrowsTheFileByNoMoreThanAllowed has two L1 entries that refer to one
// table, full of data: both get a table of their own, and the second its data.
func TestARepairGrowsTheFileByNoMoreThanAllowed(t *testing.T) {
	const copies = 512 + 2 // clusters
	for _, c := range []struct {
		limit   int64 // clusters
		refused bool
	}{{copies - 1, true}, {copies, false}} {
		im := newTestImage(t, 4096, 1, 8<<20)
		for i := range int64(512) {
			im.data(i, byte(i))
		}
		im.setEntry(im.h.L1TableOffset, 1, uint64(im.table(0)))
		before := im.mem.Bytes()
		_, _, err := repairTables(context.Background(), im.mem, im.h, &CheckOptions{Repair: RepairAll, MaxGrowth: c.limit * 4096})
		if c.refused {
			if !errors.Is(err, ErrNeedsRepair) || !bytes.Equal(im.mem.Bytes(), before) {
				t.Errorf("%d clusters: %v, or the image has changed", c.limit, err)
			}
			continue
		}
		size, _ := im.mem.Size()
		if grown := size - int64(len(before)); err != nil || grown > c.limit*4096 {
			t.Errorf("%d clusters: the file grew by %d bytes (%v)", c.limit, grown, err)
		}
	}
}

func TestADryRunPromisesLeaksOnlyWhereTheyAreGivenBack(t *testing.T) {
	im := newTestImage(t, 4096, 1, 8<<20)
	im.data(0, 1)
	im.grow(3, 0xee)
	im.setEntry(im.table(0), 7, 12345)
	for _, c := range []struct {
		mode  RepairMode
		leaks int64
	}{{RepairLeaks, 0}, {RepairAll, 3}} {
		dry, err := dryRun(context.Background(), im.mem, im.h, &CheckOptions{Repair: c.mode, DryRun: true})
		if err != nil {
			t.Fatal(err)
		}
		if dry.Leaks != 3 || dry.LeaksFixed != c.leaks {
			t.Errorf("mode %d: %+v", c.mode, dry)
		}
		left := im.mem.Clone()
		if report := mustRepair(t, left, c.mode); report.LeaksFixed != c.leaks {
			t.Errorf("mode %d: done was %+v", c.mode, report)
		}
	}
}

// packed is an image with tables of four clusters, put together from the place
// of each: the L1 table, L2 tables in the order of their entries, and data of
// the first table.
func packed(t *testing.T, clusters, l1 int64, tables, data []int64) *testImage {
	t.Helper()
	im := newTestImage(t, 4096, 4, 64<<20)
	im.grow(clusters-im.end, 0)
	im.write(make([]byte, 4*4096), im.h.L1TableOffset)
	im.h.L1TableOffset = l1 * 4096
	if err := writeHeader(im.mem, im.h); err != nil {
		t.Fatal(err)
	}
	for i, c := range tables {
		im.setEntry(im.h.L1TableOffset, int64(i), uint64(c)*4096)
	}
	for i, c := range data {
		im.write(bytes.Repeat([]byte{byte(i + 1)}, 4096), c*4096)
		im.setEntry(tables[0]*4096, int64(i), uint64(c)*4096)
	}
	return im
}

// A table that already lies first makes no place wider by moving.
func TestTheFirstTableStaysWhereAPlaceIsTooNarrow(t *testing.T) {
	im := packed(t, 16, 7, []int64{1, 11}, nil) // a hole at 5 and 6, one cluster too many at the end
	record := backendtest.NewCrash(im.mem)
	report := mustRepair(t, record, RepairLeaks)
	if report.Leaks != 2 || report.LeaksFixed != 1 {
		t.Errorf("report %+v", report)
	}
	for _, e := range record.Events() {
		if e.Op == backendtest.OpWrite {
			t.Fatalf("something has moved: %v", record.Events())
		}
	}
}

// The first table that moves makes room for the last, but only if it does not
// come back to where it was.
func TestATableThatMovedToMakeAPlaceWiderDoesNotComeBack(t *testing.T) {
	im := packed(t, 22, 13, []int64{1, 6, 18}, []int64{5})
	want := view(t, im.mem)
	report := mustRepair(t, im.mem, RepairLeaks)
	if report.Leaks != 0 {
		t.Errorf("report %+v", report)
	}
	if size, _ := im.mem.Size(); size != 18*4096 {
		t.Errorf("the file has %d clusters", size/4096)
	}
	sameView(t, view(t, im.mem), want, nil)
}
