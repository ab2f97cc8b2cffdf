package qedfile_test

import (
	"bytes"
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

func TestAHoleInARawDiskReadsAsZeroesAndGivesItsSpaceBack(t *testing.T) {
	memory := backend.NewMemory(bytes.Repeat([]byte{1}, 1<<20))
	d, err := qedfile.NewRaw(memory)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.PunchHole(64<<10, 128<<10); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1<<20)
	if _, err := d.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if bytes.Count(b, []byte{0}) != 128<<10 || b[64<<10-1] != 1 || b[192<<10] != 1 {
		t.Errorf("%d bytes are zeroes", bytes.Count(b, []byte{0}))
	}
	if start, _, err := backend.NextData(memory, 64<<10); start < 192<<10 || err != nil {
		t.Errorf("the next data is at %d, %v", start, err)
	}
	if err := d.PunchHole(1<<20, 512); !errors.Is(err, qedfile.ErrRange) {
		t.Errorf("outside the disk: %v", err)
	}
}
