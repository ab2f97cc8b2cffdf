package qedfile_test

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

func TestCommitThatCannotEmptyTheImageWritesNothing(t *testing.T) {
	l := newLayered(t, oracle.Seed(t), 1<<20)
	base := l.base.Clone()
	m := openIn(t, l.file.Clone(), keepOpen{base}, false)
	defer m.Close()
	err := qedfile.Commit(t.Context(), m.Backing().(qedfile.WritableDisk), m, &qedfile.CommitOptions{Empty: true})
	if !errors.Is(err, qedfile.ErrReadOnly) {
		t.Errorf("%v, want ErrReadOnly", err)
	}
	if !bytes.Equal(base.Bytes(), l.base.Bytes()) {
		t.Error("the base was changed")
	}
}

func TestRebaseNeedsADiskAndItsName(t *testing.T) {
	l := newLayered(t, oracle.Seed(t), 1<<20)
	m := openIn(t, l.file.Clone(), l.base.Clone(), true)
	defer m.Close()
	disk, err := qedfile.NewRaw(backend.NewMemory(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := qedfile.Rebase(t.Context(), m, nil, "name", nil); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a name alone: %v", err)
	}
	if err := qedfile.Rebase(t.Context(), m, disk, "", nil); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a disk alone: %v", err)
	}
}

func TestARepairOfLeaksLeavesACorruptImageDirty(t *testing.T) {
	l := small() // with leaks
	l.features = qedfile.FeatureNeedCheck
	l.entries[8192] = 77
	storage := l.storage()
	m, err := qedfile.New(keepOpen{storage}, &qedfile.Options{Writable: true, Dirty: qedfile.DirtyKeep})
	if err != nil {
		t.Fatal(err)
	}
	report, err := m.Check(t.Context(), &qedfile.CheckOptions{Repair: qedfile.RepairLeaks})
	if err != nil || report.Corruptions != 1 || !report.Dirty {
		t.Errorf("%+v (%v)", report, err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if !dirty(t, storage) {
		t.Error("the corrupt image was marked clean")
	}
}
