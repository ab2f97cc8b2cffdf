package lvm

import (
	"slices"
	"testing"

	"github.com/qedfs/qedfs/backend"
)

// told keeps what a device is told.
type told struct {
	zeroes
	ranges []backend.Range
}

func (d *told) Prefetch(ranges []backend.Range) { d.ranges = append(d.ranges, ranges...) }
func (d *told) Prefetches() bool                { return true }

func TestWhatIsAnnouncedOfAVolumeReachesItsDevices(t *testing.T) {
	a, b := &told{}, &told{}
	m := mapped{{start: 0, length: 100, r: a}, {start: 100, length: 50, r: zeroes{}}, {start: 150, length: 100, r: b}}
	m.Prefetch([]backend.Range{{Off: 90, Len: 1 << 40}, {Off: 10, Len: 5}, {Off: -1, Len: 5}, {Off: 250, Len: 1}, {Off: 249, Len: 1}})
	if want := []backend.Range{{Off: 90, Len: 10}, {Off: 10, Len: 5}}; !slices.Equal(a.ranges, want) {
		t.Errorf("the first is told %v, want %v", a.ranges, want)
	}
	if want := []backend.Range{{Off: 0, Len: 100}, {Off: 99, Len: 1}}; !slices.Equal(b.ranges, want) {
		t.Errorf("the last is told %v, want %v", b.ranges, want)
	}
	if !m.Prefetches() || (mapped{{length: 100, r: zeroes{}}}).Prefetches() {
		t.Error("whether anybody listens is wrong")
	}
}
