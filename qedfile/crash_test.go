package qedfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// A request is a change that a guest asked for, and when: the events of the
// storage before it began and when it had returned. Every sector that it
// writes is full of one byte.
type request struct {
	what       string
	begin, end int
	first, n   int64 // sectors
	fill       byte
	size       int64 // sectors of the disk, for a resize
	safe       bool  // it makes all before it durable: a sync, a resize, a close
}

// A guest uses a disk on a storage that records all changes, and knows what
// each sector may hold after a crash.
type guest struct {
	tb       testing.TB
	rnd      *rand.Rand
	record   *backendtest.Crash
	storage  backend.Storage // record, or a fault in front of it
	opts     qedfile.Options
	m        *qedfile.Image
	start    []byte // a byte for each sector
	torn     bool   // the storage may write a part of a sector
	requests []request
}

const crashDisk = 1200 // sectors of 4 KiB clusters with a table of one: two L2 tables and a bit

func newGuest(tb testing.TB, rnd *rand.Rand, backed bool) *guest {
	l := empty(4096, 1, 2<<20+crashDisk*512)
	g := &guest{tb: tb, rnd: rnd, start: make([]byte, l.size/512)}
	g.opts = qedfile.Options{Writable: true, CacheBytes: 1}
	if backed {
		l.features, l.backing, l.backingOffset, l.backingSize = qedfile.FeatureBacking, "b", 64, 1
		base := make([]byte, l.size/2)
		for i := range base {
			base[i] = byte(200 + i/512%50)
		}
		for i := range len(base) / 512 {
			g.start[i] = base[i*512]
		}
		g.opts.Backing = func(qedfile.BackingRef) (qedfile.Disk, error) {
			return qedfile.NewRaw(backend.NewMemory(bytes.Clone(base)))
		}
	}
	g.record = backendtest.NewCrash(l.storage())
	g.storage = keepOpen{g.record}
	return g
}

func (g *guest) open() error {
	m, err := qedfile.New(g.storage, &g.opts)
	g.m = m
	return err
}

// do carries out one request.
func (g *guest) do(q request, call func() error) error {
	q.begin = g.record.Len()
	err := call()
	q.end = g.record.Len()
	q.safe = q.safe && err == nil
	g.requests = append(g.requests, q)
	if err != nil {
		return fmt.Errorf("%s: %w", q.what, err)
	}
	return nil
}

// step makes one random request.
func (g *guest) step() error {
	size := g.m.Size() / 512
	if size == 0 {
		return g.resize()
	}
	first := g.rnd.Int64N(size)
	if g.rnd.IntN(2) == 0 {
		first = first / 8 * 8
	}
	n := min(1+g.rnd.Int64N(24), size-first)
	fill := byte(1 + g.rnd.IntN(199))
	switch k := g.rnd.IntN(40); {
	case k < 22:
		return g.write(first, n, fill)
	case k < 30:
		q := request{what: "zero", first: first, n: n}
		return g.do(q, func() error { return g.m.WriteZeroes(first*512, n*512) })
	case k < 36:
		return g.do(request{what: "sync", safe: true}, func() error { return g.m.Sync() })
	case k < 38:
		if err := g.do(request{what: "close", safe: true}, func() error { return g.m.Close() }); err != nil {
			return err
		}
		return g.do(request{what: "open"}, g.open)
	}
	return g.resize()
}

func (g *guest) write(first, n int64, fill byte) error {
	return g.do(request{what: "write", first: first, n: n, fill: fill}, func() error {
		_, err := g.m.WriteAt(bytes.Repeat([]byte{fill}, int(n*512)), first*512)
		return err
	})
}

func (g *guest) resize() error { return g.resizeTo(g.rnd.Int64N(int64(len(g.start)) + 1)) }

func (g *guest) resizeTo(size int64) error {
	old := g.m.Size() / 512
	q := request{what: fmt.Sprintf("resize to %d", size), first: old, n: max(0, size-old), size: size, safe: true}
	return g.do(q, func() error { return g.m.Resize(size * 512) })
}

// run writes something, makes n random requests, cuts the disk to nothing and closes it. It stops at the
// first error.
func (g *guest) run(n int) error {
	err := g.do(request{what: "open"}, g.open)
	if err == nil {
		err = g.write(3, 9, 77)
	}
	for range n {
		if err != nil {
			return err
		}
		err = g.step()
	}
	if err == nil {
		err = g.resizeTo(0)
	}
	if err != nil {
		return err
	}
	return g.do(request{what: "close", safe: true}, func() error { return g.m.Close() })
}

// allowed returns what a crash at a point of the record may leave: the sizes,
// and for each sector the bytes.
func (g *guest) allowed(point int) (sizes map[int64]bool, sectors []map[byte]bool) {
	safe := -1
	for i, q := range g.requests {
		if q.safe && q.end <= point {
			safe = i
		}
	}
	size := int64(len(g.start))
	sizes = map[int64]bool{}
	sectors = make([]map[byte]bool, len(g.start))
	for i := range sectors {
		sectors[i] = map[byte]bool{g.start[i]: true}
	}
	for i, q := range g.requests {
		if q.begin >= point && q.end > q.begin {
			break
		}
		resized := q.size > 0 || q.what == "resize to 0"
		if i <= safe {
			if resized {
				size = q.size
				for s := size; s < int64(len(sectors)); s++ {
					sectors[s] = map[byte]bool{0: true} // what is cut off does not come back
				}
			}
			for s := q.first; s < q.first+q.n; s++ {
				sectors[s] = map[byte]bool{q.fill: true}
			}
			continue
		}
		if resized {
			sizes[q.size] = true
		}
		for s := q.first; s < q.first+q.n; s++ {
			sectors[s][q.fill] = true
		}
	}
	sizes[size] = true
	return sizes, sectors
}

// judge fails unless a storage is what a crash at a point may leave: by the
// rules of the format as it is, and after a repair.
func (g *guest) judge(state *backend.Memory, point int, how string) {
	g.tb.Helper()
	fail := func(format string, args ...any) {
		g.tb.Helper()
		g.tb.Fatalf("crash at event %d of %d (%s), after %s: %s", point, g.record.Len(), how, g.before(point), fmt.Sprintf(format, args...))
	}
	found := findings(g.tb, state)
	if !found.dirty && found.corruptions > 0 {
		fail("%d corruptions without NEED_CHECK: %s", found.corruptions, found.why)
	}
	sizes, sectors := g.allowed(point)
	if found.dirty {
		repaired := state.Clone()
		m, err := qedfile.New(keepOpen{repaired}, &g.opts)
		if err != nil {
			fail("it does not open for writing: %v", err)
		}
		g.judgeDisk(m, sizes, sectors, fail)
		if err := m.Close(); err != nil {
			fail("close: %v", err)
		}
		if after := findings(g.tb, repaired); after != (verdict{}) {
			fail("after our repair: %+v", after)
		}
		clearInvalidEntries(g.tb, state)
		if found = findings(g.tb, state); found.corruptions > 0 {
			fail("%d corruptions after clearing invalid entries: %s", found.corruptions, found.why)
		}
	}
	opts := g.opts
	opts.Writable = false
	m, err := qedfile.New(keepOpen{state}, &opts)
	if err != nil {
		fail("it does not open: %v", err)
	}
	defer m.Close()
	g.judgeDisk(m, sizes, sectors, fail)
}

// judgeDisk compares all sectors of a disk with what they may be.
func (g *guest) judgeDisk(m *qedfile.Image, sizes map[int64]bool, sectors []map[byte]bool, fail func(string, ...any)) {
	g.tb.Helper()
	if !sizes[m.Size()/512] {
		fail("the disk has %d sectors, want one of %v", m.Size()/512, sizes)
	}
	disk := make([]byte, m.Size())
	if _, err := m.ReadAt(disk, 0); err != nil && err != io.EOF {
		fail("read: %v", err)
	}
	for s := range m.Size() / 512 {
		b := disk[s*512 : s*512+512]
		if !g.torn && !bytes.Equal(b[1:], b[:511]) || !sectors[s][b[0]] || !sectors[s][b[511]] {
			fail("sector %d is %d, %d ...; want one of %v", s, b[0], b[511], sectors[s])
		}
	}
}

// before names the requests around a point, for messages.
func (g *guest) before(point int) string {
	var s string
	for _, q := range g.requests {
		if q.end >= point-4 && q.begin <= point {
			s += fmt.Sprintf(" [%d-%d %s %d+%d]", q.begin, q.end, q.what, q.first, q.n)
		}
	}
	return s
}

// clearInvalidEntries is the repair that qemu does to a dirty image.
func clearInvalidEntries(tb testing.TB, s *backend.Memory) {
	b := s.Bytes()
	le := binary.LittleEndian
	cluster, table := uint64(le.Uint32(b[4:])), uint64(le.Uint32(b[8:]))
	end := uint64(len(b)+511) / 512 * 512 / cluster * cluster
	b = append(b, make([]byte, 512)...)
	bad := func(e, clusters uint64) bool {
		return e%cluster != 0 || e < cluster || e+clusters*cluster > end
	}
	set := func(off uint64) {
		if _, err := s.WriteAt(make([]byte, 8), int64(off)); err != nil {
			tb.Fatal(err)
		}
	}
	l1 := le.Uint64(b[40:])
	for i := range table * cluster / 8 {
		l2 := le.Uint64(b[l1+8*i:])
		if l2 == 0 {
			continue
		}
		if bad(l2, table) {
			set(l1 + 8*i)
			continue
		}
		for k := range table * cluster / 8 {
			if e := le.Uint64(b[l2+8*k:]); e > 1 && bad(e, 1) {
				set(l2 + 8*k)
			}
		}
	}
}

func TestACrashAtAnyMomentLeavesALegalImage(t *testing.T) {
	rnd := oracle.Seed(t)
	steps, subsets := steps(40, 150), steps(3, 6)
	for _, backed := range []bool{false, true} {
		t.Run(fmt.Sprintf("backed %t", backed), func(t *testing.T) {
			g := newGuest(t, rnd, backed)
			if err := g.run(steps); err != nil {
				t.Fatal(err)
			}
			for point, state := range g.record.Prefixes() {
				g.judge(state, point, "all before it")
				for range subsets {
					g.judge(g.record.CrashAt(point, rnd), point, "some of it")
				}
			}
		})
	}
}

func TestAfterAFaultNothingMoreIsWrittenAndNothingSyncedIsLost(t *testing.T) {
	rnd := oracle.Seed(t)
	steps := steps(16, 40)
	seed := rnd.Uint64()
	for _, backed := range []bool{false, true} {
		for _, plan := range []backendtest.FaultPlan{
			{Ops: backendtest.OpRead}, {Ops: backendtest.OpWrite}, {Ops: backendtest.OpWrite, Short: true},
			{Ops: backendtest.OpSync}, {Ops: backendtest.OpTruncate}, {Ops: backendtest.OpChange, Forever: true},
		} {
			t.Run(fmt.Sprintf("%v, short %t, forever %t, backed %t", plan.Ops, plan.Short, plan.Forever, backed), func(t *testing.T) {
				failed := 0
				for plan.Nth = 1; ; plan.Nth++ {
					g := newGuest(t, rand.New(rand.NewPCG(seed, 1)), backed)
					fault := backendtest.NewFault(g.record, plan)
					g.storage, g.torn = keepOpen{fault}, plan.Short
					err := g.run(steps)
					if fault.Failed() == 0 {
						break
					}
					failed++
					g.afterFault(err, plan)
				}
				if failed == 0 {
					t.Error("no call failed: nothing was tested")
				}
			})
		}
	}
}

// afterFault checks an image whose storage has failed once.
func (g *guest) afterFault(err error, plan backendtest.FaultPlan) {
	g.tb.Helper()
	if !errors.Is(err, backendtest.ErrInjected) {
		g.tb.Fatalf("%v number %d failed, and the caller got %v", plan.Ops, plan.Nth, err)
	}
	last := g.requests[len(g.requests)-1]
	if plan.Ops != backendtest.OpRead && last.what != "open" && last.what != "close" {
		if _, err := g.m.WriteAt([]byte{1}, 0); g.m.Size() > 0 && !errors.Is(err, qedfile.ErrFailed) {
			g.tb.Fatalf("a write after a failed %v: %v, want ErrFailed", plan.Ops, err)
		}
		if err := g.m.Sync(); !errors.Is(err, qedfile.ErrFailed) {
			g.tb.Fatalf("a sync after a failed %v: %v, want ErrFailed", plan.Ops, err)
		}
		if n := g.record.Len(); n != last.end {
			g.tb.Fatalf("%d events after the fault", n-last.end)
		}
	}
	if last.what != "open" && last.what != "close" {
		g.m.Close()
	}
	end := g.record.Len()
	if plan.Ops == backendtest.OpRead && end > last.end {
		// Close went on: a failed read does not end the life of an image.
		g.requests = append(g.requests, request{what: "close", begin: last.end, end: end})
	}
	g.judge(g.record.Prefix(end), end, "a fault, the rest there")
	g.judge(g.record.CrashAt(end, g.rnd), end, "a fault and a crash")
}

// everyCrash yields what crashes can leave: at each moment of a record each
// subset of what was not synced.
func everyCrash(record *backendtest.Crash) iter.Seq2[int, *backend.Memory] {
	return func(yield func(int, *backend.Memory) bool) {
		for point := range record.Len() + 1 {
			safe := record.Synced(point)
			for kept := range 1 << (point - safe) {
				if !yield(point, record.Subset(point, func(event int) bool { return kept>>(event-safe)&1 == 1 })) {
					return
				}
			}
		}
	}
}

func TestWhatWasCutOffDoesNotComeBackWithTheNextCluster(t *testing.T) {
	// The new cluster takes the place of one that was cut off. Had a crash
	// undone the cut, the old bytes would be around the new ones.
	rnd := oracle.Seed(t)
	for _, backed := range []bool{false, true} {
		g := newGuest(t, rnd, backed)
		if err := g.do(request{what: "open"}, g.open); err != nil {
			t.Fatal(err)
		}
		sync := func() error { return g.do(request{what: "sync", safe: true}, func() error { return g.m.Sync() }) }
		for _, step := range []func() error{
			func() error { return g.write(1100, 1, 10) }, // a table of its own
			func() error { return g.write(0, 8, 11) },
			func() error { return g.write(1192, 8, 12) },
			sync,
			func() error { return g.resizeTo(1192) },
			func() error { return g.write(1184, 1, 13) },
			sync,
			func() error { return g.resizeTo(8) },
			func() error { return g.resizeTo(40) }, // over the backing file, which stays hidden
			func() error { return g.do(request{what: "close", safe: true}, func() error { return g.m.Close() }) },
		} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		for point, state := range everyCrash(g.record) {
			g.judge(state, point, "a subset of it")
		}
	}
}
