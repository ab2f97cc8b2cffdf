package qedfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/qedfile"
)

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

// openCounter is keepOpen for a storage that knows its holes.
type openCounter struct{ *backendtest.Counter }

func (openCounter) Close() error { return nil }

// shrunk shrinks the disk of an image and returns the bytes that this reads.
func shrunk(t *testing.T, storage *backend.Memory, size int64) (read int64) {
	t.Helper()
	counter := backendtest.NewCounter(storage)
	m, err := qedfile.New(openCounter{counter}, writable)
	if err != nil {
		t.Fatal(err)
	}
	counter.Reset()
	if err := m.Resize(size); err != nil {
		t.Fatal(err)
	}
	read = counter.Counts().ReadBytes
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return read
}

func TestShrinkingReadsNoTableTwice(t *testing.T) {
	// Every entry of the L1 table refers to the same L2 table: what is past
	// the end of the disk is needed before it, too.
	l := empty(4096, 16, 8192*8192*4096)
	l.length = 34 * 4096
	l.entries = map[int64]uint64{17 * 4096: 1, 17*4096 + 8: 33 * 4096}
	for i := range int64(8192) {
		l.entries[4096+8*i] = 17 * 4096
	}
	storage := l.storage()
	before := bytes.Clone(storage.Bytes()[4096:])
	if read := shrunk(t, storage, 4096*4096); read > 2*l.length {
		t.Errorf("%d bytes were read from a file of %d", read, l.length)
	}
	if !bytes.Equal(storage.Bytes()[4096:], before) {
		t.Error("entries that another part of the disk needs were changed")
	}
}

func TestShrinkingReadsNoHoles(t *testing.T) {
	// Tables of 1 GiB with one entry each, past the end of the disk, which
	// stay because the last cluster of the file does.
	const cluster, table, tables = 64 << 20, 16, 50
	l := empty(cluster, table, tables<<53)
	end := int64(1+table+tables*table+2) * cluster
	l.length = 64
	storage := l.storage()
	set := func(off int64, e uint64) {
		if _, err := storage.WriteAt(binary.LittleEndian.AppendUint64(nil, e), off); err != nil {
			t.Fatal(err)
		}
	}
	if err := storage.Truncate(end); err != nil {
		t.Fatal(err)
	}
	at := func(i int64) int64 { return (1 + table + i*table) * cluster }
	for i := range int64(tables) {
		set(cluster+8*i, uint64(at(i)))
		set(at(i)+8<<20, 1)
	}
	set(at(0), uint64(end-cluster))
	set(at(1)+9<<20, uint64(end-2*cluster))
	if read := shrunk(t, storage, cluster); read > 64<<20 {
		t.Errorf("%d bytes were read", read)
	}
	for i := range int64(tables) {
		var b [8]byte
		if _, err := storage.ReadAt(b[:], at(i)+8<<20); err != nil || b[0] != 0 {
			t.Errorf("the entry of table %d is still %d (%v)", i, b[0], err)
		}
	}
	m, err := qedfile.New(storage, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report, err := m.Check(t.Context(), nil); err != nil || !report.Clean() {
		t.Errorf("%+v (%v)", report, err)
	}
}

// manyForOne is an image whose L1 table refers to one L2 table with every entry,
// and that to one cluster: 256 GiB are mapped to 4 KiB.
func manyForOne() layout {
	l := empty(4096, 16, 8192*8192*4096)
	l.length = 34 * 4096
	l.entries = map[int64]uint64{}
	for i := range int64(8192) {
		l.entries[4096+8*i] = 17 * 4096
		l.entries[17*4096+8*i] = 33 * 4096
	}
	return l
}

func TestGrowingOverSharedClustersEndsSoon(t *testing.T) {
	l := manyForOne()
	l.size = 4096
	counter := backendtest.NewCounter(l.storage())
	m, err := qedfile.New(counter, writable)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Resize(8192 * 8192 * 4096); !errors.Is(err, qedfile.ErrCorrupt) || m.Size() != 4096 {
		t.Errorf("%v, and the disk has %d bytes", err, m.Size())
	}
	if n := counter.Counts().WriteBytes; n > l.length {
		t.Errorf("%d bytes were written to a file of %d", n, l.length)
	}
}

func TestADirtyImageWhoseEntriesShareEverythingIsRefusedSoon(t *testing.T) {
	l := manyForOne()
	l.features = qedfile.FeatureNeedCheck
	for i := range int64(8192) {
		delete(l.entries, 17*4096+8*i) // no data: the tables alone are too many
	}
	counter := backendtest.NewCounter(l.storage())
	if _, err := qedfile.New(counter, writable); !errors.Is(err, qedfile.ErrNeedsRepair) {
		t.Errorf("%v, want ErrNeedsRepair", err)
	}
	if n := counter.Counts().ReadBytes; n > 8*l.length {
		t.Errorf("%d bytes were read from a file of %d", n, l.length)
	}
}

func TestGrowingMarksOnlyWhatTheBackingFileWouldShow(t *testing.T) {
	l := backed()
	l.size = 4096
	base := backend.NewMemory(bytes.Repeat([]byte{7}, 3*4096))
	m, err := qedfile.New(l.storage(), &qedfile.Options{Writable: true, Backing: backing(base)})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Resize(1 << 20); err != nil {
		t.Fatal(err)
	}
	if report, err := m.Check(t.Context(), nil); err != nil || report.ZeroClusters != 2 || report.AllocatedClusters != 0 {
		t.Errorf("%+v (%v), want two zero markers", report, err)
	}
}

func TestTablesThatGoTogetherLeaveNoLeaks(t *testing.T) {
	// Two tables map only what is cut off. The second has to stay, since its
	// data lies before data that stays; then the first has to as well, since
	// its data lies before the second.
	l := empty(4096, 1, 8<<20)
	l.length = 8 * 4096
	l.entries = map[int64]uint64{
		1 * 4096: 2 * 4096, 1*4096 + 8: 7 * 4096, 1*4096 + 16: 6 * 4096,
		2 * 4096: 4 * 4096, 7 * 4096: 5 * 4096, 6 * 4096: 3 * 4096,
	}
	storage := l.storage()
	m, err := qedfile.New(keepOpen{storage}, writable)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.Resize(2<<20), m.Close()); err != nil {
		t.Fatal(err)
	}
	checkFile(t, storage)
}

func TestWhatIsWrittenAfterAShrinkCanBeRead(t *testing.T) {
	// A new cluster lies where the file had bytes before, and only its
	// beginning is stored.
	l := empty(4096, 1, 4<<20)
	l.length = 8 * 4096
	l.entries = map[int64]uint64{4096: 2 * 4096, 4096 + 8: 3 * 4096, 3 * 4096: 4 * 4096, 3*4096 + 8: 5 * 4096, 3*4096 + 16: 6 * 4096, 3*4096 + 24: 7 * 4096}
	m, err := l.open(writable)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Resize(2 << 20); err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 4096)
	copy(want, "new")
	if _, err := m.WriteAt(want[:512], 4096); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4096)
	if _, err := m.ReadAt(got, 4096); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%.8q... (%v)", got, err)
	}
}
