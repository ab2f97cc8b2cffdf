package qedfile_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/qedfile"
)

// A gate is a backing file whose reads wait until it is opened.
type gate struct {
	qedfile.Disk
	entered, opened chan struct{}
}

func (g *gate) ReadAt(p []byte, off int64) (int, error) {
	g.entered <- struct{}{}
	<-g.opened
	return g.Disk.ReadAt(p, off)
}

// behindGate opens an image in s whose backing file is all 7 and, from then on,
// behind a gate.
func behindGate(t *testing.T, s backend.Storage) (*qedfile.Image, *gate) {
	t.Helper()
	base, err := qedfile.NewRaw(backend.NewMemory(bytes.Repeat([]byte{7}, 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{base, make(chan struct{}, 16), make(chan struct{})}
	m, err := qedfile.New(s, &qedfile.Options{Writable: true, Backing: func(qedfile.BackingRef) (qedfile.Disk, error) { return g, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return m, g
}

// backed is an empty image with a backing file.
func backed() layout {
	l := empty(4096, 1, 1<<20)
	l.features, l.backing, l.backingOffset, l.backingSize = qedfile.FeatureBacking, "b", 64, 1
	return l
}

func TestZeroesAreNotLostToAWriteThatBeganBeforeThem(t *testing.T) {
	m, g := behindGate(t, backed().storage())
	defer m.Close()
	wrote, zeroed := make(chan error), make(chan error, 1)
	go func() { wrote <- second(m.WriteAt([]byte{1}, 100)) }()
	<-g.entered // it is about to fill its cluster from the backing file
	go func() { zeroed <- m.WriteZeroes(0, 4096) }()
	select {
	case err := <-zeroed:
		zeroed <- err
	case <-time.After(50 * time.Millisecond): // it waits for the write, as it should
	}
	close(g.opened)
	if err := errors.Join(<-wrote, <-zeroed); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4096)
	if _, err := m.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(got, []byte{7}) {
		t.Error("the backing file shows where zeroes were written")
	}
}

func TestAWriteUnderWayWhenTheStorageFailsIsNotLinked(t *testing.T) {
	fault := backendtest.NewFault(backed().storage(), backendtest.FaultPlan{Ops: backendtest.OpWrite, Nth: 1})
	m, g := behindGate(t, keepOpen{fault})
	wrote := make(chan error)
	go func() { wrote <- second(m.WriteAt([]byte{1}, 100)) }()
	<-g.entered
	if err := second(m.WriteAt(make([]byte, 4096), 8192)); !errors.Is(err, backendtest.ErrInjected) {
		t.Fatalf("the write that fails: %v", err)
	}
	close(g.opened)
	if err := <-wrote; !errors.Is(err, qedfile.ErrFailed) {
		t.Errorf("a write that ends after another has failed: %v, want ErrFailed", err)
	}
	if err := m.Close(); !errors.Is(err, qedfile.ErrFailed) {
		t.Errorf("close: %v, want ErrFailed", err)
	}
}
