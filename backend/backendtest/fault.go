package backendtest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/qedfs/qedfs/backend"
)

// ErrInjected is what a [Fault] fails with.
var ErrInjected = errors.New("backendtest: injected fault")

// Op is a set of the kinds of calls that a [Fault] can fail and a [Crash]
// records.
type Op uint8

const (
	OpRead Op = 1 << iota
	OpWrite
	OpTruncate
	OpPunch // making a hole
	OpSync

	OpChange = OpWrite | OpTruncate | OpPunch | OpSync // what a log of changes holds
	OpAny    = OpRead | OpChange
)

func (o Op) String() string {
	switch o {
	case OpRead:
		return "read"
	case OpWrite:
		return "write"
	case OpTruncate:
		return "truncate"
	case OpPunch:
		return "punch"
	case OpSync:
		return "sync"
	}
	return fmt.Sprintf("Op(%#x)", uint8(o))
}

// FaultPlan says which calls fail. The zero value fails none.
type FaultPlan struct {
	Ops     Op    // the kinds of calls that are counted and can fail
	Nth     int64 // the counted call that fails: 1 is the first, 0 none
	Forever bool  // every counted call after it fails too
	Short   bool  // a failing read or write does the first half of its work
}

// Fault fails chosen calls to a storage, for tests that break every single
// one in turn:
//
//	for n := int64(1); ; n++ {
//		s := backendtest.NewFault(storage, backendtest.FaultPlan{Ops: backendtest.OpWrite, Nth: n})
//		err := work(s)
//		if s.Calls() < n {
//			break // no call was left to fail
//		}
//		// err is not nil, and what was synced is intact
//	}
//
// A failed call that is not Short leaves the storage as it was; so does a
// failed Sync, which promises nothing. Size, NextData and Close never fail by
// a plan. Over a [backend.Reader] that is no [backend.Storage], changes fail with
// [backend.ErrReadOnly]. It is safe for concurrent use.
type Fault struct {
	r backend.Reader
	s backend.Storage

	mu     sync.Mutex
	plan   FaultPlan
	calls  int64
	failed int64
}

var (
	_ backend.Storage     = (*Fault)(nil)
	_ backend.DataFinder  = (*Fault)(nil)
	_ backend.HolePuncher = (*Fault)(nil)
)

// NewFault returns a storage that passes every call on to r but those that
// the plan fails.
func NewFault(r backend.Reader, plan FaultPlan) *Fault {
	return &Fault{r: r, s: storageOf(r), plan: plan}
}

// SetPlan begins a new plan and counts from zero again.
func (f *Fault) SetPlan(plan FaultPlan) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan, f.calls, f.failed = plan, 0, 0
}

// Calls returns how many calls of the plan's kinds there were.
func (f *Fault) Calls() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// Failed returns how many calls the plan made fail.
func (f *Fault) Failed() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// next counts a call and says whether it fails, and by how many of n bytes of
// work it does before.
func (f *Fault) next(op Op, n int) (before int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.plan.Ops&op == 0 {
		return 0, nil
	}
	f.calls++
	due := f.calls == f.plan.Nth || f.plan.Forever && f.plan.Nth > 0 && f.calls > f.plan.Nth
	if !due {
		return 0, nil
	}
	f.failed++
	if f.plan.Short {
		before = n / 2
	}
	return before, fmt.Errorf("%w in %v %d", ErrInjected, op, f.calls)
}

// ReadAt implements [io.ReaderAt].
func (f *Fault) ReadAt(p []byte, off int64) (int, error) {
	before, fault := f.next(OpRead, len(p))
	if fault == nil {
		return f.r.ReadAt(p, off)
	}
	n, _ := f.r.ReadAt(p[:before], off)
	return n, fault
}

// WriteAt implements [io.WriterAt].
func (f *Fault) WriteAt(p []byte, off int64) (int, error) {
	before, fault := f.next(OpWrite, len(p))
	if fault == nil {
		return f.s.WriteAt(p, off)
	}
	if before == 0 {
		return 0, fault
	}
	n, _ := f.s.WriteAt(p[:before], off)
	return n, fault
}

// Truncate implements [backend.Storage].
func (f *Fault) Truncate(size int64) error {
	if _, fault := f.next(OpTruncate, 0); fault != nil {
		return fault
	}
	return f.s.Truncate(size)
}

// Sync implements [backend.Storage].
func (f *Fault) Sync() error {
	if _, fault := f.next(OpSync, 0); fault != nil {
		return fault
	}
	return f.s.Sync()
}

// Size implements [backend.Reader].
func (f *Fault) Size() (int64, error) { return f.r.Size() }

// PunchHole implements [backend.HolePuncher].
func (f *Fault) PunchHole(off, n int64) error {
	if _, fault := f.next(OpPunch, 0); fault != nil {
		return fault
	}
	return backend.PunchHole(f.s, off, n)
}

// NextData implements [backend.DataFinder].
func (f *Fault) NextData(off int64) (start, end int64, err error) { return backend.NextData(f.r, off) }

// Close closes the storage beneath.
func (f *Fault) Close() error { return f.r.Close() }
