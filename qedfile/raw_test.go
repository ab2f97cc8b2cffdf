package qedfile_test

import (
	"errors"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/qedfile"
)

func TestARawDiskThatWasChangedIsSyncedWhenItIsClosed(t *testing.T) {
	for name, change := range map[string]func(*qedfile.Raw) error{
		"WriteAt":     func(d *qedfile.Raw) error { _, err := d.WriteAt([]byte("x"), 0); return err },
		"WriteZeroes": func(d *qedfile.Raw) error { return d.WriteZeroes(0, 512) },
		"Resize":      func(d *qedfile.Raw) error { return d.Resize(1024) },
		"nothing":     func(*qedfile.Raw) error { return nil },
		"Sync after":  func(d *qedfile.Raw) error { return errors.Join(d.WriteZeroes(0, 512), d.Sync()) },
	} {
		disk := backendtest.NewCounter(backend.NewMemory(make([]byte, 512)))
		d, err := qedfile.NewRaw(disk)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(change(d), d.Close()); err != nil {
			t.Fatal(err)
		}
		want := int64(1)
		if name == "nothing" {
			want = 0
		}
		if got := disk.Counts().Syncs; got != want {
			t.Errorf("%s: %d syncs, want %d", name, got, want)
		}
	}
}

func TestARawDiskWhoseSyncFailsSaysSoWhenItIsClosed(t *testing.T) {
	disk := backendtest.NewFault(backend.NewMemory(make([]byte, 512)), backendtest.FaultPlan{Ops: backendtest.OpSync, Nth: 1, Forever: true})
	d, err := qedfile.NewRaw(disk)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.WriteAt([]byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.Sync(); !errors.Is(err, backendtest.ErrInjected) {
			t.Errorf("Sync: %v", err)
		}
	}
	if err := d.Close(); !errors.Is(err, backendtest.ErrInjected) {
		t.Errorf("Close: %v", err)
	}
}
