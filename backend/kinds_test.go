package backend_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
)

func TestMemoryIsAStorage(t *testing.T) {
	backendtest.TestStorage(t, func(*testing.T) backend.Storage { return backend.NewMemory(nil) })
}

func TestMemoryOfBytesIsAReader(t *testing.T) {
	backendtest.TestReader(t, func(_ *testing.T, b []byte) backend.Reader { return backend.NewMemory(b) })
}

func TestFileIsAStorage(t *testing.T) {
	backendtest.TestStorage(t, func(t *testing.T) backend.Storage {
		f, err := backend.OpenFile(filepath.Join(t.TempDir(), "image"), os.O_RDWR|os.O_CREATE|os.O_EXCL, nil)
		if err != nil {
			t.Fatal(err)
		}
		return f
	})
}

func TestReadOnlyFileIsAReader(t *testing.T) {
	backendtest.TestReader(t, func(t *testing.T, b []byte) backend.Reader {
		f, err := backend.OpenFile(tempFile(t, b), os.O_RDONLY, nil)
		if err != nil {
			t.Fatal(err)
		}
		return f
	})
}

func TestSectionIsAReader(t *testing.T) {
	backendtest.TestReader(t, func(t *testing.T, b []byte) backend.Reader {
		whole := append(append([]byte("before"), b...), "after"...)
		s, err := backend.NewSection(backend.NewMemory(whole), 6, int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func TestViewsKnowTheHolesBeneath(t *testing.T) {
	m := backend.NewMemory(bytes.Repeat([]byte{7}, 256<<10))
	if err := m.PunchHole(64<<10, 64<<10); err != nil {
		t.Fatal(err)
	}
	section, err := backend.NewSection(m, 0, 256<<10)
	if err != nil {
		t.Fatal(err)
	}
	cached, err := backend.NewCached(section, nil)
	if err != nil {
		t.Fatal(err)
	}
	if start, end, err := backend.NextData(cached, 64<<10); start != 128<<10 || end != 256<<10 || err != nil {
		t.Errorf("data from %d to %d, %v, want 131072 to 262144", start, end, err)
	}
}

// tempFile makes a file of these bytes, with holes where they are zero.
func tempFile(t testing.TB, b []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(int64(len(b))); err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(b); at += 4096 {
		piece := b[at:min(at+4096, len(b))]
		if isZero(piece) {
			continue
		}
		if _, err := f.WriteAt(piece, int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	return name
}

// content returns n bytes of which every other 64 KiB are zero.
func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		if i>>16&1 == 0 {
			b[i] = byte(i%251) + 1
		}
	}
	return b
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func TestAHoleInMemoryTakesNoRoom(t *testing.T) {
	m := backend.NewMemory(bytes.Repeat([]byte{7}, 256<<10))
	if err := m.PunchHole(60<<10, 140<<10); err != nil {
		t.Fatal(err)
	}
	if start, end, err := m.NextData(64 << 10); start != 192<<10 || end != 256<<10 || err != nil {
		t.Errorf("data from %d to %d, %v", start, end, err)
	}
}

func TestMemoryClonesAreIndependent(t *testing.T) {
	a := backend.NewMemory(bytes.Repeat([]byte{1}, 200_000))
	b := a.Clone()
	a.WriteAt([]byte{2}, 70_000)
	b.WriteAt([]byte{3}, 70_001)
	b.Truncate(100_000)
	c := b.Clone()
	b.Truncate(70_000)
	b.Truncate(100_000)
	for _, tt := range []struct {
		name string
		m    *backend.Memory
		size int
		want []byte // from 69,999
	}{
		{"a", a, 200_000, []byte{1, 2, 1, 1}}, {"b", b, 100_000, []byte{1, 0, 0, 0}}, {"c", c, 100_000, []byte{1, 1, 3, 1}},
	} {
		got := tt.m.Bytes()
		if len(got) != tt.size || !bytes.Equal(got[69_999:70_003], tt.want) {
			t.Errorf("%s has %d bytes, %v at 69,999, want %d, %v", tt.name, len(got), got[69_999:70_003], tt.size, tt.want)
		}
	}
}

func TestMemoryOfManyTerabytesTakesNoRoom(t *testing.T) {
	m := backend.NewMemory(nil)
	if err := m.Truncate(64 << 40); err != nil {
		t.Fatal(err)
	}
	if _, err := m.WriteAt([]byte("far"), 50<<40); err != nil {
		t.Fatal(err)
	}
	start, end, err := m.NextData(0)
	if err != nil || start != 50<<40 || end-start > 1<<20 {
		t.Errorf("NextData(0) = %d, %d, %v", start, end, err)
	}
}
