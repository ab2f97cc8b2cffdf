package qedfile

import (
	"sync"
	"testing"
	"time"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
)

// meeting is a storage in which a read of a table waits for another one.
type meeting struct {
	backend.Reader
	from  int64 // where tables are
	mu    sync.Mutex
	other chan struct{}
	met   bool
}

func (m *meeting) ReadAt(p []byte, off int64) (int, error) {
	if off >= m.from {
		m.mu.Lock()
		wait := m.other
		if wait == nil {
			wait = make(chan struct{})
			m.other = wait
			m.mu.Unlock()
			select {
			case <-wait:
			case <-time.After(time.Second): // there is no other
			}
		} else {
			m.met, m.other = true, nil
			close(wait)
			m.mu.Unlock()
		}
	}
	return m.Reader.ReadAt(p, off)
}

func TestCheckReadsSeveralTablesAtOnce(t *testing.T) {
	im := newTestImage(t, 65536, 4, 32<<32) // whose tables are a batch each
	for i := range int64(8) {
		im.table(i)
	}
	r := &meeting{Reader: im.mem, from: im.h.L1TableOffset + im.h.tableBytes()}
	report, err := checkTables(t.Context(), r, im.h, nil)
	if err != nil || report.Corruptions+report.Leaks+report.CheckErrors != 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	if !r.met {
		t.Error("no two tables were read at the same time")
	}
}

func TestCheckOfOneTableForAllReadsNoMoreThanTheFile(t *testing.T) {
	im := newTestImage(t, 4096, 16, 8192*8192*4096)
	table := im.table(0)
	for i := range im.h.entries() {
		im.setEntry(im.h.L1TableOffset, i, uint64(table))
	}
	size, err := im.mem.Size()
	if err != nil {
		t.Fatal(err)
	}
	counter := backendtest.NewCounter(im.mem)
	report, err := checkTables(t.Context(), counter, im.h, nil)
	if err != nil || report.Corruptions != (im.h.entries()-1)*im.h.TableSize {
		t.Fatalf("%+v, %v", report, err)
	}
	if got := counter.Counts().ReadBytes; got > 2*size {
		t.Errorf("%d bytes were read of a file of %d", got, size)
	}
}
