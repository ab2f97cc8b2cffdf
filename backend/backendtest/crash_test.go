package backendtest_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

func TestCrashIsAStorage(t *testing.T) {
	backendtest.TestStorage(t, func(*testing.T) backend.Storage { return backendtest.NewCrash(nil) })
}

// changed makes four changes, of which the first is synced.
func changed(t *testing.T) *backendtest.Crash {
	t.Helper()
	c := backendtest.NewCrash(backend.NewMemory([]byte("0000")))
	for _, change := range []func() error{
		func() error { _, err := c.WriteAt([]byte("1"), 0); return err },
		func() error { return c.Sync() },
		func() error { _, err := c.WriteAt([]byte("2"), 1); return err },
		func() error { return c.Truncate(6) },
		func() error { _, err := c.WriteAt([]byte("3"), 7); return err },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestCrashMayLoseOrTearAHole(t *testing.T) {
	rng := oracle.Seed(t)
	c := backendtest.NewCrash(backend.NewMemory(bytes.Repeat([]byte{1}, 2048)))
	if err := backend.PunchHole(c, 256, 1024); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.Events()); got != "[punch 1024 bytes at 256]" {
		t.Errorf("Events() = %s", got)
	}
	states := map[string]int{}
	for range 2000 {
		got := c.CrashClone(rng).Bytes()
		states[string([]byte{'0' + got[255], '0' + got[256], '0' + got[511], '0' + got[512], '0' + got[1023], '0' + got[1024], '0' + got[1279], '0' + got[1280]})]++
	}
	if len(states) != 8 || states["10000001"] == 0 || states["11111111"] == 0 {
		t.Errorf("the states are %v, want each of the three sectors made a hole or not", states)
	}
}

func TestCrashPrefixesAreTheHistory(t *testing.T) {
	want := []string{"0000", "1000", "1000", "1200", "1200\x00\x00", "1200\x00\x00\x003"}
	c := changed(t)
	for n, m := range c.Prefixes() {
		if got := string(m.Bytes()); got != want[n] {
			t.Errorf("after %d events %q, want %q", n, got, want[n])
		}
		m.WriteAt([]byte("X"), 0) // nobody else sees this
	}
	for n := len(want) - 1; n >= 0; n-- {
		if got := string(c.Prefix(n).Bytes()); got != want[n] {
			t.Errorf("going back, after %d events %q, want %q", n, got, want[n])
		}
	}
	if got := fmt.Sprint(c.Events()); got != "[write 1 bytes at 0 sync write 1 bytes at 1 truncate to 6 write 1 bytes at 7]" {
		t.Errorf("Events() = %s", got)
	}
}

func TestCrashKeepsWhatWasSyncedAndAnySubsetOfTheRest(t *testing.T) {
	c := changed(t)
	for n, want := range []int{0, 0, 2, 2, 2, 2} {
		if got := c.Synced(n); got != want {
			t.Errorf("Synced(%d) = %d, want %d", n, got, want)
		}
	}
	for _, tt := range []struct {
		keep string // of events 2, 3 and 4
		want string
	}{
		{"---", "1000"}, {"2--", "1200"}, {"-3-", "1000\x00\x00"}, {"--4", "1000\x00\x00\x003"}, {"2-4", "1200\x00\x00\x003"},
	} {
		got := c.Subset(c.Len(), func(event int) bool {
			if event < 2 {
				t.Errorf("event %d was synced and is not to be chosen", event)
			}
			return tt.keep[event-2] != '-'
		})
		if string(got.Bytes()) != tt.want {
			t.Errorf("keeping %s: %q, want %q", tt.keep, got.Bytes(), tt.want)
		}
	}
}

func TestCrashBeforeASyncReturnedMayLoseWhatItCovers(t *testing.T) {
	c := changed(t)
	lost := c.Subset(1, func(int) bool { return false })
	if string(lost.Bytes()) != "0000" {
		t.Errorf("before the sync: %q", lost.Bytes())
	}
	safe := c.Subset(2, func(int) bool { return false })
	if string(safe.Bytes()) != "1000" {
		t.Errorf("after the sync: %q", safe.Bytes())
	}
}

// TestRandomCrashLeavesOldOrNewSectors holds every sector of many crash
// states against its history: it is as it was synced, or as a later write made
// it, and every such state comes up.
func TestRandomCrashLeavesOldOrNewSectors(t *testing.T) {
	rng := oracle.Seed(t)
	const sectors = 8
	old := bytes.Repeat([]byte{1}, sectors*512)
	c := backendtest.NewCrash(backend.NewMemory(bytes.Clone(old)))
	c.WriteAt(bytes.Repeat([]byte{2}, 4*512), 0)
	c.Sync()
	c.WriteAt(bytes.Repeat([]byte{3}, sectors*512), 0)   // may be torn
	c.WriteAt(bytes.Repeat([]byte{4}, 100), sectors*512) // may grow it, with zeroes

	states := map[string]int{}
	for range 3000 {
		got := c.CrashClone(rng).Bytes()
		var state []byte
		for s := 0; s < len(got); s += 512 {
			sector := got[s:min(s+512, len(got))]
			if !bytes.Equal(sector, bytes.Repeat(sector[:1], len(sector))) {
				t.Fatalf("sector at %d is torn", s)
			}
			state = append(state, '0'+sector[0])
		}
		states[string(state)]++
	}
	for state := range states {
		for i := range state {
			first := byte('1')
			if i < 4 {
				first = '2'
			}
			if i < sectors && state[i] != first && state[i] != '3' || i == sectors && state[i] != '4' && state[i] != '0' {
				t.Errorf("state %s is impossible", state)
			}
		}
	}
	for _, must := range []string{"22221111", "33333333", "222211114", "333333334", "222211110"} {
		if states[must] == 0 {
			t.Errorf("state %s never came up in %v", must, states)
		}
	}
	if len(states) < 50 {
		t.Errorf("only %d states, want torn writes in many ways", len(states))
	}
}

func TestCrashWithEverythingSyncedLosesNothing(t *testing.T) {
	rng := oracle.Seed(t)
	c := changed(t)
	if err := c.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if got := string(c.CrashClone(rng).Bytes()); got != "1200\x00\x00\x003" {
			t.Fatalf("CrashClone = %q", got)
		}
	}
}
