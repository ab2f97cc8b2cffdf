package qedfile_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/qedfile"
)

func TestOpeningForWritingClearsUnknownAutoclearBitsOnly(t *testing.T) {
	l := small()
	l.autoclear, l.compat = 1<<63|5, 1<<62|9
	storage := l.storage()
	m, err := qedfile.New(keepOpen{storage}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	if h, _ := qedfile.ReadHeader(storage); h.AutoclearFeatures != l.autoclear {
		t.Error("reading cleared autoclear bits")
	}
	if m, err = qedfile.New(keepOpen{storage}, writable); err != nil {
		t.Fatal(err)
	}
	if h, _ := qedfile.ReadHeader(storage); h.AutoclearFeatures != 0 || h.CompatFeatures != l.compat {
		t.Errorf("after the open: %+v", h)
	}
	if _, err := m.WriteAt([]byte{1}, 0); err != nil {
		t.Fatal(err)
	}
	m.Close()
	if h, _ := qedfile.ReadHeader(storage); h.CompatFeatures != l.compat {
		t.Error("compat bits were lost")
	}
}

// dirty reports whether a file has NEED_CHECK set.
func dirty(t *testing.T, s backend.Reader) bool {
	t.Helper()
	h, err := qedfile.ReadHeader(s)
	if err != nil {
		t.Fatal(err)
	}
	return h.NeedCheck()
}

func TestNeedCheckIsSetWhileTablesAreAheadOfWhatIsKnown(t *testing.T) {
	storage := empty(4096, 1, 1<<20).storage()
	m, err := qedfile.New(keepOpen{storage}, writable)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.WriteAt([]byte{1}, 0); err != nil {
		t.Fatal(err)
	}
	if dirty(t, storage) {
		t.Error("set before a table was written")
	}
	if err := m.Sync(); err != nil {
		t.Fatal(err)
	}
	if !dirty(t, storage) {
		t.Error("not set after a table was written")
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if dirty(t, storage) {
		t.Error("still set after Close")
	}
	if m, err = qedfile.New(keepOpen{storage}, writable); err != nil {
		t.Fatal(err)
	}
	if _, err := m.WriteAt([]byte{2}, 100); err != nil {
		t.Fatal(err)
	}
	if err := m.Sync(); err != nil {
		t.Fatal(err)
	}
	if dirty(t, storage) {
		t.Error("set by a write in place")
	}
	m.Close()
}

func TestNeedCheckStaysWhereCorruptionWasMet(t *testing.T) {
	l := small()
	l.entries[8192+8] = 77
	storage := l.storage()
	m, err := qedfile.New(keepOpen{storage}, writable)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.WriteAt([]byte{1}, 0); err != nil {
		t.Fatal(err)
	}
	if err := second(m.WriteAt([]byte{1}, 4096)); !errors.Is(err, qedfile.ErrCorrupt) {
		t.Errorf("write to an invalid entry: %v", err)
	}
	if _, err := m.WriteAt([]byte{1}, 8192); err != nil {
		t.Errorf("write beside it: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if !dirty(t, storage) {
		t.Error("the image was marked clean")
	}
}

func TestADanglingEntryDoesNotGetTheNextCluster(t *testing.T) {
	// What a crash of qemu can leave without NEED_CHECK: an entry that
	// refers to where the next cluster will be.
	l := small()
	l.entries[8192] = 6 * 4096
	storage := l.storage()
	m, err := qedfile.New(keepOpen{storage}, writable)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.WriteAt([]byte("secret"), 4096); err != nil {
		t.Fatal(err)
	}
	if err := m.Sync(); err != nil {
		t.Fatal(err)
	}
	if n, err := m.ReadAt(make([]byte, 6), 0); !errors.Is(err, qedfile.ErrCorrupt) {
		t.Errorf("read of the dangling entry = %d, %v", n, err)
	}
	m.Close()
	if found := findings(t, storage); found.corruptions != 1 || found.why != "cluster is invalid" {
		t.Errorf("the image has %+v, want the one invalid entry", found)
	}
}

func TestBytesAfterTheLastClusterDoNotAppear(t *testing.T) {
	l := small()
	l.length += 1000
	l.data = map[int64][]byte{6 * 4096: bytes.Repeat([]byte{0xEE}, 1000)}
	storage := l.storage()
	m, err := qedfile.New(keepOpen{storage}, writable)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.WriteAt([]byte{1}, 4095); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 4096)
	if _, err := m.ReadAt(p, 0); err != nil || !bytes.Equal(p[:4095], make([]byte, 4095)) {
		t.Errorf("old bytes of the file appear (%v)", err)
	}
	m.Close()
	if size, _ := storage.Size(); size%4096 != 0 {
		t.Errorf("the file has %d bytes", size)
	}
}

func TestBytesAfterTheLastClusterDoNotComeBackAfterACrash(t *testing.T) {
	l := small()
	l.features |= qedfile.FeatureNeedCheck // no table write waits for a sync of the header
	l.length += 1000
	l.data = map[int64][]byte{6 * 4096: bytes.Repeat([]byte{0xEE}, 1000)}
	record := backendtest.NewCrash(l.storage())
	m, err := qedfile.New(record, &qedfile.Options{Writable: true, Dirty: qedfile.DirtyKeep})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.WriteAt([]byte{1}, 4095); err != nil {
		t.Fatal(err)
	}
	if err := m.Sync(); err != nil {
		t.Fatal(err)
	}
	linked := 0
	for point, state := range everyCrash(record) {
		left, err := qedfile.New(state, nil)
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 4095)
		if _, err := left.ReadAt(p, 0); errors.Is(err, qedfile.ErrCorrupt) {
			continue // the file is still too short for what the table says
		}
		linked++
		if !bytes.Equal(p, make([]byte, len(p))) {
			t.Fatalf("old bytes of the file appear after a crash at event %d", point)
		}
	}
	if linked == 0 {
		t.Error("no crash left anything to read")
	}
}

func TestADanglingTableDoesNotGetTheNextCluster(t *testing.T) {
	// The table begins in the last cluster of the file and ends where the
	// next one will be.
	l := empty(4096, 2, 32<<20)
	l.length = 6 * 4096
	l.entries = map[int64]uint64{4096: 3 * 4096, 4096 + 8: 5 * 4096}
	storage := l.storage()
	m, err := qedfile.New(keepOpen{storage}, writable)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(second(m.WriteAt([]byte("secret"), 0)), m.Sync()); err != nil {
		t.Fatal(err)
	}
	if n, err := m.ReadAt(make([]byte, 6), 4<<20); !errors.Is(err, qedfile.ErrCorrupt) {
		t.Errorf("read through the dangling table = %d, %v", n, err)
	}
	m.Close()
}

func TestARepairedImageIsClosedCleanAfterMoreWrites(t *testing.T) {
	l := small()
	l.features = qedfile.FeatureNeedCheck
	storage := l.storage()
	m, err := qedfile.New(keepOpen{storage}, &qedfile.Options{Writable: true, Dirty: qedfile.DirtyKeep})
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Check(t.Context(), &qedfile.CheckOptions{Repair: qedfile.RepairAll})
	if err := errors.Join(err, second(m.WriteAt([]byte{1}, 0)), m.Close()); err != nil {
		t.Fatal(err)
	}
	checkFile(t, storage)
}
