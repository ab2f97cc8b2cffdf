package qedfile_test

import (
	"os"
	"slices"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// announced keeps what a storage is told.
type announced struct {
	backend.Reader
	ranges []backend.Range
}

func (a *announced) Prefetch(ranges []backend.Range) { a.ranges = append(a.ranges, ranges...) }
func (a *announced) Prefetches() bool                { return true }

// What is announced of a disk reaches the file that holds it, at its place
// there: for every run of data in the map, what the map says.
func TestPrefetchReachesTheFilesOfAChain(t *testing.T) {
	dir := "../testdata/"
	var files []*announced
	open := func(name string) *announced {
		f, err := backend.OpenFile(dir+name, os.O_RDONLY, nil)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, &announced{Reader: f})
		return files[len(files)-1]
	}
	siblings := func(name string) (backend.Reader, error) { return open(name), nil }
	m, err := qedfile.New(open("chain.qed"), &qedfile.Options{Backing: qedfile.Beside("chain.qed", siblings).Backing})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	want := make([][]backend.Range, len(files))
	for e, err := range m.Extents(0, m.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == qedfile.Data {
			want[e.Depth] = append(want[e.Depth], backend.Range{Off: e.Offset, Len: e.Length})
		}
	}
	for _, f := range files {
		f.ranges = nil // of tables
	}
	m.Prefetch([]backend.Range{{Off: -1, Len: 5}, {Off: 1 << 50, Len: 5}, {Off: 0, Len: 1 << 62}})
	for depth, f := range files {
		bytes := func(ranges []backend.Range) (n int64) {
			for _, r := range ranges {
				n += r.Len
			}
			return n
		}
		// The base is raw, and told of all that lies above nothing.
		if depth < len(files)-1 && !slices.Equal(f.ranges, want[depth]) || bytes(f.ranges) < bytes(want[depth]) || len(want[depth]) == 0 {
			t.Errorf("file %d is told %v, want %v", depth, f.ranges, want[depth])
		}
	}
}
