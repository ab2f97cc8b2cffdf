package backendtest_test

import (
	"errors"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
)

func TestFaultWithoutPlanIsAStorage(t *testing.T) {
	backendtest.TestStorage(t, func(*testing.T) backend.Storage {
		return backendtest.NewFault(backend.NewMemory(nil), backendtest.FaultPlan{})
	})
}

func TestCounterIsAStorage(t *testing.T) {
	backendtest.TestStorage(t, func(*testing.T) backend.Storage {
		return backendtest.NewCounter(backend.NewMemory(nil))
	})
}

func TestDecoratorsPassHolesOn(t *testing.T) {
	backendtest.TestDecorator(t, func(s backend.Storage) backend.Storage {
		return backendtest.NewCounter(backendtest.NewFault(s, backendtest.FaultPlan{}))
	})
}

func TestFaultFailsAHoleAndLeavesTheBytes(t *testing.T) {
	m := backend.NewMemory([]byte("0123"))
	f := backendtest.NewFault(m, backendtest.FaultPlan{Ops: backendtest.OpPunch, Nth: 1})
	if err := f.PunchHole(0, 2); !errors.Is(err, backendtest.ErrInjected) || string(m.Bytes()) != "0123" {
		t.Errorf("PunchHole: %v, and it leaves %q", err, m.Bytes())
	}
	c := backendtest.NewCounter(f)
	if err := c.PunchHole(0, 2); err != nil || c.Counts() != (backendtest.Counts{Punches: 1}) || string(m.Bytes()) != "\x00\x0023" {
		t.Errorf("PunchHole: %v, %+v, and it leaves %q", err, c.Counts(), m.Bytes())
	}
}

// calls makes six calls to a storage and reports which failed.
func calls(s backend.Storage) (failed []int) {
	p := make([]byte, 4)
	for i, call := range []func() error{
		func() error { _, err := s.WriteAt([]byte("abcd"), 0); return err },
		func() error { _, err := s.ReadAt(p, 0); return err },
		func() error { return s.Sync() },
		func() error { return s.Truncate(4) },
		func() error { _, err := s.WriteAt([]byte("efgh"), 4); return err },
		func() error { return s.Sync() },
	} {
		if errors.Is(call(), backendtest.ErrInjected) {
			failed = append(failed, i)
		}
	}
	return failed
}

func TestFaultFailsTheCallsOfItsPlan(t *testing.T) {
	for _, tt := range []struct {
		name  string
		plan  backendtest.FaultPlan
		fails []int
		calls int64
	}{
		{"none", backendtest.FaultPlan{Ops: backendtest.OpAny}, nil, 6},
		{"the first read", backendtest.FaultPlan{Ops: backendtest.OpRead, Nth: 1}, []int{1}, 1},
		{"the second write", backendtest.FaultPlan{Ops: backendtest.OpWrite, Nth: 2}, []int{4}, 2},
		{"every sync", backendtest.FaultPlan{Ops: backendtest.OpSync, Nth: 1, Forever: true}, []int{2, 5}, 2},
		{"the truncation", backendtest.FaultPlan{Ops: backendtest.OpTruncate, Nth: 1}, []int{3}, 1},
		{"every change from the third on", backendtest.FaultPlan{Ops: backendtest.OpChange, Nth: 3, Forever: true}, []int{3, 4, 5}, 5},
		{"one that never comes", backendtest.FaultPlan{Ops: backendtest.OpWrite, Nth: 9}, nil, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := backendtest.NewFault(backend.NewMemory([]byte("0123")), tt.plan)
			got := calls(f)
			if len(got) != len(tt.fails) || f.Failed() != int64(len(tt.fails)) {
				t.Fatalf("calls %v failed (Failed() = %d), want %v", got, f.Failed(), tt.fails)
			}
			for i := range got {
				if got[i] != tt.fails[i] {
					t.Errorf("calls %v failed, want %v", got, tt.fails)
				}
			}
			if f.Calls() != tt.calls {
				t.Errorf("Calls() = %d, want %d", f.Calls(), tt.calls)
			}
		})
	}
}

func TestFaultDoesHalfTheWorkOnlyWhenShort(t *testing.T) {
	for _, tt := range []struct {
		short bool
		n     int
		left  string
	}{{false, 0, "0123"}, {true, 2, "ab23"}} {
		m := backend.NewMemory([]byte("0123"))
		f := backendtest.NewFault(m, backendtest.FaultPlan{Ops: backendtest.OpWrite, Nth: 1, Short: tt.short})
		n, err := f.WriteAt([]byte("abcd"), 0)
		if n != tt.n || !errors.Is(err, backendtest.ErrInjected) || string(m.Bytes()) != tt.left {
			t.Errorf("short %v: WriteAt = %d, %v and leaves %q, want %d and %q", tt.short, n, err, m.Bytes(), tt.n, tt.left)
		}
	}
}

func TestFaultOfAReaderRefusesChanges(t *testing.T) {
	section, err := backend.NewSection(backend.NewMemory([]byte("0123")), 0, 4)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []backend.Storage{backendtest.NewFault(section, backendtest.FaultPlan{}), backendtest.NewCounter(section)} {
		_, writeErr := s.WriteAt([]byte("x"), 0)
		if !errors.Is(writeErr, backend.ErrReadOnly) || !errors.Is(s.Truncate(0), backend.ErrReadOnly) || s.Sync() != nil {
			t.Errorf("%T over a reader takes changes", s)
		}
	}
}

func TestCounterCountsCallsAndBytes(t *testing.T) {
	c := backendtest.NewCounter(backend.NewMemory([]byte("0123")))
	calls(c)
	want := backendtest.Counts{Reads: 1, ReadBytes: 4, Writes: 2, WriteBytes: 8, Truncates: 1, Syncs: 2}
	if got := c.Counts(); got != want {
		t.Errorf("Counts() = %+v, want %+v", got, want)
	}
	c.Reset()
	c.ReadAt(make([]byte, 100), 6)
	if got, want := c.Counts(), (backendtest.Counts{Reads: 1, ReadBytes: 2}); got != want {
		t.Errorf("after Reset and a short read Counts() = %+v, want %+v", got, want)
	}
}
