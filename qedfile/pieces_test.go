package qedfile_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// mappedBytes is a disk whose map shows its zero blocks of 1000 bytes.
type mappedBytes struct {
	*qedfile.Raw
	b []byte
}

func newMappedBytes(t *testing.T, rng *rand.Rand, n int) mappedBytes {
	t.Helper()
	b := make([]byte, n)
	for i := 0; i < n; i += 1000 {
		if rng.IntN(3) > 0 {
			b[i+rng.IntN(min(1000, n-i))] = 1
		}
	}
	raw, err := qedfile.NewRaw(backend.NewMemory(b))
	if err != nil {
		t.Fatal(err)
	}
	return mappedBytes{raw, b}
}

func (d mappedBytes) Extents(off, n int64) func(func(qedfile.Extent, error) bool) {
	return func(yield func(qedfile.Extent, error) bool) {
		for end := min(off+n, d.Size()); off < end; {
			e := qedfile.Extent{Start: off, Length: min(1000-off%1000, end-off), Kind: qedfile.Data}
			if off >= int64(len(d.b)) || bytes.Count(d.b[off:min(off+e.Length, int64(len(d.b)))], []byte{1}) == 0 {
				e.Kind = qedfile.Zero
			}
			if !yield(e, nil) {
				return
			}
			off += e.Length
		}
	}
}

func TestPiecesAreAllThatIsNotZero(t *testing.T) {
	rng := oracle.Seed(t)
	for range 50 {
		d := newMappedBytes(t, rng, 512*(1+rng.IntN(100)))
		got := make([]byte, len(d.b))
		size := int64(1 + rng.IntN(5000))
		var places []int64
		var prepared, finished atomic.Int64
		var last int64
		err := qedfile.Pieces(context.Background(), d, qedfile.PieceStages{
			Prepare: func(*qedfile.Piece) error { prepared.Add(1); return nil },
			Place:   func(p *qedfile.Piece) error { places = append(places, p.Offset); return nil },
			Finish: func(p *qedfile.Piece) error {
				finished.Add(1)
				for off, b := range p.Runs(512) {
					copy(got[p.Offset+off:], b)
				}
				return nil
			},
		}, &qedfile.PieceOptions{Size: size, Workers: 1 + rng.IntN(4), Progress: func(done, total int64) {
			if done < last || total != d.Size() {
				t.Errorf("progress %d of %d after %d", done, total, last)
			}
			last = done
		}})
		if err != nil || !bytes.Equal(got, d.b) {
			t.Fatalf("pieces of %d bytes: %v, or a difference", size, err)
		}
		if !slices.IsSorted(places) || len(slices.Compact(slices.Clone(places))) != len(places) {
			t.Fatalf("pieces of %d bytes came in the order %v", size, places)
		}
		for _, off := range places {
			if end := min(off+size, d.Size()); off%size != 0 || bytes.Count(d.b[off:end], []byte{1}) == 0 {
				t.Fatalf("the piece at %d of %d bytes holds nothing", off, size)
			}
		}
		if n := int64(len(places)); prepared.Load() != n || finished.Load() != n || last != d.Size() {
			t.Fatalf("%d pieces were prepared, %d placed, %d finished; progress ends at %d", prepared.Load(), n, finished.Load(), last)
		}
	}
}

func TestPiecesEndWithTheFirstError(t *testing.T) {
	fault := errors.New("a fault")
	d := newMappedBytes(t, rand.New(rand.NewPCG(1, 1)), 51200)
	for i, s := range []qedfile.PieceStages{
		{Prepare: func(*qedfile.Piece) error { return fault }},
		{Place: func(*qedfile.Piece) error { return fault }},
		{Finish: func(*qedfile.Piece) error { return fault }},
	} {
		if err := qedfile.Pieces(context.Background(), d, s, nil); !errors.Is(err, fault) {
			t.Errorf("stage %d failed, and Pieces returns %v", i, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := qedfile.Pieces(ctx, d, qedfile.PieceStages{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: %v", err)
	}
}
