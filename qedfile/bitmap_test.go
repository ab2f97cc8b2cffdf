package qedfile

import (
	"errors"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

func TestSparseBitmapIsLikeADenseOne(t *testing.T) {
	rng := oracle.Seed(t)
	const n = 200_000
	for range rounds(20) {
		dense, sparse := newBitmap(n), newBitmap(denseBits+1)
		sparse.n = n
		model := map[int64]bool{}
		for range 300 {
			i := rng.Int64N(n)
			if rng.IntN(3) == 0 {
				i = n - 1 - rng.Int64N(70)
			}
			switch rng.IntN(3) {
			case 0:
				for _, m := range []*bitmap{dense, sparse} {
					if fresh, err := m.set(i); err != nil || fresh == model[i] {
						t.Fatalf("set(%d) is %v, %v", i, fresh, err)
					}
				}
				model[i] = true
			case 1:
				dense.clear(i)
				sparse.clear(i)
				delete(model, i)
			default:
				k := 1 + rng.Int64N(min(200, n-i))
				free := true
				for c := i; c < i+k; c++ {
					free = free && !model[c]
				}
				if dense.setRun(i, k) != free {
					t.Fatalf("setRun(%d, %d) is not %v", i, k, free)
				}
				for c := i; c < i+k && free; c++ {
					model[c] = true
					if _, err := sparse.set(c); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		end := int64(0)
		for i := range model {
			end = max(end, i+1)
		}
		for _, m := range []*bitmap{dense, sparse} {
			if m.count != int64(len(model)) || m.end() != end {
				t.Fatalf("count %d and end %d, want %d and %d", m.count, m.end(), len(model), end)
			}
		}
		for range 200 {
			i := rng.Int64N(n)
			if dense.has(i) != model[i] || sparse.has(i) != model[i] {
				t.Fatalf("has(%d) is not %v", i, model[i])
			}
			if a, b := dense.nextSet(i), sparse.nextSet(i); a != b {
				t.Fatalf("nextSet(%d) is %d and %d", i, a, b)
			}
			if a, b := dense.nextClear(i), sparse.nextClear(i); a != b || model[a] {
				t.Fatalf("nextClear(%d) is %d and %d", i, a, b)
			}
		}
	}
}

func TestBitmapOfAHugeSparseFileTakesLittleMemory(t *testing.T) {
	m := newBitmap(1 << 51) // 8 EiB of clusters of 4 KiB
	for i := range int64(1000) {
		if fresh, err := m.set(i << 40); err != nil || !fresh {
			t.Fatal(err)
		}
	}
	if len(m.pages) != 1000 || m.nextSet(1) != 1<<40 || m.nextClear(1<<40) != 1<<40+1 || m.nextSet(999<<40+1) != m.n {
		t.Errorf("%d pages", len(m.pages))
	}
}

func TestBitmapEndsBeforeMemoryDoes(t *testing.T) {
	m := newBitmap(1 << 51)
	// As if all pages were in use.
	for i := range maxSparsePages {
		m.pages[-1-i] = nil
	}
	if _, err := m.set(0); !errors.Is(err, errBitmapFull) {
		t.Errorf("error %v", err)
	}
}
