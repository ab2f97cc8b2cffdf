package qedfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

func TestSetBackingWritesWhatQemuWrites(t *testing.T) {
	dir := t.TempDir()
	ours, theirs := filepath.Join(dir, "ours.qed"), filepath.Join(dir, "theirs.qed")
	writeFile(t, filepath.Join(dir, "base.raw"), make([]byte, 1<<20))
	for _, name := range []string{ours, theirs} {
		qemuCreate(t, name, 1<<20, "")
	}
	for _, step := range []struct {
		name   string
		raw    bool
		rebase []string
	}{
		{"base.raw", true, []string{"-b", "base.raw", "-F", "raw"}},
		{"./base.raw", false, []string{"-b", "./base.raw", "-F", "qed"}},
		{"", false, []string{"-b", ""}},
	} {
		oracle.Run(t, "qemu-img", append(append([]string{"rebase", "-u", "-f", "qed"}, step.rebase...), theirs)...)
		m := openForWriting(t, ours)
		if err := m.SetBacking(step.name, &qedfile.SetBackingOptions{Raw: step.raw}); err != nil {
			t.Fatal(err)
		}
		if got := m.Header().BackingFile; got != step.name {
			t.Errorf("Header has %q", got)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if step.name == "./base.raw" {
			// It is no QED image: only the header is compared.
			compareFiles(t, ours, theirs)
			for _, name := range []string{ours, theirs} {
				oracle.Run(t, "qemu-img", "rebase", "-u", "-f", "qed", "-b", "base.raw", "-F", "raw", name)
			}
			continue
		}
		compareFiles(t, ours, theirs)
	}
}

func compareFiles(t *testing.T, a, b string) {
	t.Helper()
	if x, y := readFile(t, a), readFile(t, b); !bytes.Equal(x, y) {
		t.Errorf("%s and %s differ at byte %d", a, b, firstDifference(x, y))
	}
}

func TestSetBackingRefusesWhatDoesNotFit(t *testing.T) {
	l := small()
	storage := l.storage()
	m, err := qedfile.New(keepOpen{storage}, writable)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, name := range []string{strings.Repeat("n", 1024), "a\x00b"} {
		if err := m.SetBacking(name, &qedfile.SetBackingOptions{Raw: true}); err == nil {
			t.Errorf("a name of %d bytes was accepted", len(name))
		}
	}
	if err := m.SetBacking(strings.Repeat("n", 1023), &qedfile.SetBackingOptions{Raw: true}); err != nil {
		t.Error(err)
	}

	l.compat = 1
	m, err = l.open(writable)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.SetBacking("x", &qedfile.SetBackingOptions{Raw: true}); !errors.Is(err, qedfile.ErrUnsupported) {
		t.Errorf("with compat bits: %v", err)
	}
	if err := m.SetBacking("", nil); err != nil {
		t.Errorf("removing with compat bits: %v", err)
	}
}

func TestACrashWhileTheNameChangesLeavesOneOfTheTwo(t *testing.T) {
	names := []string{"", "b.raw"}
	for _, n := range []int{448, 449, 900} { // the first ends with the header's sector
		names = append(names, strings.Repeat("n", n))
	}
	for _, from := range []string{"", "old.raw"} {
		for _, to := range names {
			t.Run(fmt.Sprintf("from %q to %d bytes", from, len(to)), func(t *testing.T) {
				if from != to {
					crashSetBacking(t, from, to)
				}
			})
		}
	}
}

// shown is what an image without data shows: the backing file, if it has one.
func shown(name string) byte {
	if name == "" {
		return 0
	}
	return 7
}

// crashSetBacking writes a cluster, changes the name and writes others, and
// looks at what each crash leaves.
func crashSetBacking(t *testing.T, from, to string) {
	l := empty(4096, 1, 1<<20)
	if from != "" {
		l.features, l.backing, l.backingOffset, l.backingSize = qedfile.FeatureBacking, from, 64, uint32(len(from))
	}
	opts := &qedfile.Options{Writable: true, Backing: func(qedfile.BackingRef) (qedfile.Disk, error) {
		return qedfile.NewRaw(backend.NewMemory(bytes.Repeat([]byte{7}, 1<<20)))
	}}
	record := backendtest.NewCrash(l.storage())
	m, err := qedfile.New(record, opts)
	if err != nil {
		t.Fatal(err)
	}
	write := func(fill byte, off int64) error { return second(m.WriteAt(bytes.Repeat([]byte{fill}, 4096), off)) }
	if err := errors.Join(write(1, 0), m.SetBacking(to, &qedfile.SetBackingOptions{Raw: true})); err != nil {
		t.Fatal(err)
	}
	returned := record.Len()
	if err := errors.Join(write(2, 4096), write(2, 8192), m.Sync()); err != nil {
		t.Fatal(err)
	}
	for _, e := range record.Events() {
		if e.Op == backendtest.OpWrite && e.Off == 0 && e.Len > 512 {
			t.Errorf("the header is written with %d bytes: it may be torn", e.Len)
		}
	}
	for point, state := range everyCrash(record) {
		left, err := qedfile.New(state, opts)
		if err != nil {
			t.Fatal(err)
		}
		name := left.Header().BackingFile
		if name != from && name != to || point >= returned && name != to {
			t.Fatalf("event %d: the backing file is %.20q", point, name)
		}
		got := make([]byte, 3*4096)
		if _, err := left.ReadAt(got, 0); err != nil {
			t.Fatal(err)
		}
		for i, b := range got {
			old := shown(name)
			switch {
			case i < 4096 && b != 1 && (name == to || b != old), i >= 4096 && b != 2 && b != old:
				t.Fatalf("event %d, backing file %.20q: byte %d is %d", point, name, i, b)
			}
		}
	}
}

func TestANewNameDoesNotHideKnownCorruption(t *testing.T) {
	l := small()
	l.entries[8192+8] = 77
	storage := l.storage()
	m, err := qedfile.New(keepOpen{storage}, writable)
	if err != nil {
		t.Fatal(err)
	}
	if err := second(m.ReadAt(make([]byte, 1), 4096)); !errors.Is(err, qedfile.ErrCorrupt) {
		t.Fatalf("read of an invalid entry: %v", err)
	}
	if err := errors.Join(second(m.WriteAt([]byte{1}, 0)), m.SetBacking("b", &qedfile.SetBackingOptions{Raw: true}), m.Close()); err != nil {
		t.Fatal(err)
	}
	if !dirty(t, storage) {
		t.Error("the image was marked clean")
	}
}

// The numbers are the format's: a name that leaves the header's sector must not
// be written over the one that is in use.
func TestALongNameGoesWhereTheOldOneIsNot(t *testing.T) {
	const backing = qedfile.FeatureBacking
	for _, tt := range []struct {
		name      string
		features  uint64
		old, size uint32 // where the old name is, and its length
		length    int    // of the new one
		want      uint32 // its place; 0 is nowhere
	}{
		{"no old name", 0, 0, 0, 600, 64},
		{"numbers of a name that was removed", 0, 64, 600, 600, 64},
		{"numbers of none", 0, 1 << 31, 1 << 31, 600, 64},
		{"an old name at the usual place", backing, 64, 600, 600, 664},
		{"an old name that begins where the new one ends", backing, 664, 600, 600, 64},
		{"an old name that begins before", backing, 663, 600, 600, 1263},
		{"an old name far away", backing, 3000, 600, 600, 64},
		{"just enough room", backing, 900, 2200, 996, 3100},
		{"a byte too much", backing, 900, 2200, 997, 0},
		{"an old name before a short one", backing, 64, 600, 448, 64},
	} {
		l := empty(4096, 1, 1<<20)
		l.features, l.backingOffset, l.backingSize = tt.features, tt.old, tt.size
		if tt.features != 0 {
			l.backing = strings.Repeat("o", int(tt.size))
		}
		storage := l.storage()
		before := storage.Bytes()
		opts := &qedfile.Options{Writable: true, Backing: func(qedfile.BackingRef) (qedfile.Disk, error) {
			return qedfile.NewRaw(backend.NewMemory(nil))
		}}
		m, err := qedfile.New(keepOpen{storage}, opts)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		name := strings.Repeat("n", tt.length)
		err = m.SetBacking(name, &qedfile.SetBackingOptions{Raw: true})
		after := storage.Bytes()
		switch place := binary.LittleEndian.Uint32(after[56:]); {
		case tt.want == 0:
			if !errors.Is(err, qedfile.ErrRange) || !bytes.Equal(after, before) {
				t.Errorf("%s: %v, or something has changed", tt.name, err)
			}
		case err != nil || place != tt.want || string(after[place:][:tt.length]) != name:
			t.Errorf("%s: the name is at %d, want %d (%v)", tt.name, place, tt.want, err)
		}
		if err := m.Close(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
