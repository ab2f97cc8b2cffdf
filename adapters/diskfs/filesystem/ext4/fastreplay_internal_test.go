package ext4

import (
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// A byte a block is the model: painting the ranges one after another.
func TestPaintedRangesShowTheLastOfEachBlock(t *testing.T) {
	rng := oracle.Seed(t)
	for range 200 {
		const blocks = 64
		var model [blocks]fastRange
		var list []fastRange
		for i := range rng.IntN(30) {
			lo := rng.Uint64N(blocks)
			r := fastRange{lo, lo + 1 + rng.Uint64N(blocks-lo), uint64(1000 * (i + 1)), i%2 == 0}
			list = append(list, r)
			for b := r.logical; b < r.end; b++ {
				model[b] = fastRange{b, b + 1, r.physical + b - r.logical, r.stored}
			}
		}
		var got [blocks]fastRange
		end := uint64(0)
		for _, r := range paint(list) {
			if r.logical < end || r.end <= r.logical {
				t.Fatalf("%v: range %v out of order", list, r)
			}
			for end = r.logical; end < r.end; end++ {
				got[end] = fastRange{end, end + 1, r.physical + end - r.logical, r.stored}
			}
		}
		if got != model {
			t.Fatalf("%v\nis painted %v\nnot        %v", list, got, model)
		}
	}
}
