package mdraid_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/internal/machine"
	"github.com/qedfs/qedfs/adapters/diskfs/mdraid"
)

// sample is an array that the kernel's driver wrote.
type sample struct {
	members [][]byte
	whole   []byte // what the driver read from it
}

// committed are the samples in testdata, which kernel_test.go makes. Tests
// change copies of them.
func committed(t testing.TB) map[string]*sample {
	t.Helper()
	all, err := readCommitted()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var readCommitted = sync.OnceValues(func() (map[string]*sample, error) {
	files, err := machine.Kept("testdata/arrays.tar.zst")
	return samples(files), err
})

// samples puts the files of each array together.
func samples(files map[string][]byte) map[string]*sample {
	found := make(map[string]*sample)
	for dir, members := range machine.Members(files) {
		found[dir] = &sample{members, files[dir+"/whole"]}
	}
	return found
}

// scan finds the one array of some members, nil for one that is not there.
func scan(t testing.TB, members ...[]byte) *mdraid.Array {
	t.Helper()
	a, err := tryScan(members...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func tryScan(members ...[]byte) (*mdraid.Array, error) {
	arrays, err := mdraid.Scan(devices(members...))
	if err == nil && len(arrays) != 1 {
		err = fmt.Errorf("%d arrays", len(arrays))
	}
	if len(arrays) == 0 {
		return nil, err
	}
	return arrays[0], err
}

func devices(members ...[]byte) []mdraid.Device {
	var list []mdraid.Device
	for i, b := range members {
		if b != nil {
			list = append(list, mdraid.Device{Name: fmt.Sprintf("d%d", i), Reader: bytes.NewReader(b), Size: int64(len(b))})
		}
	}
	return list
}

func contents(a *mdraid.Array) ([]byte, error) {
	r, err := a.Open()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// redundancy is how many devices of a sample's array may be missing, at least.
func redundancy(name string, members int) int {
	switch {
	case strings.HasPrefix(name, "raid1-"):
		return members - 1
	case strings.HasPrefix(name, "raid6"):
		return 2
	case strings.HasPrefix(name, "raid10-") && strings.Contains(name, "3-"):
		return 2
	case strings.HasPrefix(name, "linear"), strings.HasPrefix(name, "raid0"):
		return 0
	}
	return 1
}

func whole(name string) bool {
	return strings.HasPrefix(name, "raid") || strings.HasPrefix(name, "linear")
}

func TestArraysHaveTheBytesThatTheKernelReads(t *testing.T) {
	checkSamples(t, committed(t))
}

func checkSamples(t *testing.T, all map[string]*sample) {
	if len(all) < 57 {
		t.Errorf("%d samples", len(all))
	}
	for name, s := range all {
		if !whole(name) && name != "bitmap" && name != "spare" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			a := scan(t, s.members...)
			if len(a.Missing) > 0 || len(a.Notes()) > 0 {
				t.Errorf("missing %v, notes %q", a.Missing, a.Notes())
			}
			if b, err := contents(a); err != nil || !bytes.Equal(b, s.whole) {
				t.Fatalf("%d bytes, %v, first difference at %d of %d", len(b), err, machine.Difference(b, s.whole), len(s.whole))
			}
			r, err := a.Open()
			if err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			for range 50 {
				off := rng.IntN(len(s.whole))
				p := bytes.Repeat([]byte{0xa5}, rng.IntN(100<<10))
				n, err := r.ReadAt(p, int64(off))
				if want := s.whole[off:min(len(s.whole), off+len(p))]; !bytes.Equal(p[:n], want) || (err == nil) != (n == len(p)) {
					t.Fatalf("%d bytes at %d: %d, %v", len(p), off, n, err)
				}
			}
		})
	}
}

func TestMissingDevicesAreComputedFromTheOthers(t *testing.T) {
	for name, s := range committed(t) {
		if !whole(name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			enough := redundancy(name, len(s.members))
			for i := range s.members {
				for j := i; j < len(s.members); j++ {
					members := slices.Clone(s.members)
					members[i], members[j] = nil, nil
					lost := 2
					if i == j {
						lost = 1
					}
					if len(devices(members...)) == 0 {
						continue
					}
					a := scan(t, members...)
					b, err := contents(a)
					switch {
					case len(a.Missing) != lost || a.Missing[0] != i || a.Missing[lost-1] != j:
						t.Errorf("without %d and %d: missing are %v", i, j, a.Missing)
					case err == nil && (len(a.Notes()) != 1 || !strings.Contains(a.Notes()[0], "missing")):
						t.Errorf("without %d and %d: notes %q", i, j, a.Notes())
					case err == nil && !bytes.Equal(b, s.whole):
						t.Errorf("without %d and %d: wrong bytes at %d of %d", i, j, machine.Difference(b, s.whole), len(s.whole))
					case err != nil && (lost <= enough || !errors.Is(err, mdraid.ErrMissing)):
						t.Errorf("without %d and %d: %v", i, j, err)
					case err == nil && lost > enough && !strings.HasPrefix(name, "raid10"):
						t.Errorf("without %d and %d: no error", i, j)
					}
				}
			}
		})
	}
}
