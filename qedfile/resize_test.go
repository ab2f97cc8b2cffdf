package qedfile_test

import (
	"bytes"
	"io"
	"testing"

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
