package lvm_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/internal/machine"
	"github.com/qedfs/qedfs/adapters/diskfs/lvm"
)

// sample is a group that LVM made and device-mapper wrote to.
type sample struct {
	devices [][]byte
	volumes map[string][]byte // what device-mapper read from each
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
	files, err := machine.Kept("testdata/groups.tar.zst")
	return samples(files), err
})

// samples puts the files of each group together.
func samples(files map[string][]byte) map[string]*sample {
	found := make(map[string]*sample)
	for dir, devices := range machine.Members(files) {
		found[dir] = &sample{devices, make(map[string][]byte)}
	}
	for name, b := range files {
		if dir, volume, ok := strings.Cut(name, "/lv/"); ok {
			found[dir].volumes[volume] = b
		}
	}
	return found
}

func TestVolumesHaveTheBytesThatDeviceMapperReads(t *testing.T) {
	checkSamples(t, committed(t))
}

func checkSamples(t *testing.T, all map[string]*sample) {
	if len(all) < 9 {
		t.Errorf("%d samples", len(all))
	}
	for name, s := range all {
		t.Run(name, func(t *testing.T) {
			g := scan(t, s.devices...)
			if len(g.Volumes) < len(s.volumes) {
				t.Errorf("%d volumes of %d", len(g.Volumes), len(s.volumes))
			}
			for _, v := range g.Volumes {
				want, ok := s.volumes[v.Name]
				if !ok {
					if _, err := contents(t, g, v.Name); !errors.Is(err, lvm.ErrPool) {
						t.Errorf("%s: %v", v.Name, err)
					}
					continue
				}
				if len(want) == 0 { // could not be read there
					if _, err := contents(t, g, v.Name); err == nil || !strings.Contains(err.Error(), "its store was full") {
						t.Errorf("%s: %v", v.Name, err)
					}
					continue
				}
				b, err := contents(t, g, v.Name)
				if err != nil || !bytes.Equal(b, want) {
					t.Errorf("%s: %d bytes, %v, first difference at %d of %d", v.Name, len(b), err, machine.Difference(b, want), len(want))
					continue
				}
				if stale := name == "stale"; stale != (len(v.Notes()) > 0) {
					t.Errorf("%s: notes %q", v.Name, v.Notes())
				}
				pieces(t, v, want)
			}
		})
	}
}

// pieces reads a volume here and there.
func pieces(t *testing.T, v *lvm.Volume, want []byte) {
	t.Helper()
	r, err := v.Open()
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		off := rng.IntN(len(want))
		p := bytes.Repeat([]byte{0xa5}, rng.IntN(100<<10))
		n, err := r.ReadAt(p, int64(off))
		if want := want[off:min(len(want), off+len(p))]; !bytes.Equal(p[:n], want) || (err == nil) != (n == len(p)) {
			t.Fatalf("%s: %d bytes at %d: %d, %v", v.Name, len(p), off, n, err)
		}
	}
}
