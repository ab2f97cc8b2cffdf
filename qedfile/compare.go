package qedfile

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
)

// CompareOptions says how Compare compares.
type CompareOptions struct {
	// Strict also demands the same size, and that both disks store the same
	// parts: qemu-img's -s.
	Strict bool
	// Workers is how many pieces are read at once; 0 means one for each
	// processor, 2 to 4.
	Workers int
	// Progress is called with the bytes that are done, and their number.
	Progress func(done, total int64)
}

// Mismatch says in what two disks differ.
type Mismatch uint8

const (
	// Identical disks show the same bytes. They may differ in size when
	// what one has more is zeroes.
	Identical Mismatch = iota
	// ContentMismatch is a byte that differs.
	ContentMismatch
	// SizeMismatch is reported by a strict comparison only.
	SizeMismatch
	// StatusMismatch is a part that one disk stores and the other does not,
	// reported by a strict comparison only.
	StatusMismatch
)

// Comparison is the result of Compare.
type Comparison struct {
	Mismatch Mismatch
	Offset   int64 // the first byte that differs, or -1
}

// Compare compares the bytes of two disks, as qemu-img compare does: what the
// longer has more must be zeroes, or it differs. Parts that neither disk
// stores are not looked at.
func Compare(ctx context.Context, a, b Disk, opts *CompareOptions) (Comparison, error) {
	if opts == nil {
		opts = &CompareOptions{}
	}
	if opts.Strict && a.Size() != b.Size() {
		return Comparison{SizeMismatch, -1}, nil
	}
	size := max(a.Size(), b.Size())
	c := &comparer{a: padded{a, size}, b: padded{b, size}, size: size, progress: opts.Progress}
	c.buffers.New = func() any { b := make([]byte, 2*copyPiece); return &b }
	c.result = Comparison{Identical, -1}
	if opts.Strict {
		if err := c.compareKinds(ctx); err != nil {
			return Comparison{}, failed("compare", err)
		}
	}
	workers := opts.Workers
	if workers <= 0 {
		workers = defaultWorkers()
	}
	err := inOrder(ctx, workers, c.pairs(ctx), stages[*pair]{before: c.compare, inTurn: c.judge})
	if err != nil && !errors.Is(err, errDiffer) {
		return Comparison{}, failed("compare", err)
	}
	return c.result, nil
}

// errDiffer ends a comparison whose result is known.
var errDiffer = errorf("disks differ")

type comparer struct {
	a, b     padded
	size     int64 // where to stop
	progress func(done, total int64)
	buffers  sync.Pool // of *[]byte, 2*copyPiece long
	result   Comparison
}

// compareKinds finds the first part that the disks store differently. Only
// what lies before it has to be read.
func (c *comparer) compareKinds(ctx context.Context) error {
	for k, err := range bothKinds(ctx, c.a, c.b) {
		if err != nil {
			return err
		}
		if k.a != k.b || k.holes {
			c.result = Comparison{StatusMismatch, k.off}
			c.size = k.off
			return nil
		}
	}
	return nil
}

// A pair is a part of both disks that has to be looked at, and the first
// byte in which it differs, or -1.
type pair struct {
	span
	differs int64
}

func (c *comparer) pairs(ctx context.Context) iter.Seq2[*pair, error] {
	stored := func(yield func(span, error) bool) {
		for k, err := range bothKinds(ctx, c.a, c.b) {
			if k.off >= c.size || !yield(span{k.off, k.n, k.a == Data || k.b == Data}, err) {
				return
			}
		}
	}
	return func(yield func(*pair, error) bool) {
		for s, err := range cut(join(stored), copyPiece) {
			if !yield(&pair{s, -1}, err) || err != nil {
				return
			}
		}
	}
}

func (c *comparer) compare(p *pair) error {
	if !p.data {
		return nil
	}
	buf := c.buffers.Get().(*[]byte)
	defer c.buffers.Put(buf)
	a, b := (*buf)[:p.n], (*buf)[copyPiece:][:p.n]
	if _, err := readDisk(c.a, a, p.off); err != nil {
		return fmt.Errorf("read first disk at %d: %w", p.off, err)
	}
	if _, err := readDisk(c.b, b, p.off); err != nil {
		return fmt.Errorf("read second disk at %d: %w", p.off, err)
	}
	if at := firstDifference(a, b); at >= 0 {
		p.differs = p.off + int64(at)
	}
	return nil
}

func (c *comparer) judge(p *pair) error {
	if p.differs >= 0 {
		c.result = Comparison{ContentMismatch, p.differs}
		return errDiffer
	}
	if c.progress != nil {
		c.progress(p.off+p.n, c.size)
	}
	return nil
}
