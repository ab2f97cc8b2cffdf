package btrfs

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestChangesStandInForStoredItems compares with a plain map, over enough
// items for several parts.
func TestChangesStandInForStoredItems(t *testing.T) {
	const places = 3000
	rng := rand.New(rand.NewPCG(1, 2))
	at := func(i int) key { return key{uint64(i / 1000), uint8(i / 100 % 10), uint64(i % 100)} }
	stored, want := map[int]byte{}, map[int]byte{}
	var c changes
	for range 4000 {
		i, b := rng.IntN(places), byte(rng.Uint32())
		switch rng.IntN(3) {
		case 0:
			if _, changed := c.get(at(i)); !changed {
				stored[i], want[i] = b, b
			}
			continue
		case 1:
			want[i] = b
			_ = c.set(at(i), []byte{b})
		default:
			delete(want, i)
			_ = c.set(at(i), nil)
		}
		if b, ok := want[i]; ok {
			if got, changed := c.get(at(i)); !changed || got.data[0] != b {
				t.Fatalf("item %d is %v", i, got)
			}
		}
	}
	if len(c.parts) < 3 {
		t.Fatalf("%d parts", len(c.parts))
	}
	for range 200 {
		from, to := rng.IntN(places), rng.IntN(places)
		var expect, got []byte
		for i := from; i <= to; i++ {
			if b, ok := want[i]; ok {
				expect = append(expect, b)
			}
		}
		items := func(yield func(item, error) bool) {
			for i := from; i <= to; i++ {
				if b, ok := stored[i]; ok && !yield(item{at(i), []byte{b}}, nil) {
					return
				}
			}
		}
		for it, err := range c.over(items, at(from), at(to)) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, it.data...)
		}
		if !slices.Equal(got, expect) {
			t.Fatalf("from %d to %d: %v, want %v", from, to, got, expect)
		}
	}
}

func TestChangesBeyondTheirBudgetAreRefused(t *testing.T) {
	var c changes
	for i := range uint64(maxChanged/(1<<20) - 1) {
		if err := c.set(key{i, 1, 0}, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.set(key{99, 1, 0}, make([]byte, 2<<20)); err != errTooManyChanges {
		t.Errorf("got %v", err)
	}
}
