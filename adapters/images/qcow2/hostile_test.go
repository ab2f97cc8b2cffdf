package qcow2_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/images/qcow2"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// openBytes opens an image whose other files are all empty.
func openBytes(b []byte) (*qcow2.Image, error) {
	return qcow2.Open(backend.NewMemory(b), &qcow2.Options{
		Backing:  func(qedfile.BackingRef) (qedfile.Disk, error) { return qedfile.NewRaw(backend.NewMemory(nil)) },
		DataFile: func(string) (backend.Reader, error) { return backend.NewMemory(nil), nil },
	})
}

// exercise does with an image what a reader may, within bounds that are its
// own. Errors are fine.
func exercise(b []byte) {
	m, err := openBytes(b)
	if err != nil {
		return
	}
	defer m.Close()
	m.Info()
	buf := make([]byte, 64<<10)
	for off := int64(0); off < min(m.Size(), 2<<20); off += int64(len(buf)) {
		m.ReadAt(buf, off)
	}
	m.ReadAt(buf, m.Size()/2)
	m.ReadAt(buf, max(0, m.Size()-int64(len(buf))))
	runs := 0
	for range m.Extents(0, m.Size()) {
		if runs++; runs == 1000 {
			break
		}
	}
	m.Check(context.Background(), nil)
	qcow2.Open(backend.NewMemory(b), &qcow2.Options{Snapshot: "1"})
}

func FuzzOpen(f *testing.F) {
	for _, name := range testImages(f) {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 24<<10)])
	}
	f.Fuzz(func(t *testing.T, b []byte) { exercise(b) })
}

func TestMutantsEndInAnErrorAtWorst(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	n := 60
	if testing.Short() {
		n = 10
	}
	for _, name := range testImages(t) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		cluster := 1 << binary.BigEndian.Uint32(b[20:])
		for i := range n {
			mutant := bytes.Clone(b)
			for range 1 + rnd.IntN(6) {
				at := rnd.IntN(len(mutant))
				if rnd.IntN(2) == 0 {
					at = rnd.IntN(min(len(mutant), 6*cluster)) // where the tables are
				}
				if rnd.IntN(3) == 0 {
					at = rnd.IntN(112)
				}
				mutant[at] = byte(rnd.Uint32())
			}
			if rnd.IntN(5) == 0 {
				mutant = mutant[:rnd.IntN(len(mutant))]
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			exercise(mutant)
			runtime.ReadMemStats(&after)
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("%s, mutant %d: %v", name, i, d)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 256<<20 {
				t.Errorf("%s, mutant %d: %d bytes were allocated", name, i, used)
			}
		}
	}
}

// patch returns a committed image with some bytes changed.
func patch(t *testing.T, name string, at int, b ...byte) []byte {
	t.Helper()
	image, err := os.ReadFile(testdata + name + ".qcow2")
	if err != nil {
		t.Fatal(err)
	}
	copy(image[at:], b)
	return image
}

func TestHeadersThatAreRefused(t *testing.T) {
	ff := bytes.Repeat([]byte{0xff}, 8)
	for _, c := range []struct {
		name  string
		image []byte
		want  error
		says  string
	}{
		{"no magic", patch(t, "qcow2-zlib", 0, 'X'), qedfile.ErrFormat, "no header"},
		{"an empty file", nil, qedfile.ErrFormat, "no header"},
		{"version 4", patch(t, "qcow2-zlib", 7, 4), qedfile.ErrUnsupported, "version 4"},
		{"clusters of 256 bytes", patch(t, "qcow2-zlib", 23, 8), qedfile.ErrFormat, "clusters of 2^8"},
		{"clusters of 4 MiB", patch(t, "qcow2-zlib", 23, 22), qedfile.ErrFormat, "clusters of 2^22"},
		{"a negative size", patch(t, "qcow2-zlib", 24, 0x80), qedfile.ErrFormat, "a disk of"},
		{"a disk larger than its L1 table", patch(t, "qcow2-zlib", 27, 1), qedfile.ErrFormat, "an L1 table of"},
		{"a huge L1 table", patch(t, "qcow2-zlib", 36, 0x10), qedfile.ErrFormat, "an L1 table of"},
		{"an L1 table past the end", patch(t, "qcow2-zlib", 41, 1), qedfile.ErrFormat, "past the end"},
		{"an L1 table inside a cluster", patch(t, "qcow2-zlib", 47, 8), qedfile.ErrFormat, "an L1 table at"},
		{"encryption", patch(t, "qcow2-zlib", 35, 2), qedfile.ErrUnsupported, "encrypted"},
		{"unknown feature", patch(t, "qcow2-zlib", 72, 0x80), qedfile.ErrUnsupported, "feature bit 63"},
		{"a short header", patch(t, "qcow2-zlib", 103, 80), qedfile.ErrFormat, "a header of 80 bytes"},
		{"a long header", patch(t, "qcow2-zlib", 100, 1), qedfile.ErrFormat, "a header of"},
		{"unknown compression", patch(t, "qcow2-zstd", 104, 2), qedfile.ErrUnsupported, "compression type 2"},
		{"compression without its bit", patch(t, "qcow2-zlib", 104, 1), qedfile.ErrFormat, "contradicts"},
		{"a bit without its compression", patch(t, "qcow2-zstd", 104, 0), qedfile.ErrFormat, "contradicts"},
		{"refcounts of 128 bits", patch(t, "qcow2-zlib", 99, 7), qedfile.ErrFormat, "refcounts"},
		{"a backing name outside the header", patch(t, "qcow2-chain", 8, ff...), qedfile.ErrFormat, "backing file name"},
		{"a long backing name", patch(t, "qcow2-chain", 18, 4), qedfile.ErrFormat, "backing file name"},
		{"an extension longer than the cluster", patch(t, "qcow2-zstd", 116, 1), qedfile.ErrFormat, "header extension"},
		{"subclusters of 128 bytes", patch(t, "qcow2-zlib", 79, 16), qedfile.ErrFormat, "subclusters"},
	} {
		_, err := openBytes(c.image)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want %v that says %q", c.name, err, c.want, c.says)
		}
	}
}

func TestUnknownFeatureIsNamed(t *testing.T) {
	image := patch(t, "qcow2-zstd", 79, 1<<5|1<<3) // incompatible feature 5
	// The feature name table is the first extension that qemu writes: make an
	// entry of it speak of that bit.
	at := bytes.Index(image, []byte("dirty bit"))
	image[at-2], image[at-1] = 0, 5
	_, err := openBytes(image)
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), `"dirty bit"`) {
		t.Errorf("the feature is not named: %v", err)
	}
}

func TestCorruptAndDirtyImagesAreRead(t *testing.T) {
	m, err := openBytes(patch(t, "qcow2-zlib", 79, 3))
	if err != nil {
		t.Fatal(err)
	}
	info, err := m.Info()
	if err != nil || !info.Dirty || sum(t, m, 1<<16) != wantSum(t, testdata+"qcow2-zlib") {
		t.Errorf("an image that is marked corrupt and dirty: %+v, %v", info, err)
	}
}

// l2Entry returns where the L2 entry of a cluster lies in an image.
func l2Entry(image []byte, index int) int {
	l1 := int(binary.BigEndian.Uint64(image[40:]))
	return int(binary.BigEndian.Uint64(image[l1:])&0x00fffffffffffe00) + 8*index
}

func TestDamageIsAnErrorForItsOwnRange(t *testing.T) {
	const cluster = 4096
	clean, err := openBytes(patch(t, "qcow2-v2", 0, 'Q'))
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 3*cluster)
	if _, err := clean.ReadAt(want, 8*cluster); err != nil {
		t.Fatal(err)
	}
	for name, entry := range map[string]uint64{
		"inside a cluster":              0x4200,
		"past the end":                  1 << 40,
		"zeroes in version 2":           1,
		"packed and past the end":       1<<62 | 1<<40,
		"packed, but no deflate stream": 1 << 62,
	} {
		image := patch(t, "qcow2-v2", 0, 'Q')
		binary.BigEndian.PutUint64(image[l2Entry(image, 9):], entry)
		m, err := openBytes(image)
		if err != nil {
			t.Fatal(name, err)
		}
		got := make([]byte, 3*cluster)
		n, err := m.ReadAt(got, 8*cluster)
		if n != cluster || !errors.Is(err, qedfile.ErrCorrupt) || !bytes.Equal(got[:n], want[:n]) {
			t.Errorf("%s: %d bytes, %v; want the cluster before it and ErrCorrupt", name, n, err)
		}
		if n, err := m.ReadAt(got[:cluster], 10*cluster); err != nil || !bytes.Equal(got[:n], want[2*cluster:]) {
			t.Errorf("%s: the cluster after it: %d bytes, %v", name, n, err)
		}
		if n, err := m.ReadAt(got[:10], 9*cluster+20); n != 0 || !errors.Is(err, qedfile.ErrCorrupt) {
			t.Errorf("%s: a part of it: %d bytes, %v", name, n, err)
		}
	}
}

func TestCutOffImagesDoNotLookWhole(t *testing.T) {
	for _, name := range []string{"qcow2-v2", "qcow2-zlib", "qcow2-zstd", "qcow2-extended", "qcow2-512"} {
		whole := patch(t, name, 0, 'Q')
		want := wantSum(t, testdata+name)
		for n := len(whole) / 2; n > 600; n = n * 3 / 4 {
			m, err := openBytes(whole[:n:n])
			if err != nil {
				continue
			}
			if _, err = io.Copy(io.Discard, io.NewSectionReader(m, 0, m.Size())); err == nil && sum(t, m, 4096) != want {
				t.Errorf("%s: the first %d of %d bytes read without an error", filepath.Base(name), n, len(whole))
			}
		}
	}
}

func TestDamagedL1Entries(t *testing.T) {
	const span = 512 * 512 / 8 // what an L2 table maps
	for _, c := range []struct {
		name, image string
		index       uint64
		entry       uint64
		before      int
	}{
		{"inside a cluster", "qcow2-v2", 0, 0x4200, 0},
		{"past the end", "qcow2-512", 1, 1 << 40, span},
	} {
		image := patch(t, c.image, 0, 'Q')
		l1 := binary.BigEndian.Uint64(image[40:])
		binary.BigEndian.PutUint64(image[l1+8*c.index:], c.entry)
		m, err := openBytes(image)
		if err != nil {
			t.Fatal(c.name, err)
		}
		if n, err := m.ReadAt(make([]byte, 2*span), 0); n != c.before || !errors.Is(err, qedfile.ErrCorrupt) {
			t.Errorf("%s: %d bytes, %v; want %d and ErrCorrupt", c.name, n, err, c.before)
		}
		if _, err := m.ReadAt(make([]byte, span), 2*span); (err == nil) != (c.before > 0) {
			t.Errorf("%s: what another table maps: %v", c.name, err)
		}
	}
}

func TestSnapshotWithAShortL1Table(t *testing.T) {
	image := patch(t, "qcow2-snapshots", 0, 'Q')
	be := binary.BigEndian
	table := be.Uint64(image[64:])
	be.PutUint64(image[table+40+8:], 4<<20) // the disk's size, of which an L2 table maps 2 MiB
	be.PutUint64(image[be.Uint64(image[table:])+8:], 0x4200)
	m, err := qcow2.Open(backend.NewMemory(image), &qcow2.Options{Snapshot: "1"})
	if err != nil {
		t.Fatal(err)
	}
	p := bytes.Repeat([]byte{1}, 1<<20)
	if _, err := m.ReadAt(p, 5<<19); err != nil || !bytes.Equal(p, make([]byte, len(p))) {
		t.Errorf("past the table: %v; want zeroes", err)
	}
}

// An ID goes before a name, and of several with one name the first is taken.
func TestSnapshotsThatShareAName(t *testing.T) {
	be := binary.BigEndian
	for _, c := range []struct {
		renamed    int
		name, want string
	}{
		{1, "first", ".first"}, // both are of that name
		{0, "2", ".second"},    // the first has the ID of the second as its name
	} {
		image := patch(t, "qcow2-snapshots", 0, 'Q')
		entry := image[be.Uint64(image[64:]):]
		fixed := func() int { return 40 + int(be.Uint32(entry[36:])) + int(be.Uint16(entry[12:])) }
		if c.renamed == 1 {
			entry = entry[(fixed()+int(be.Uint16(entry[14:]))+7)&^7:]
		}
		be.PutUint16(entry[14:], uint16(copy(entry[fixed():], c.name)))
		m, err := qcow2.Open(backend.NewMemory(image), &qcow2.Options{Snapshot: c.name})
		if err != nil {
			t.Fatal(err)
		}
		if got := sum(t, m, 1<<16); got != wantSum(t, testdata+"qcow2-snapshots"+c.want) {
			t.Errorf("snapshot %q, where that is the name of entry %d, is not %s", c.name, c.renamed, c.want)
		}
	}
}

func TestSubclustersThatContradict(t *testing.T) {
	const cluster = 16 << 10
	for name, c := range map[string]struct{ keep, bitmap uint64 }{
		"subclusters of no cluster":  {0, 1 << 3},
		"both data and zeroes":       {^uint64(0), 1<<3 | 1<<35},
		"an offset inside a cluster": {0x4200, 1},
	} {
		image := patch(t, "qcow2-extended", 0, 'Q')
		at := l2Entry(image, 0) + 5*16
		be := binary.BigEndian
		entry := be.Uint64(image[at:]) & c.keep
		if c.keep == 0x4200 {
			entry = c.keep
		}
		be.PutUint64(image[at:], entry)
		be.PutUint64(image[at+8:], c.bitmap)
		m, err := openBytes(image)
		if err != nil {
			t.Fatal(name, err)
		}
		if n, err := m.ReadAt(make([]byte, 3*cluster), 4*cluster); n != cluster || !errors.Is(err, qedfile.ErrCorrupt) {
			t.Errorf("%s: %d bytes, %v; want the cluster before it and ErrCorrupt", name, n, err)
		}
	}
}

func TestRawDataFilesHaveEachClusterInItsPlace(t *testing.T) {
	image := patch(t, "qcow2-data-file", 95, 2) // the feature: the data file is raw
	at := l2Entry(image, 20)
	binary.BigEndian.PutUint64(image[at:], 1<<63|20*4096)
	m, err := openBytes(image)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.ReadAt(make([]byte, 4096), 20*4096); err != nil {
		t.Errorf("a cluster in its place: %v", err)
	}
	binary.BigEndian.PutUint64(image[at:], 1<<63|21*4096)
	if m, err = openBytes(image); err != nil {
		t.Fatal(err)
	}
	if _, err := m.ReadAt(make([]byte, 4096), 20*4096); !errors.Is(err, qedfile.ErrCorrupt) {
		t.Errorf("a cluster in another's place: %v", err)
	}
	// A compressed cluster has no place in a data file.
	binary.BigEndian.PutUint64(image[at:], 1<<62|4096)
	if m, err = openBytes(image); err != nil {
		t.Fatal(err)
	}
	if _, err := m.ReadAt(make([]byte, 4096), 20*4096); !errors.Is(err, qedfile.ErrCorrupt) {
		t.Errorf("a compressed cluster: %v", err)
	}
}

func TestBackingFileIsAskedForAsTheImageStatesIt(t *testing.T) {
	var ref qedfile.BackingRef
	_, err := qcow2.Open(backend.NewMemory(patch(t, "qcow2-chain", 0, 'Q')), &qcow2.Options{ForceShare: true, CacheBytes: 1 << 20,
		Backing: func(r qedfile.BackingRef) (qedfile.Disk, error) { ref = r; return nil, os.ErrNotExist }})
	want := qedfile.BackingRef{Name: "qcow2-middle.qed", Format: "qed", CacheBytes: 1 << 19, ForceShare: true}
	if ref != want || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("asked for %+v, want %+v; %v", ref, want, err)
	}
}

func TestSnapshotTablesThatAreRefused(t *testing.T) {
	be := binary.BigEndian
	for name, damage := range map[string]func(image []byte, table uint64){
		"more snapshots than QEMU takes": func(image []byte, _ uint64) { be.PutUint32(image[60:], 65537) },
		"a table inside a cluster":       func(image []byte, table uint64) { be.PutUint64(image[64:], table+8) },
		"a table past the end":           func(image []byte, _ uint64) { be.PutUint64(image[64:], 1<<40) },
		"too much extra data":            func(image []byte, table uint64) { be.PutUint32(image[table+36:], 1025) },
	} {
		image := patch(t, "qcow2-snapshots", 0, 'Q')
		damage(image, be.Uint64(image[64:]))
		m, err := openBytes(image)
		if err != nil {
			t.Fatal(name, err)
		}
		if info, err := m.Info(); err == nil || info == nil {
			t.Errorf("%s: %+v, %v; want what is known, and an error", name, info, err)
		}
		if _, err := qcow2.Open(backend.NewMemory(image), &qcow2.Options{Snapshot: "1"}); !errors.Is(err, qedfile.ErrCorrupt) && !errors.Is(err, qedfile.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheDiskHasWholeSectors(t *testing.T) {
	m, err := openBytes(patch(t, "qcow2-zlib", 31, 100))
	if err != nil {
		t.Fatal(err)
	}
	if m.Size()%512 != 0 {
		t.Errorf("a disk of %d bytes", m.Size())
	}
}
