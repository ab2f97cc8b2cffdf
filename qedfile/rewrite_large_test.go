package qedfile_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// newLarge is an image of 12 MiB with clusters of 4 MiB: one of some data, one of
// zeroes, and one that it does not store.
func newLarge(t *testing.T, base []byte) *layered {
	t.Helper()
	l := &layered{file: backend.NewMemory(nil), base: backend.NewMemory(base), content: make([]byte, 12<<20)}
	opts := &qedfile.CreateOptions{ClusterSize: 4 << 20, TableSize: 1}
	if base != nil {
		copy(l.content, base)
		opts.BackingFile, opts.BackingRaw, opts.Backing = "base.raw", true, backing(l.base)
	}
	m, err := qedfile.CreateIn(keepOpen{l.file}, 12<<20, opts)
	if err != nil {
		t.Fatal(err)
	}
	copy(l.content[3<<20:], "data")
	clear(l.content[4<<20 : 8<<20])
	if err := errors.Join(second(m.WriteAt([]byte("data"), 3<<20)), second(m.WriteAt(make([]byte, 4<<20), 4<<20))); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	l.base = backend.NewMemory(base)
	return l
}

func TestCompactOfLargeClustersKeepsTheContent(t *testing.T) {
	for _, base := range [][]byte{nil, bytes.Repeat([]byte{7}, 10<<20)} {
		l := newLarge(t, base)
		dst := backend.NewMemory(nil)
		if err := qedfile.Compact(t.Context(), dst, openIn(t, l.file, l.base, false), nil); err != nil {
			t.Fatal(err)
		}
		shows(t, dst, l.base, l.content, "compacted")
		report, err := openIn(t, dst, backend.NewMemory(base), false).Check(t.Context(), nil)
		if err != nil || report.Leaks != 0 || base == nil && report.AllocatedClusters != 1 {
			t.Errorf("%d bytes beneath: %+v (%v)", len(base), report, err)
		}
	}
}

func TestRebaseOfLargeClustersHidesWhatOnlyTheNewBaseShows(t *testing.T) {
	for _, old := range [][]byte{nil, bytes.Repeat([]byte{7}, 1<<20)} {
		l := newLarge(t, old)
		m := openIn(t, keepOpen{l.file}, l.base, true)
		base, err := qedfile.NewRaw(backend.NewMemory(bytes.Repeat([]byte{5}, 10<<20)))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(qedfile.Rebase(t.Context(), m, base, "new.raw", &qedfile.RebaseOptions{Raw: true}), m.Close()); err != nil {
			t.Fatal(err)
		}
		shows(t, l.file, backend.NewMemory(bytes.Repeat([]byte{5}, 10<<20)), l.content, "rebased")
	}
}
