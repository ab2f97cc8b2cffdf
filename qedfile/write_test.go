package qedfile_test

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

var writable = &qedfile.Options{Writable: true}

func TestConcurrentWritersOfOneClusterKeepEachOthersBytes(t *testing.T) {
	rnd := oracle.Seed(t)
	const writers, size = 8, 8 << 20
	base := bytes.Repeat([]byte{0xBB}, size)
	for _, backed := range []bool{false, true} {
		l := empty(65536, 1, size)
		opts := qedfile.Options{Writable: true, CacheBytes: 1}
		want := make([]byte, size)
		if backed {
			l.features, l.backing, l.backingOffset, l.backingSize = qedfile.FeatureBacking, "b", 64, 1
			opts.Backing = func(qedfile.BackingRef) (qedfile.Disk, error) {
				return qedfile.NewRaw(backend.NewMemory(bytes.Clone(base)))
			}
			copy(want, base)
		}
		storage := l.storage()
		m, err := qedfile.New(keepOpen{storage}, &opts)
		if err != nil {
			t.Fatal(err)
		}
		// Each writer has its own sectors of every cluster, in an order of
		// its own, so that they meet in clusters that nobody has yet.
		var wg sync.WaitGroup
		for w := range writers {
			order := rand.New(rand.NewPCG(rnd.Uint64(), 0)).Perm(size / 512 / writers)
			for i := range order {
				at := (i*writers + w) * 512
				copy(want[at:at+512], bytes.Repeat([]byte{byte(w + 1)}, 512))
			}
			wg.Go(func() {
				b := bytes.Repeat([]byte{byte(w + 1)}, 512)
				p := make([]byte, 512)
				for k, i := range order {
					at := int64(i*writers+w) * 512
					if _, err := m.WriteAt(b, at); err != nil {
						t.Error(err)
						return
					}
					if _, err := m.ReadAt(p, at); err != nil || !bytes.Equal(p, b) {
						t.Errorf("sector %d does not read as it was written (%v)", at/512, err)
						return
					}
					if k%300 == 299 {
						if err := m.Sync(); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
		got := make([]byte, size)
		if _, err := m.ReadAt(got, 0); err != nil {
			t.Fatal(err)
		}
		if i := firstDifference(got, want); i >= 0 {
			t.Errorf("backed %t: byte %d is %d, want %d", backed, i, got[i], want[i])
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		checkFile(t, storage)
	}
}

func TestAnImageThatIsOpenedForReadingCannotBeChanged(t *testing.T) {
	storage := small().storage()
	before := storage.Bytes()
	m, err := qedfile.New(keepOpen{storage}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func() error{
		"WriteAt":     func() error { _, err := m.WriteAt([]byte{1}, 0); return err },
		"WriteZeroes": func() error { return m.WriteZeroes(0, 1) },
		"Discard":     func() error { return m.Discard(0, 1) },
		"Resize":      func() error { return m.Resize(512) },
		"Sync":        func() error { return m.Sync() },
		"SetBacking":  func() error { return m.SetBacking("x", &qedfile.SetBackingOptions{Raw: true}) },
	} {
		if err := change(); !errors.Is(err, qedfile.ErrReadOnly) {
			t.Errorf("%s: %v, want ErrReadOnly", name, err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(storage.Bytes(), before) {
		t.Error("the file changed")
	}
	if _, err := qedfile.New(onlyReader{storage}, writable); !errors.Is(err, qedfile.ErrReadOnly) {
		t.Errorf("writing to a storage that cannot: %v", err)
	}
}

type onlyReader struct{ backend.Reader }

func TestChangesOutsideTheDiskAreRefusedWhole(t *testing.T) {
	storage := small().storage()
	m, err := qedfile.New(keepOpen{storage}, writable)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	before := storage.Bytes()
	size := m.Size()
	for name, err := range map[string]error{
		"write over the end":   second(m.WriteAt(make([]byte, 1024), size-512)),
		"write after the end":  second(m.WriteAt(make([]byte, 1), size)),
		"zero over the end":    m.WriteZeroes(size-512, 1024),
		"zero of 2^63-1 bytes": m.WriteZeroes(512, 1<<63-1),
		"zero of -1 bytes":     m.WriteZeroes(512, -1),
		"odd size":             m.Resize(1000),
		"negative size":        m.Resize(-512),
		"beyond the geometry":  m.Resize(m.Header().MaxImageSize() + 512),
	} {
		if !errors.Is(err, qedfile.ErrRange) {
			t.Errorf("%s: %v, want ErrRange", name, err)
		}
	}
	if err := second(m.WriteAt([]byte{1}, -1)); err == nil {
		t.Error("a write at -1 was accepted")
	}
	if n, err := m.WriteAt(nil, size); n != 0 || err != nil {
		t.Errorf("empty write at the end = %d, %v", n, err)
	}
	if !bytes.Equal(storage.Bytes(), before) {
		t.Error("the file changed")
	}
}

func second(_ int, err error) error { return err }

func TestWriteZeroesTakesNoSpace(t *testing.T) {
	storage := small().storage()
	m, err := qedfile.New(keepOpen{storage}, writable)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := storage.Size()
	if err := m.WriteZeroes(100, 500000); err != nil {
		t.Fatal(err)
	}
	var zero, data int64
	for e, err := range m.Extents(0, m.Size()) {
		switch {
		case err != nil:
			t.Fatal(err)
		case e.Kind == qedfile.Zero:
			zero += e.Length
		case e.Kind == qedfile.Data:
			data += e.Length
		}
	}
	if zero != (500100/4096-1)*4096 || data != 0 {
		t.Errorf("%d bytes are marked zero and %d are data, want %d and 0", zero, data, (500100/4096-1)*4096)
	}
	m.Close()
	if after, _ := storage.Size(); after != before {
		t.Errorf("the file grew by %d bytes", after-before)
	}
}

func TestTableWritesAreGatheredUntilSync(t *testing.T) {
	counter := backendtest.NewCounter(empty(65536, 4, 1<<30).storage())
	m, err := qedfile.New(counter, writable)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	counter.Reset()
	b := make([]byte, 64<<10)
	b[0] = 1
	for i := range int64(100) {
		if _, err := m.WriteAt(b, i<<16); err != nil {
			t.Fatal(err)
		}
	}
	if c := counter.Counts(); c.Writes != 100 || c.Syncs != 0 {
		t.Errorf("100 clusters took %d writes and %d syncs", c.Writes, c.Syncs)
	}
	if err := m.Sync(); err != nil {
		t.Fatal(err)
	}
	// NEED_CHECK, L2 and L1; the last of the three syncs is the caller's.
	if c := counter.Counts(); c.Writes != 103 || c.Syncs != 3 {
		t.Errorf("with the sync: %d writes and %d syncs", c.Writes, c.Syncs)
	}
}

func TestAClosedImageCannotBeChanged(t *testing.T) {
	m := small().mustOpen(t, writable)
	m.Close()
	if err := second(m.WriteAt([]byte{1}, 0)); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
	if err := m.Sync(); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
}

func TestDiscardGivesSpaceBackAndKeepsTheClusters(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.qed")
	m, err := qedfile.Create(name, 8<<20, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := bytes.Repeat([]byte{1}, 4<<20)
	if _, err := m.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if err := m.Discard(64<<10, 7<<20); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4<<20)
	if _, err := m.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got[:64<<10], b[:64<<10]) {
		t.Error("bytes before the range were lost")
	}
	if rest := got[64<<10:]; !bytes.Equal(rest, make([]byte, len(rest))) && !bytes.Equal(rest, b[64<<10:]) {
		t.Error("the range reads neither as zeroes nor as it was")
	}
	for e, err := range m.Extents(0, 4<<20) {
		if err != nil || e.Kind != qedfile.Data {
			t.Errorf("extent %+v, %v", e, err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	qemuCheck(t, name, 64<<10)
}

// failing is a disk of one byte over and over, that cannot be read from bad on.
type failing struct {
	size, bad int64
}

func (d *failing) Size() int64  { return d.size }
func (d *failing) Close() error { return nil }
func (d *failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > d.bad {
		return 0, errDisk
	}
	copy(p, bytes.Repeat([]byte{0xFB}, len(p)))
	return len(p), nil
}

func TestAPlaceThatWasGivenUpHalfFilledIsCleanWhenItIsUsed(t *testing.T) {
	l := empty(1<<20, 1, 8<<20)
	l.features, l.backing, l.backingOffset, l.backingSize = qedfile.FeatureBacking, "b", 64, 1
	storage := l.storage()
	base := &failing{size: 1 << 20, bad: 600 << 10}
	opts := &qedfile.Options{Writable: true, Backing: func(qedfile.BackingRef) (qedfile.Disk, error) { return base, nil }}
	m, err := qedfile.New(keepOpen{storage}, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := second(m.WriteAt([]byte{1}, 1<<20-1)); !errors.Is(err, errDisk) {
		t.Fatalf("a write whose cluster cannot be read below: %v", err)
	}
	if _, err := m.WriteAt([]byte{1}, 2<<20); err != nil {
		t.Fatalf("a write after it: %v", err)
	}
	got := make([]byte, 1<<20)
	if _, err := m.ReadAt(got, 2<<20); err != nil || got[0] != 1 || !bytes.Equal(got[1:], make([]byte, len(got)-1)) {
		t.Errorf("the new cluster shows the backing file of another (%v)", err)
	}
	base.bad = base.size
	if _, err := m.WriteAt([]byte{1}, 1<<20-1); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	checkFile(t, storage)
}

func TestAPlaceThatWasGivenUpIsGoneWithTheEndOfTheFile(t *testing.T) {
	for name, cut := range map[string]func(*qedfile.Image) error{
		"shrink": func(m *qedfile.Image) error { return m.Resize(256 << 10) },
		"repair": func(m *qedfile.Image) error {
			_, err := m.Check(t.Context(), &qedfile.CheckOptions{Repair: qedfile.RepairLeaks})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { giveUpAndCut(t, cut) })
	}
}

func giveUpAndCut(t *testing.T, cut func(*qedfile.Image) error) {
	storage := backed().storage()
	base := &failing{size: 1 << 20, bad: 16 << 10}
	opts := &qedfile.Options{Writable: true, Backing: func(qedfile.BackingRef) (qedfile.Disk, error) { return base, nil }}
	m, err := qedfile.New(keepOpen{storage}, opts)
	if err != nil {
		t.Fatal(err)
	}
	write := func(n, off int64) error { return second(m.WriteAt(bytes.Repeat([]byte{1}, int(n)), off)) }
	if err := errors.Join(write(4096, 0), write(8<<10, 512<<10)); err != nil {
		t.Fatal(err)
	}
	if err := write(1, 64<<10); !errors.Is(err, errDisk) {
		t.Fatalf("a write whose cluster cannot be read below: %v", err)
	}
	if err := errors.Join(cut(m), write(4096, 128<<10), write(4096, 160<<10), m.Close()); err != nil {
		t.Fatal(err)
	}
	checkFile(t, storage)
}

func TestTheLastClusterTakesNoMoreFromTheBackingFileThanTheDiskShows(t *testing.T) {
	// Another writer that makes the disk longer would show it.
	l := empty(4096, 1, 3*512)
	l.features, l.backing, l.backingOffset, l.backingSize = qedfile.FeatureBacking, "b", 64, 1
	storage := l.storage()
	base := backend.NewMemory(bytes.Repeat([]byte{0xBA}, 4096))
	m, err := qedfile.New(keepOpen{storage}, &qedfile.Options{Writable: true, Backing: backing(base)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.WriteAt([]byte{1}, 512); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(storage.Bytes(), []byte{0xBA}); n != 3*512-1 {
		t.Errorf("the file has %d bytes of the backing file", n)
	}
}
