package main

import (
	"bytes"
	"os"
	"syscall"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
)

// spaceOf is how many bytes of a file the host has set aside, and how many of
// those hold data.
func spaceOf(t *testing.T, name string) (space, data int64) {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(name, &st); err != nil {
		t.Fatal(err)
	}
	f, err := backend.OpenFile(name, os.O_RDONLY, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for off := int64(0); off < st.Size; {
		start, end, err := f.NextData(off)
		if err != nil {
			t.Fatal(err)
		}
		data += end - start
		off = end
	}
	return st.Blocks * 512, data
}

func TestPreallocationTakesSpaceAndOnlyFullWritesIt(t *testing.T) {
	t.Chdir(t.TempDir())
	const size = 4 << 20
	probe, err := backend.OpenFile("probe", os.O_RDWR|os.O_CREATE, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = probe.Allocate(0, size)
	probe.Close()
	if _, data := spaceOf(t, "probe"); err != nil || data > 0 {
		t.Skipf("this filesystem does not tell space from data: %v", err)
	}
	if err := os.WriteFile("src", bytes.Repeat([]byte{1}, 64<<10), 0o666); err != nil {
		t.Fatal(err)
	}
	ours(t, "resize", "-q", "-f", "raw", "src", "4M")
	for _, args := range [][]string{
		{"create", "-q", "-f", "raw", "-o", "preallocation=MODE", "dst", "4M"},
		{"convert", "-q", "-f", "raw", "-O", "raw", "-o", "preallocation=MODE", "src", "dst"},
		{"resize", "-q", "-f", "raw", "--preallocation=MODE", "dst", "+2M"},
	} {
		for mode, full := range map[string]bool{"falloc": false, "full": true} {
			want := int64(size)
			stored := int64(0)
			switch args[0] {
			case "convert":
				stored = 64 << 10
			case "resize":
				want = 6 << 20
				if err := os.WriteFile("dst", bytes.Repeat([]byte{1}, size), 0o666); err != nil {
					t.Fatal(err)
				}
				stored = size
			}
			line := make([]string, len(args))
			for i, a := range args {
				line[i] = string(bytes.ReplaceAll([]byte(a), []byte("MODE"), []byte(mode)))
			}
			ours(t, line...)
			if full {
				stored = want
			}
			if space, data := spaceOf(t, "dst"); space < want || data != stored {
				t.Errorf("%q: %d bytes of space and %d of data, want %d and %d", line, space, data, want, stored)
			}
		}
	}
}

func TestCacheUnsafeSyncsNothing(t *testing.T) {
	for _, unsynced := range []bool{false, true} {
		log := backendtest.NewCrash(nil)
		d, err := (&app{}).newDisk(log, "x", access{format: formatRaw, write: true, unsynced: unsynced})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.writable().Resize(1 << 10); err != nil {
			t.Fatal(err)
		}
		if _, err := d.writable().WriteAt([]byte{1}, 0); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if synced := log.Synced(log.Len()) > 0; synced == unsynced {
			t.Errorf("unsynced %t: synced %t", unsynced, synced)
		}
	}
}
