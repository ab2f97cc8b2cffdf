package vhdx_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/qedfs/qedfs/adapters/images/internal/imagetest"
	"github.com/qedfs/qedfs/adapters/images/vhdx"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// anyParent is the image that a differencing one of images is laid over.
type anyParent struct{ *qedfile.Raw }

func (anyParent) DataWriteID() vhdx.GUID { return vhdx.GUID{1} }

func open(r backend.Reader) (qedfile.Disk, error) {
	m, err := vhdx.Open(r, &vhdx.Options{Backing: func(qedfile.BackingRef) (qedfile.Disk, error) {
		raw, err := qedfile.NewRaw(backend.NewMemory(nil))
		return anyParent{raw}, err
	}})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// images are a new image, one with a log and a differencing one.
func images(tb testing.TB) map[string][]byte {
	tb.Helper()
	plain := image(tb, bytes.Repeat([]byte{7}, 3<<20))
	logged := bytes.Clone(plain)
	id := []byte("identity of logs")
	setLog(logged, id, func(log []byte) {
		ring(log, 0, logEntry(id, 1, 0, len(logged), []change{{at: dataAt, n: 2 * sector}, {at: dataAt + sector, data: make([]byte, sector)}}))
	})
	d := &imagetest.Difference{ParentID: [16]byte{1}, ParentName: "base.vhdx", Data: bytes.Repeat([]byte{7}, 3<<20), Written: func(s int64) bool { return s/50%2 == 0 }}
	return map[string][]byte{"plain": plain, "logged": logged, "differencing": d.VHDX(512)}
}

// mend sets the checksums of the headers, the region tables and of the first
// entry of the log right.
func mend(b []byte) {
	for _, part := range [][2]int{{64 << 10, 4096}, {128 << 10, 4096}, {192 << 10, 64 << 10}, {256 << 10, 64 << 10}, {logAt, 2 * sector}} {
		if part[0]+part[1] <= len(b) {
			imagetest.SumVHDX(b[part[0]:][:part[1]])
		}
	}
}

func TestMutantsEndInAnErrorAtWorst(t *testing.T) {
	heads := []int64{64 << 10, 128 << 10, 192 << 10, 256 << 10, logAt, 2 * mib, 2*mib + 64<<10, 3 * mib, 3*mib + 64<<10, 7 * mib}
	imagetest.Mutants(t, images(t), heads, mend, open)
}

func FuzzOpen(f *testing.F) { imagetest.FuzzPatches(f, images(f), mend, open) }

func TestHeadersThatAreRefused(t *testing.T) {
	const metadata = 2 * mib
	for _, c := range []struct {
		name string
		at   int
		b    string
		want error
	}{
		{"no signature", 0, "x", qedfile.ErrFormat},
		{"headers of version 2", 66, "\x02", qedfile.ErrFormat},
		{"a log of version 1", 64, "\x01", qedfile.ErrFormat},
		{"a log that is not aligned", 72, "\x00\x10\x00\x00", qedfile.ErrFormat},
		{"a log past the end", 72, "\x00\x00\x00\x10", nil}, // it is not used
		{"an unknown required region", 192<<10 + 16, "x", qedfile.ErrUnsupported},
		{"a region that is not aligned", 192<<10 + 32, "\x01", qedfile.ErrFormat},
		{"no metadata", metadata, "x", qedfile.ErrFormat},
		{"too many items", metadata + 10, "\xff\xff", qedfile.ErrFormat},
		{"an unknown required item", metadata + 32, "x", qedfile.ErrUnsupported},
		{"blocks of 3 MiB", metadata + 64<<10, "\x00\x00\x30\x00", qedfile.ErrFormat},
		{"blocks of no bytes", metadata + 64<<10, "\x00\x00\x00\x00", qedfile.ErrFormat},
		{"a parent that is not named", metadata + 64<<10 + 4, "\x02", qedfile.ErrFormat},
		{"a disk of 2 EiB", metadata + 64<<10 + 8, "\x00\x00\x00\x00\x00\x00\x00\x20", qedfile.ErrFormat},
		{"a disk of half a sector", metadata + 64<<10 + 8, "\x80\x01", qedfile.ErrFormat},
		{"a disk larger than the table", metadata + 64<<10 + 8, "\x00\x00\x00\x00\x00\x10\x00\x00", qedfile.ErrFormat},
		{"sectors of 1024 bytes", metadata + 64<<10 + 32, "\x00\x04", qedfile.ErrFormat},
	} {
		b := image(t, make([]byte, mib))
		switch {
		case c.at == 64 || c.at == 66 || c.at == 72:
			copy(b[64<<10+c.at:], c.b)
			copy(b[128<<10+c.at:], c.b)
		default:
			copy(b[c.at:], c.b)
		}
		copy(b[256<<10:320<<10], b[192<<10:256<<10])
		mend(b)
		if _, err := open(backend.NewMemory(b)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestTheNewerHeaderCounts, and the other one where it is damaged.
func TestTheNewerHeaderCounts(t *testing.T) {
	b := image(t, make([]byte, mib))
	first, second := b[64<<10:][:4096], b[128<<10:][:4096]
	first[32], second[32] = 1, 2
	mend(b)
	for _, c := range []struct {
		sequence [2]byte
		damaged  int
		want     byte
	}{{[2]byte{1, 2}, -1, 2}, {[2]byte{3, 2}, -1, 1}, {[2]byte{1, 2}, 1, 1}, {[2]byte{3, 2}, 0, 2}, {[2]byte{2, 2}, -1, 1}} {
		first[8], second[8] = c.sequence[0], c.sequence[1]
		mend(b)
		if c.damaged >= 0 {
			[][]byte{first, second}[c.damaged][100] ^= 1
		}
		m, err := vhdx.Open(backend.NewMemory(b), nil)
		if c.damaged >= 0 {
			[][]byte{first, second}[c.damaged][100] ^= 1
		}
		if err != nil {
			t.Fatal(err)
		}
		if id := m.DataWriteID(); id[0] != c.want {
			t.Errorf("%+v: header %d", c, id[0])
		}
	}
	first[100], second[100] = 1, 1
	if _, err := open(backend.NewMemory(b)); !errors.Is(err, qedfile.ErrFormat) {
		t.Errorf("both are damaged: %v", err)
	}
}

func TestOneRegionTableIsEnough(t *testing.T) {
	for _, at := range []int{192 << 10, 256 << 10} {
		b := image(t, make([]byte, mib))
		b[at+1000] ^= 1
		if _, err := open(backend.NewMemory(b)); err != nil {
			t.Errorf("the table at %d is damaged: %v", at, err)
		}
	}
}

func TestADamagedEntryIsAnErrorForItsBlockAlone(t *testing.T) {
	b := image(t, bytes.Repeat([]byte{7}, 3*mib))
	for _, entry := range []string{"\x06\x00\x00\x00\x00\x01", "\x07", "\x04"} {
		copy(b[tableAt+8:], "\x00\x00\x00\x00\x00\x00\x00\x00")
		copy(b[tableAt+8:], entry)
		m, err := open(backend.NewMemory(b))
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 512)
		if _, err := m.ReadAt(p, mib); !errors.Is(err, qedfile.ErrCorrupt) {
			t.Errorf("entry %q: %v", entry, err)
		}
		if _, err := m.ReadAt(p, 2*mib); err != nil || p[0] != 7 {
			t.Errorf("the block behind it: %v", err)
		}
		m.Close()
	}
}
