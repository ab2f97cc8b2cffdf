package qedfile_test

import (
	"errors"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// broken is an image with a dangling entry, as a crash leaves it.
func broken(t *testing.T) *backend.Memory {
	t.Helper()
	mem := backend.NewMemory(nil)
	m, err := qedfile.CreateIn(mem, 8<<20, &qedfile.CreateOptions{ClusterSize: 4096})
	if err != nil {
		t.Fatal(err)
	}
	for _, off := range []int64{0, 1 << 20} {
		if _, err := m.WriteAt([]byte("kept"), off); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Sync(); err != nil {
		t.Fatal(err)
	}
	// The image is still dirty: NEED_CHECK goes with Close.
	left := mem.Clone()
	h := m.Header()
	l2 := make([]byte, 8)
	left.ReadAt(l2, h.L1TableOffset)
	table := int64(l2[1])<<8 | int64(l2[2])<<16
	left.WriteAt([]byte{0, 0, 0, 0x40, 0, 0, 0, 0}, table+8*7)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return left
}

func TestDirtyImageIsRepairedRefusedOrKept(t *testing.T) {
	for _, test := range []struct {
		name   string
		policy qedfile.DirtyPolicy
		err    error
		dirty  bool // afterwards
	}{
		{"repaired", qedfile.DirtyRepair, nil, false},
		{"refused", qedfile.DirtyCheck, qedfile.ErrNeedsRepair, true},
		{"kept", qedfile.DirtyKeep, nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			mem := broken(t)
			m, err := qedfile.New(mem, &qedfile.Options{Writable: true, Dirty: test.policy})
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v", err)
			}
			if m != nil {
				b := make([]byte, 4)
				if _, err := m.ReadAt(b, 1<<20); err != nil || string(b) != "kept" {
					t.Errorf("read %q (%v)", b, err)
				}
				if err := m.Close(); err != nil {
					t.Fatal(err)
				}
			}
			h, err := qedfile.ReadHeader(mem.Clone())
			if err != nil || h.NeedCheck() != test.dirty {
				t.Errorf("the header says dirty %v, want %v (%v)", h.NeedCheck(), test.dirty, err)
			}
		})
	}
}

func TestCheckOfAnOpenImageSeesWhatIsNotYetWritten(t *testing.T) {
	m, err := qedfile.CreateIn(backend.NewMemory(nil), 8<<20, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.WriteAt(make([]byte, 3<<20), 1<<20); err != nil {
		t.Fatal(err)
	}
	report, err := m.Check(t.Context(), nil)
	if err != nil || report.AllocatedClusters != 48 || report.Corruptions+report.Leaks != 0 {
		t.Errorf("%+v (%v)", report, err)
	}
}

func TestOpenImageGoesOnAfterItsRepair(t *testing.T) {
	mem := broken(t)
	m, err := qedfile.New(mem, &qedfile.Options{Writable: true, Dirty: qedfile.DirtyKeep})
	if err != nil {
		t.Fatal(err)
	}
	var found []qedfile.Finding
	for f, err := range m.Findings(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, f)
	}
	if len(found) != 1 || found[0].Index != 7 || found[0].Start != 7*4096 {
		t.Errorf("found %+v", found)
	}
	if _, err := m.ReadAt(make([]byte, 1), 7*4096); !errors.Is(err, qedfile.ErrCorrupt) {
		t.Errorf("before the repair: %v", err)
	}
	report, err := m.Check(t.Context(), &qedfile.CheckOptions{Repair: qedfile.RepairAll})
	if err != nil || report.CorruptionsFixed != 1 || report.Corruptions != 0 || report.Dirty {
		t.Fatalf("%+v (%v)", report, err)
	}
	b := []byte{1, 2}
	if _, err := m.WriteAt(b, 7*4096); err != nil {
		t.Fatal(err)
	}
	if _, err := m.ReadAt(b, 1<<20); err != nil || string(b) != "ke" {
		t.Errorf("read %q (%v)", b, err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestImageOpenedForReadingIsNotRepaired(t *testing.T) {
	m, err := qedfile.New(broken(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Check(t.Context(), &qedfile.CheckOptions{Repair: qedfile.RepairAll}); !errors.Is(err, qedfile.ErrReadOnly) {
		t.Errorf("error %v", err)
	}
	report, err := m.Check(t.Context(), &qedfile.CheckOptions{Repair: qedfile.RepairAll, DryRun: true})
	if err != nil || report.CorruptionsFixed != 1 || report.Corruptions != 1 || !report.Dirty {
		t.Errorf("%+v (%v)", report, err)
	}
}

func TestTheFirstClusterAfterTheHeaderCanLeak(t *testing.T) {
	l := empty(4096, 1, 1<<20)
	l.l1, l.length = 2*4096, 3*4096
	m, err := qedfile.New(l.storage(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if report, err := m.Check(t.Context(), nil); err != nil || report.Leaks != 1 {
		t.Errorf("%+v (%v), want one leak", report, err)
	}
}
