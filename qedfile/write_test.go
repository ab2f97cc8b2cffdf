package qedfile_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/qedfs/qedfs/backend"
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
		"SetBacking":  func() error { return m.SetBacking("x", true) },
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
		if err := m.SetBacking(step.name, step.raw); err != nil {
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
		if err := m.SetBacking(name, true); err == nil {
			t.Errorf("a name of %d bytes was accepted", len(name))
		}
	}
	if err := m.SetBacking(strings.Repeat("n", 1023), true); err != nil {
		t.Error(err)
	}

	l.compat = 1
	m, err = l.open(writable)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.SetBacking("x", true); !errors.Is(err, qedfile.ErrUnsupported) {
		t.Errorf("with compat bits: %v", err)
	}
	if err := m.SetBacking("", false); err != nil {
		t.Errorf("removing with compat bits: %v", err)
	}
}

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

func TestShrinkingGivesTheEndOfTheFileBack(t *testing.T) {
	storage := empty(4096, 1, 4<<20).storage()
	m, err := qedfile.New(keepOpen{storage}, writable)
	if err != nil {
		t.Fatal(err)
	}
	fresh, _ := storage.Size()
	for _, off := range []int64{0, 1 << 20, 3 << 20} { // the last one in a table of its own
		if _, err := m.WriteAt(bytes.Repeat([]byte{1}, 64<<10), off); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Resize(512); err != nil {
		t.Fatal(err)
	}
	// What is left: one cluster of data; the others that came before the
	// first L2 table stay linked.
	if size, _ := storage.Size(); size != fresh+16*4096+4096 {
		t.Errorf("the file has %d bytes, want %d", size, fresh+17*4096)
	}
	if err := m.Resize(0); err != nil {
		t.Fatal(err)
	}
	if size, _ := storage.Size(); size != fresh {
		t.Errorf("the file of an empty disk has %d bytes, want %d", size, fresh)
	}
	if err := m.Resize(4 << 20); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 4<<20)
	if _, err := m.ReadAt(p, 0); err != nil || !bytes.Equal(p, make([]byte, len(p))) {
		t.Errorf("what was cut off came back (%v)", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	checkFile(t, storage)
}

func TestTableWritesAreGatheredUntilSync(t *testing.T) {
	counter := backend.NewCounter(empty(65536, 4, 1<<30).storage())
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

func TestATableThatRefersToClustersInTheMiddleStaysWhenTheDiskShrinks(t *testing.T) {
	// The second table maps only what is cut off and lies at the end of the
	// file; its data lies before data that stays.
	l := empty(4096, 1, 4<<20)
	l.length = 6 * 4096
	l.entries = map[int64]uint64{
		4096: 2 * 4096, 4096 + 8: 5 * 4096,
		2 * 4096: 4 * 4096, 5 * 4096: 3 * 4096,
	}
	storage := l.storage()
	m, err := qedfile.New(keepOpen{storage}, writable)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Resize(1 << 20); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	checkFile(t, storage)
	if size, _ := storage.Size(); size != 6*4096 {
		t.Errorf("the file has %d bytes", size)
	}
}

func TestTheLastByteOfTheLargestDiskCanBeWritten(t *testing.T) {
	for _, geometry := range [][2]uint32{{4096, 1}, {65536, 4}, {2 << 20, 16}, {64 << 20, 16}} {
		l := empty(geometry[0], geometry[1], 0)
		end := l.length
		l.length = 64
		storage := l.storage()
		if err := storage.Truncate(end); err != nil {
			t.Fatal(err)
		}
		m, err := qedfile.New(storage, writable)
		if err != nil {
			t.Fatal(err)
		}
		limit := m.Header().MaxImageSize()
		if err := m.Resize(limit); err != nil || m.Size() != limit {
			t.Errorf("clusters of %d, tables of %d: resize to %d: %v", geometry[0], geometry[1], limit, err)
		}
		if _, err := m.WriteAt([]byte("end"), limit-3); err != nil {
			t.Error(err)
		}
		p := make([]byte, 8)
		if n, err := m.ReadAt(p, limit-6); n != 6 || err != io.EOF || string(p[:6]) != "\x00\x00\x00end" {
			t.Errorf("the last bytes of %d: %q, %v", limit, p[:n], err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
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
