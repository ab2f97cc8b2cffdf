package qedfile_test

import (
	"encoding/binary"
	"io"
	"testing"

	"github.com/qedfs/qedfs/backend"
)

// verdict is what the rules of the specification say about the tables of an
// image file, found without the package under test.
type verdict struct {
	corruptions, leaks int
	dirty              bool
	why                string // of the first corruption
}

func findings(tb testing.TB, s backend.Reader) verdict {
	tb.Helper()
	size, err := s.Size()
	if err != nil {
		tb.Fatal(err)
	}
	file := make([]byte, size)
	if _, err := s.ReadAt(file, 0); err != nil && err != io.EOF {
		tb.Fatal(err)
	}
	le := binary.LittleEndian
	cluster, table := uint64(le.Uint32(file[4:])), uint64(le.Uint32(file[8:]))
	clusters := uint64(size+511) / 512 * 512 / cluster
	v := verdict{dirty: file[16]&2 != 0}
	used := make([]bool, clusters)
	used[0] = true
	claim := func(off, n uint64, what string) bool {
		if off%cluster != 0 || off < cluster || off/cluster+n > clusters {
			v.corruptions++
			v.why = what + " is invalid"
			return false
		}
		for i := off / cluster; i < off/cluster+n; i++ {
			if used[i] {
				v.corruptions++
				v.why = what + " is shared"
				return false
			}
			used[i] = true
		}
		return true
	}
	entry := func(off uint64) uint64 {
		if off+8 > uint64(len(file)) {
			return 0
		}
		return le.Uint64(file[off:])
	}
	l1 := le.Uint64(file[40:])
	claim(l1, table, "L1 table")
	for i := range table * cluster / 8 {
		l2 := entry(l1 + 8*i)
		if l2 == 0 || !claim(l2, table, "L2 table") {
			continue
		}
		for k := range table * cluster / 8 {
			if e := entry(l2 + 8*k); e > 1 {
				claim(e, 1, "cluster")
			}
		}
	}
	for _, u := range used {
		if !u {
			v.leaks++
		}
	}
	return v
}
