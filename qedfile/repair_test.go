package qedfile

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// mustRepair repairs the image in s and returns the report.
func mustRepair(t *testing.T, s backend.Storage, mode RepairMode) *CheckReport {
	t.Helper()
	h, err := ReadHeader(s)
	if err != nil {
		t.Fatal(err)
	}
	report, _, err := repairTables(context.Background(), s, h, &CheckOptions{Repair: mode, MaxGrowth: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// sameView fails the test unless got shows what want does. Clusters that alias
// a table may change: their bytes were never the guest's.
func sameView(t *testing.T, got, want map[int64][]byte, alias map[int64]bool) {
	t.Helper()
	keepsView(t, got, want, alias)
	for c, b := range got {
		if want[c] == nil && !isZero(b) {
			t.Fatalf("cluster %d of the disk shows %.8x, was invalid", c, b)
		}
	}
}

// keepsView is sameView for a repair that did not come to its end at once: an
// entry past the end of the file, in a table that shares clusters, may have
// become valid when the file grew.
func keepsView(t *testing.T, got, want map[int64][]byte, alias map[int64]bool) {
	t.Helper()
	for c, b := range want {
		if !alias[c] && !bytes.Equal(got[c], b) {
			t.Fatalf("cluster %d of the disk shows %.8x, want %.8x", c, got[c], b)
		}
	}
}

// aliases returns the clusters of the disk that show the L1 table, which a
// repair may change before it separates them.
func aliases(t *testing.T, im *testImage) map[int64]bool {
	b := im.mem.Bytes()
	found := map[int64]bool{}
	l1 := b[im.h.L1TableOffset:][:im.h.tableBytes()]
	for c, data := range view(t, im.mem) {
		for off := int64(0); off < im.h.tableBytes(); off += im.h.ClusterSize {
			if bytes.Equal(data, l1[off:off+im.h.ClusterSize]) {
				found[c] = true
			}
		}
	}
	return found
}

func TestRepairAllLeavesACleanImageWithTheSameContent(t *testing.T) {
	rng := oracle.Seed(t)
	for range rounds(60) {
		im := randomImage(t, rng, 1)
		im.damage(rng)
		want, alias := view(t, im.mem), aliases(t, im)
		im.h.Features |= FeatureNeedCheck
		if err := writeHeader(im.mem, im.h); err != nil {
			t.Fatal(err)
		}
		report := mustRepair(t, im.mem, RepairAll)
		if report.Corruptions+report.Leaks+report.CheckErrors != 0 || report.Dirty {
			t.Fatalf("after the repair: %+v", report)
		}
		sameView(t, view(t, im.mem), want, alias)
		if im.h.TableSize > 1 {
			if q := runQemuCheck(t, saveMemory(t, im.mem)); q.Corruptions+q.Leaks+q.Errors != 0 {
				t.Fatalf("qemu-img still finds %+v", q)
			}
		}
		if again := mustRepair(t, im.mem, RepairAll); again.CorruptionsFixed+again.LeaksFixed != 0 {
			t.Fatalf("a second repair fixed %+v", again)
		}
	}
}

func TestRepairSurvivesACrashAtAnyMoment(t *testing.T) {
	rng := oracle.Seed(t)
	for range rounds(6) {
		im := randomImage(t, rng, 1)
		im.damage(rng)
		want, alias := view(t, im.mem), aliases(t, im)
		disk := backendtest.NewCrash(im.mem)
		mustRepair(t, disk, RepairAll)
		if n := disk.Len(); disk.Synced(n) != n {
			t.Fatalf("of %d changes %d are durable: %v", n, disk.Synced(n), disk.Events())
		}
		for n := range disk.Len() + 1 {
			for _, left := range []*backend.Memory{disk.Prefix(n), disk.CrashAt(n, rng), disk.CrashAt(n, rng)} {
				if report := mustRepair(t, left, RepairAll); report.Corruptions+report.Leaks+report.CheckErrors != 0 {
					t.Fatalf("crash at %d of %v: repaired to %+v", n, disk.Events(), report)
				}
				keepsView(t, view(t, left), want, alias)
			}
		}
	}
}

func TestRepairFillsHolesFromTheEnd(t *testing.T) {
	im := newTestImage(t, 4096, 4, 32<<20)
	im.data(0, 1)
	im.grow(1, 0xee)
	im.data(1, 2)
	im.grow(2, 0xee)
	im.data(2048, 3) // its table is the last but one
	im.grow(5, 0xee)
	want := view(t, im.mem)
	report := mustRepair(t, im.mem, RepairLeaks)
	if report.LeaksFixed != 8 || report.Leaks != 0 || report.Corruptions != 0 {
		t.Errorf("report %+v", report)
	}
	sameView(t, view(t, im.mem), want, nil)
	if size, _ := im.mem.Size(); size != (1+4+4+4+3)*4096 {
		t.Errorf("the file has %d clusters", size/4096)
	}
}

func TestRepairOfLeaksLeavesACorruptImageAlone(t *testing.T) {
	im := newTestImage(t, 4096, 1, 8<<20)
	im.data(0, 1)
	im.grow(3, 0xee)
	im.setEntry(im.table(0), 7, 12345)
	before := im.mem.Bytes()
	report := mustRepair(t, im.mem, RepairLeaks)
	if report.Corruptions != 1 || report.Leaks != 3 || report.LeaksFixed+report.CorruptionsFixed != 0 {
		t.Errorf("report %+v", report)
	}
	if !bytes.Equal(im.mem.Bytes(), before) {
		t.Error("the image has changed")
	}
}

func TestDryRunCountsAndChangesNothing(t *testing.T) {
	rng := oracle.Seed(t)
	for range rounds(30) {
		im := randomImage(t, rng, 1)
		im.damage(rng)
		before := im.mem.Bytes()
		opts := &CheckOptions{Repair: RepairAll, DryRun: true, MaxGrowth: 1 << 30}
		dry, err := dryRun(context.Background(), im.mem, im.h, opts)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(im.mem.Bytes(), before) {
			t.Fatal("the dry run changed the image")
		}
		if real := mustRepair(t, im.mem, RepairAll); real.CorruptionsFixed != dry.CorruptionsFixed {
			t.Fatalf("the dry run promised %d corruptions fixed, %d were", dry.CorruptionsFixed, real.CorruptionsFixed)
		}
	}
}

func TestRepairRefusesToGrowAFileWithoutLimit(t *testing.T) {
	// Every entry of the L1 table refers to one full table.
	im := newTestImage(t, 4096, 1, 512<<20)
	for c := range int64(512) {
		im.data(c, byte(c))
	}
	for i := range int64(512) {
		im.setEntry(im.h.L1TableOffset, i, uint64(im.table(0)))
	}
	before := im.mem.Bytes()
	_, _, err := repairTables(context.Background(), im.mem, im.h, &CheckOptions{Repair: RepairAll})
	if !errors.Is(err, ErrNeedsRepair) {
		t.Errorf("error %v", err)
	}
	if !bytes.Equal(im.mem.Bytes(), before) {
		t.Error("the image has changed")
	}
}

func TestRepairEndsCleanlyAtAnyFault(t *testing.T) {
	rng := oracle.Seed(t)
	im := randomImage(t, rng, 1)
	im.damage(rng)
	want, alias := view(t, im.mem), aliases(t, im)
	for n := int64(1); ; n++ {
		mem := im.mem.Clone()
		fault := backendtest.NewFault(mem, backendtest.FaultPlan{Ops: backendtest.OpAny, Nth: n, Short: n%2 == 0})
		report, _, err := repairTables(context.Background(), fault, im.h, &CheckOptions{Repair: RepairAll, MaxGrowth: 1 << 30})
		if fault.Calls() < n {
			break
		}
		if err == nil && report.CheckErrors == 0 && report.Corruptions == 0 && report.Leaks > 0 {
			t.Fatalf("fault %d went unnoticed: %+v", n, report)
		}
		keepsView(t, view(t, mem), want, alias)
		mustRepair(t, mem, RepairAll)
		keepsView(t, view(t, mem), want, alias)
	}
}

// A cancelling storage calls cancel at its n-th write.
type cancelling struct {
	backend.Storage
	n      int
	cancel context.CancelFunc
}

func (s *cancelling) WriteAt(p []byte, off int64) (int, error) {
	if s.n--; s.n == 0 {
		s.cancel()
	}
	return s.Storage.WriteAt(p, off)
}

func TestRepairCanBeInterruptedAtAnyWrite(t *testing.T) {
	rng := oracle.Seed(t)
	stopped := 0
	for range 12 { // some have little to repair
		im := randomImage(t, rng, 1)
		im.damage(rng)
		stopped += interruptRepair(t, im)
	}
	if stopped == 0 {
		t.Error("no interruption ended a repair")
	}
}

// interruptRepair cancels the repair of an image at each write, and returns how
// many of them did not come to their end.
func interruptRepair(t *testing.T, im *testImage) (stopped int) {
	t.Helper()
	want, alias := view(t, im.mem), aliases(t, im)
	for n := 1; ; n++ {
		mem := im.mem.Clone()
		ctx, cancel := context.WithCancel(t.Context())
		_, _, err := repairTables(ctx, &cancelling{mem, n, cancel}, im.h, &CheckOptions{Repair: RepairAll, MaxGrowth: 1 << 30})
		interrupted := ctx.Err() != nil
		cancel()
		switch {
		case errors.Is(err, context.Canceled):
			stopped++
		case err != nil:
			t.Fatal(err)
		case !interrupted:
			return stopped
		}
		keepsView(t, view(t, mem), want, alias)
		mustRepair(t, mem, RepairAll)
		keepsView(t, view(t, mem), want, alias)
	}
}
