package qedfile_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// eachCrash yields what crashes can leave at every moment of a record: all up
// to it, and several parts of what was not synced, large writes torn between
// their sectors.
func eachCrash(t *testing.T, record *backendtest.Crash, rnd *rand.Rand, judge func(point int, left *backend.Memory, when string)) {
	t.Helper()
	for point, whole := range record.Prefixes() {
		when := fmt.Sprintf("a crash at event %d of %d", point, record.Len())
		judge(point, whole, when)
		for range steps(6, 30) {
			judge(point, record.CrashAt(point, rnd), when+", some of it")
		}
	}
}

func TestRebaseSurvivesACrashAtAnyMoment(t *testing.T) {
	rnd := oracle.Seed(t)
	l := newLayered(t, rnd, 1<<20)
	next := backend.NewMemory(randomBytes(rnd, 1<<20))
	record := backendtest.NewCrash(l.file)
	err := tryOpen(record, keepOpen{l.base}, func(m *qedfile.Image) error {
		base, err := qedfile.NewRaw(next)
		if err != nil {
			return err
		}
		return qedfile.Rebase(t.Context(), m, base, "new.raw", &qedfile.RebaseOptions{Raw: true})
	})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	eachCrash(t, record, rnd, func(_ int, left *backend.Memory, when string) {
		h, err := qedfile.ReadHeader(left)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		names[h.BackingFile] = true
		shows(t, left, map[string]*backend.Memory{"base.raw": l.base, "new.raw": next}[h.BackingFile], l.content, when)
	})
	if len(names) != 2 {
		t.Errorf("the crashes left images over %v, want both", names)
	}
}

func TestCommitSurvivesACrashAtAnyMoment(t *testing.T) {
	rnd := oracle.Seed(t)
	l := newLayered(t, rnd, 1<<20)
	top, base := backendtest.NewCrash(l.file), backendtest.NewCrash(l.base)
	synced := 0 // events of base when top first changed
	watched := &onChange{Storage: top, first: func() { synced = base.Len() }}
	err := tryOpen(watched, base, func(m *qedfile.Image) error {
		return qedfile.Commit(t.Context(), m.Backing().(qedfile.WritableDisk), m, &qedfile.CommitOptions{Empty: true})
	})
	if err != nil {
		t.Fatal(err)
	}
	if synced == 0 || base.Synced(synced) != synced {
		t.Fatalf("of %d changes to the base %d are durable when the image is emptied", synced, base.Synced(synced))
	}
	eachCrash(t, base, rnd, func(_ int, left *backend.Memory, when string) {
		shows(t, l.file, left, l.content, when+" of the base")
	})
	whole := base.Prefix(base.Len())
	eachCrash(t, top, rnd, func(_ int, left *backend.Memory, when string) {
		shows(t, left, whole, l.content, when+" of the image")
	})
}

// onChange tells of the first change to a storage.
type onChange struct {
	backend.Storage
	first func()
}

func (s *onChange) changed() {
	if s.first != nil {
		s.first()
		s.first = nil
	}
}

func (s *onChange) WriteAt(p []byte, off int64) (int, error) {
	s.changed()
	return s.Storage.WriteAt(p, off)
}

func (s *onChange) Truncate(size int64) error {
	s.changed()
	return s.Storage.Truncate(size)
}

func TestCompactLeavesNoImageOrAWholeOneAfterACrash(t *testing.T) {
	rnd := oracle.Seed(t)
	l := newLayered(t, rnd, 1<<20)
	record := backendtest.NewCrash(nil)
	if err := qedfile.Compact(t.Context(), record, openIn(t, l.file, l.base, false), nil); err != nil {
		t.Fatal(err)
	}
	if n := record.Len(); record.Synced(n) != n {
		t.Errorf("of %d changes %d are durable", n, record.Synced(n))
	}
	whole := 0
	eachCrash(t, record, rnd, func(_ int, left *backend.Memory, when string) {
		if _, err := qedfile.ReadHeader(left); errors.Is(err, qedfile.ErrFormat) {
			return
		}
		whole++
		shows(t, left, l.base, l.content, when)
	})
	if whole == 0 {
		t.Error("no crash left an image: nothing was tested")
	}
}

// TestShrinkSurvivesACrashAtAnyMoment cuts a disk of many tables, several
// sectors of which change with one write.
func TestShrinkSurvivesACrashAtAnyMoment(t *testing.T) {
	rnd := oracle.Seed(t)
	const cluster, entries, tables = 4096, 512, 4
	file := backend.NewMemory(nil)
	m, err := qedfile.CreateIn(file, tables*entries*cluster, &qedfile.CreateOptions{ClusterSize: cluster, TableSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	// Clusters of all tables, in an order that leaves something to keep behind
	// what goes.
	for _, i := range rnd.Perm(tables * entries / 16) {
		if err := second(m.WriteAt([]byte{byte(i) | 1}, int64(i)*16*cluster)); err != nil {
			t.Fatal(err)
		}
	}
	before := diskBytes(t, m)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	small := int64(len(before))/3 + 512
	record := backendtest.NewCrash(file.Clone())
	if err := tryOpen(record, nil, func(m *qedfile.Image) error { return m.Resize(small / 512 * 512) }); err != nil {
		t.Fatal(err)
	}
	sizes := map[int64]bool{}
	eachCrash(t, record, rnd, func(_ int, left *backend.Memory, when string) {
		h, err := qedfile.ReadHeader(left)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		sizes[h.ImageSize] = true
		shows(t, left, backend.NewMemory(nil), before[:h.ImageSize], when)
	})
	if len(sizes) != 2 {
		t.Errorf("the crashes left disks of %v bytes, want both sizes", sizes)
	}
}
