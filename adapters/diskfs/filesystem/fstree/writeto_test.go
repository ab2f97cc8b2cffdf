package fstree_test

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// pieces is a file of many runs, some of them holes.
type pieces struct {
	data []byte // zero in holes
	runs []fstree.Extent
	bad  int64 // reads that reach it fail, if it is not 0
}

var errPiece = errors.New("bad piece")

func (p *pieces) Size() int64 { return int64(len(p.data)) }

func (p *pieces) ReadAt(b []byte, off int64) (int, error) {
	if p.bad > 0 && off+int64(len(b)) > p.bad {
		n := copy(b, p.data[off:max(p.bad, off)])
		return n, errPiece
	}
	if n := copy(b, p.data[off:]); n < len(b) {
		return n, io.EOF
	}
	return len(b), nil
}

func (p *pieces) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		for _, x := range p.runs {
			start, end := max(x.Start, off), min(x.Start+x.Length, off+n)
			if start < end && !yield(fstree.Extent{Start: start, Length: end - start, Hole: x.Hole, Offset: -1}, nil) {
				return
			}
		}
	}
}

// piecesFS has one file of pieces.
type piecesFS struct {
	*memory
	content *pieces
}

func (f piecesFS) Open(fstree.ID) (fstree.Content, error) { return f.content, nil }

// chunks counts writes.
type chunks struct {
	bytes.Buffer
	n int
}

func (c *chunks) Write(p []byte) (int, error) { c.n++; return c.Buffer.Write(p) }

func TestRunsInManyPiecesAreWrittenAsOne(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 50 {
		p := &pieces{}
		for range 1 + rng.IntN(60) {
			n := 1 + rng.Int64N(100_000)
			x := fstree.Extent{Start: p.Size(), Length: n, Hole: rng.IntN(3) == 0}
			run := make([]byte, n)
			if !x.Hole {
				for i := range run {
					run[i] = byte(rng.Uint32())
				}
			}
			p.data, p.runs = append(p.data, run...), append(p.runs, x)
		}
		m := newMemory()
		m.put(m.Root(), "file", 0o644, "")
		f, err := fstree.New(piecesFS{m, p}).Open("file")
		if err != nil {
			t.Fatal(err)
		}
		from := rng.Int64N(p.Size())
		if _, err := f.(io.Seeker).Seek(from, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		var out chunks
		n, err := f.(io.WriterTo).WriteTo(&out)
		if err != nil || n != p.Size()-from || !bytes.Equal(out.Bytes(), p.data[from:]) {
			t.Fatalf("seed %d: %d of %d bytes, %v, or others", seed, n, p.Size()-from, err)
		}
		holes := 0
		for _, x := range p.runs {
			if x.Hole && x.Length >= 64<<10 {
				holes++
			}
		}
		if most := int(n>>18) + 2 + 2*holes; out.n > most {
			t.Errorf("seed %d: %d writes, want at most %d", seed, out.n, most)
		}
	}
}

func TestWhatIsBeforeABadPieceIsWritten(t *testing.T) {
	p := &pieces{data: bytes.Repeat([]byte("x"), 1<<20), bad: 600_000}
	p.runs = []fstree.Extent{{Length: 300_000}, {Start: 300_000, Length: 300_000}, {Start: 600_000, Length: 1<<20 - 600_000}}
	m := newMemory()
	m.put(m.Root(), "file", 0o644, "")
	f, err := fstree.New(piecesFS{m, p}).Open("file")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	n, err := f.(io.WriterTo).WriteTo(&out)
	if !errors.Is(err, errPiece) || n != int64(out.Len()) || n != 600_000 {
		t.Errorf("%d bytes, %d written, %v", n, out.Len(), err)
	}
}
