package qedfile

import (
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// qemuCheck is what qemu-img check --output=json prints.
type qemuCheck struct {
	Corruptions int64 `json:"corruptions"`
	Leaks       int64 `json:"leaks"`
	Errors      int64 `json:"check-errors"`
	Total       int64 `json:"total-clusters"`
	Allocated   int64 `json:"allocated-clusters"`
	Fragmented  int64 `json:"fragmented-clusters"`
}

func runQemuCheck(t *testing.T, name string) qemuCheck {
	t.Helper()
	out, err := exec.Command(oracle.Tool(t, "qemu-img"), "check", "-f", "qed", "--output=json", name).Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var q qemuCheck
	if err := json.Unmarshal(out, &q); err != nil {
		t.Fatalf("qemu-img check: %v\n%s", err, out)
	}
	return q
}

func TestCheckCountsAsQemuDoes(t *testing.T) {
	oracle.Tool(t, "qemu-img")
	rng := oracle.Seed(t)
	for range rounds(60) {
		im := randomImage(t, rng, 2)
		if rng.IntN(4) > 0 {
			im.damage(rng)
		}
		report, err := checkTables(context.Background(), im.mem, im.h, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := qemuCheck{report.Corruptions, report.Leaks, report.CheckErrors, report.TotalClusters, report.AllocatedClusters, report.FragmentedClusters}
		if want := runQemuCheck(t, im.save()); got != want {
			t.Fatalf("counted %+v, qemu-img %+v", got, want)
		}
	}
}

func TestCheckReportsNoPhantomLeaks(t *testing.T) {
	// 4095 clusters of 4 KiB are the first count at which qemu 7.2 sees a
	// leak that is none.
	im := newTestImage(t, 4096, 4, 64<<20)
	for c := range int64(4200) {
		im.data(c, byte(c))
	}
	report, err := checkTables(context.Background(), im.mem, im.h, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report.Leaks != 0 || report.Corruptions != 0 || report.AllocatedClusters != 4200 || report.FragmentedClusters != 0 {
		t.Errorf("report %+v", report)
	}
	if q := runQemuCheck(t, im.save()); q.Leaks != 1 {
		t.Logf("this qemu-img reports %d leaks", q.Leaks)
	}
}

func TestCheckSaysWhatIsWrongWhere(t *testing.T) {
	im := newTestImage(t, 4096, 1, 8<<20)
	first := im.data(0, 1)
	table := im.table(0)
	im.setEntry(table, 3, uint64(first))
	im.setEntry(table, 5, 4096*100)
	im.setEntry(im.h.L1TableOffset, 2, 1)
	leak := im.grow(2, 9)
	im.data(1, 2)

	const inUse = "the cluster is in use elsewhere"
	want := []Finding{
		{Kind: Corruption, Level: 2, Table: table, Index: 3, Entry: uint64(first), Start: 3 * 4096, Offset: first, Clusters: 1, Why: inUse},
		{Kind: Corruption, Level: 2, Table: table, Index: 5, Entry: 409600, Start: 5 * 4096, Offset: 409600, Clusters: 1, Why: "past the end of the file"},
		{Kind: Corruption, Level: 1, Table: 4096, Index: 2, Entry: 1, Start: 2 * 512 * 4096, Clusters: 1, Why: "not a multiple of the cluster size"},
		{Kind: Leak, Table: -1, Index: -1, Start: -1, Offset: leak, Clusters: 2, Why: "nothing refers to it"},
	}
	var got []Finding
	report, err := checkTables(context.Background(), im.mem, im.h, &CheckOptions{Found: func(f Finding) error {
		got = append(got, f)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("found %+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("finding %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	if report.Corruptions != 3 || report.Leaks != 2 || report.ImageEnd != im.end*4096 {
		t.Errorf("report %+v", report)
	}
}

func TestCheckOfUnreadableTableIsAnErrorOfItsOwn(t *testing.T) {
	im := newTestImage(t, 4096, 1, 8<<20)
	im.data(0, 1)
	bad := im.table(1)
	im.grow(1, 0)
	r := unreadable{im.mem, bad}
	var found []Finding
	report, err := checkTables(context.Background(), r, im.h, &CheckOptions{Found: func(f Finding) error {
		found = append(found, f)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if report.CheckErrors != 1 || report.Leaks != 0 || report.AllocatedClusters != 1 {
		t.Errorf("report %+v", report)
	}
	if len(found) != 1 || found[0].Kind != CheckFailure || found[0].Offset != bad || !errors.Is(found[0].Err, errUnreadable) {
		t.Errorf("found %+v", found)
	}
}

var errUnreadable = errors.New("bad sector")

// unreadable fails reads that touch the page at off.
type unreadable struct {
	backend.Reader
	off int64
}

func (r unreadable) ReadAt(p []byte, off int64) (int, error) {
	if off <= r.off && r.off < off+int64(len(p)) {
		return 0, errUnreadable
	}
	return r.Reader.ReadAt(p, off)
}

func TestCheckEndsWhenItsContextDoes(t *testing.T) {
	im := newTestImage(t, 4096, 1, 8<<20)
	im.data(0, 1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := checkTables(ctx, im.mem, im.h, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestCheckOfHugeSparseTablesIsQuick(t *testing.T) {
	// Two tables of 1 GiB each, all hole but for one entry each.
	im := newTestImage(t, 64<<20, 16, 1<<50)
	l2 := im.h.dataStart() + im.h.tableBytes()
	im.setEntry(im.h.L1TableOffset, 1<<26, uint64(l2))
	im.setEntry(l2, 1<<26, uint64(l2+im.h.tableBytes()))
	if err := im.mem.Truncate(l2 + im.h.tableBytes() + im.h.ClusterSize); err != nil {
		t.Fatal(err)
	}
	counter := &countingReader{Memory: im.mem}
	report, err := checkTables(context.Background(), counter, im.h, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report.AllocatedClusters != 1 || report.Leaks != 0 || report.Corruptions != 0 {
		t.Errorf("report %+v", report)
	}
	if counter.bytes > 1<<20 {
		t.Errorf("read %d bytes for two entries", counter.bytes)
	}
}

type countingReader struct {
	*backend.Memory
	bytes int64
}

func (r *countingReader) ReadAt(p []byte, off int64) (int, error) {
	r.bytes += int64(len(p))
	return r.Memory.ReadAt(p, off)
}
