package qedfile_test

import (
	"errors"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// eachFault runs work with the n-th call to its storage failing, for every n,
// and hands on what the storage then holds.
func eachFault(t *testing.T, content *backend.Memory, work func(backend.Storage) error, after func(left *backend.Memory, err error)) {
	t.Helper()
	for n := int64(1); ; n++ {
		mem := content.Clone()
		fault := backendtest.NewFault(mem, backendtest.FaultPlan{Ops: backendtest.OpAny, Nth: n, Short: n%2 == 0})
		err := work(fault)
		if fault.Failed() == 0 {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		if err == nil {
			t.Fatalf("fault %d went unnoticed", n)
		}
		after(mem, err)
	}
}

// tryOpen is openIn for a storage that may fail.
func tryOpen(s, base backend.Reader, work func(*qedfile.Image) error) error {
	m, err := qedfile.New(s, &qedfile.Options{Backing: backing(base), Writable: true})
	if err != nil {
		return err
	}
	return errors.Join(work(m), m.Close())
}

func TestFailedCommitLosesNothing(t *testing.T) {
	l := newLayered(t, oracle.Seed(t), 1<<20)
	commit := func(m *qedfile.Image) error {
		return qedfile.Commit(t.Context(), m.Backing().(qedfile.WritableDisk), m, &qedfile.CommitOptions{Empty: true})
	}
	var base *backend.Memory
	eachFault(t, l.file, func(s backend.Storage) error {
		base = l.base.Clone()
		return tryOpen(keepOpen{s}, keepOpen{base}, commit)
	}, func(left *backend.Memory, _ error) {
		shows(t, left, base, l.content, "the image failed")
	})
	var file *backend.Memory
	eachFault(t, l.base, func(s backend.Storage) error {
		file = l.file.Clone()
		return tryOpen(keepOpen{file}, keepOpen{s}, commit)
	}, func(left *backend.Memory, _ error) {
		shows(t, file, left, l.content, "the base failed")
	})
}

func TestFailedRebaseKeepsTheContent(t *testing.T) {
	rnd := oracle.Seed(t)
	l := newLayered(t, rnd, 1<<20)
	next := backend.NewMemory(randomBytes(rnd, 1<<20))
	eachFault(t, l.file, func(s backend.Storage) error {
		return tryOpen(keepOpen{s}, keepOpen{l.base}, func(m *qedfile.Image) error {
			base, err := qedfile.NewRaw(next)
			if err != nil {
				return err
			}
			return qedfile.Rebase(t.Context(), m, base, "new.raw", &qedfile.RebaseOptions{Raw: true})
		})
	}, func(left *backend.Memory, _ error) {
		h, err := qedfile.ReadHeader(left)
		if err != nil {
			t.Fatal(err)
		}
		base := l.base
		if h.BackingFile == "new.raw" {
			base = next
		}
		shows(t, left, base, l.content, "the image failed")
	})
}

func TestFailedCompactLeavesNoImage(t *testing.T) {
	l := newLayered(t, oracle.Seed(t), 1<<20)
	eachFault(t, backend.NewMemory(nil), func(s backend.Storage) error {
		return qedfile.Compact(t.Context(), s, openIn(t, l.file.Clone(), l.base.Clone(), false), nil)
	}, func(left *backend.Memory, err error) {
		if _, headerErr := qedfile.ReadHeader(left); headerErr == nil {
			shows(t, left, l.base, l.content, "the last sync failed")
		} else if !errors.Is(headerErr, qedfile.ErrFormat) {
			t.Fatalf("%v after %v", headerErr, err)
		}
	})
}
