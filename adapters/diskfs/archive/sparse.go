package archive

import (
	"errors"
	"math"
	"strconv"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// maxRuns is how many pieces of data a file may have: its map is held in
// memory, 32 MiB of it at most.
const maxRuns = 1 << 20

var errFragmented = errors.New("more than 1048576 pieces of data between holes")

// run is a piece of a file that is stored.
type run struct{ off, n int64 }

// sparseMap says which parts of a file a member holds.
type sparseMap struct {
	runs     []run
	realSize int64
}

// findHoles returns the map of a file, or nil if it has no holes.
func findHoles(f fstree.File, size int64) (*sparseMap, error) {
	m := &sparseMap{realSize: size}
	holes := false
	for x, err := range f.Extents(0, math.MaxInt64) {
		if err != nil {
			return nil, err
		}
		if x.Hole {
			holes = true
			continue
		}
		if last := len(m.runs) - 1; last >= 0 && m.runs[last].off+m.runs[last].n == x.Start {
			m.runs[last].n += x.Length
			continue
		}
		if len(m.runs) == maxRuns {
			return nil, errFragmented
		}
		m.runs = append(m.runs, run{x.Start, x.Length})
	}
	if !holes {
		return nil, nil
	}
	return m, nil
}

// encode is the map as it stands before the data: decimal numbers, a line
// each, filled up to a whole block. A file that ends with a hole has an empty
// piece at its end, as GNU tar writes it.
func (m *sparseMap) encode() []byte {
	runs := m.runs
	if n := len(runs); n == 0 || runs[n-1].off+runs[n-1].n < m.realSize {
		runs = append(runs[:n:n], run{m.realSize, 0})
	}
	b := strconv.AppendInt(nil, int64(len(runs)), 10)
	b = append(b, '\n')
	for _, r := range runs {
		b = strconv.AppendInt(b, r.off, 10)
		b = append(b, '\n')
		b = strconv.AppendInt(b, r.n, 10)
		b = append(b, '\n')
	}
	return pad(b, len(b))
}

// stored is how many bytes of the file the member holds.
func (m *sparseMap) stored() (n int64) {
	for _, r := range m.runs {
		n += r.n
	}
	return n
}
