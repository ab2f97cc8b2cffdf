package qedfile

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"sync"
)

// PieceOptions say how [Pieces] reads a disk.
type PieceOptions struct {
	// Size is how many bytes a piece has; the last one of the disk may have
	// fewer. Zero means 256 KiB, which suits processors' caches.
	Size int64
	// Workers is how many pieces are in work at once; 0 means one for each
	// processor, 2 to 4.
	Workers int
	// Progress is called with the bytes of the disk that are done, and their
	// number.
	Progress func(done, total int64)
	// Own hands out the pieces in which the source, which must be a [Layer],
	// stores anything itself, if only zeroes: for an image over the same
	// backing file.
	Own bool
}

// A Piece is a part of a disk that holds something, at a multiple of the size
// of pieces.
type Piece struct {
	Offset int64
	Bytes  []byte // valid until the last stage returns
	Packed []byte // for what a stage makes of the bytes; recycled with the piece
	At     int64  // for the place that a stage finds
	Work   any    // for whatever else the stages keep; recycled with the piece
	zero   bool
}

// PieceStages are what is done with a piece, one after the other. Any may be
// nil. Prepare and Finish work on several pieces at a time, Place on one after
// the other in the order of the disk.
type PieceStages struct {
	Prepare, Place, Finish func(*Piece) error
}

// Pieces hands what a disk holds to the stages: all pieces in which not every
// byte is zero. It is for those who write a disk in another format: the pieces
// are read, and worked on, in parallel, and yet get their places in order. The
// first error ends it.
func Pieces(ctx context.Context, src Disk, s PieceStages, opts *PieceOptions) error {
	var o PieceOptions
	if opts != nil {
		o = *opts
	}
	size := cmp.Or(o.Size, copyPiece)
	if o.Workers <= 0 {
		o.Workers = defaultWorkers()
	}
	var pool sync.Pool
	total := src.Size()
	parts := spans(ctx, src, 0, total)
	if o.Own {
		own, ok := src.(Layer)
		if !ok {
			return fmt.Errorf("qedfile: %w: the source has no layers", ErrUnsupported)
		}
		parts = func(yield func(span, error) bool) {
			for s, err := range ownSpans(ctx, own) {
				s.data = true
				if !yield(s, err) {
					return
				}
			}
		}
	}
	unlessZero := func(stage func(*Piece) error) func(*Piece) error {
		return func(p *Piece) error {
			if p.zero || stage == nil {
				return nil
			}
			return stage(p)
		}
	}
	offsets := func(yield func(*Piece, error) bool) {
		for off, err := range pieceOffsets(parts, size) {
			p, _ := pool.Get().(*Piece)
			if p == nil {
				p = &Piece{Bytes: make([]byte, size)}
			}
			p.Offset, p.zero, p.Bytes = off, false, p.Bytes[:min(size, total-off)]
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
	err := inOrder(ctx, o.Workers, offsets, stages[*Piece]{
		before: func(p *Piece) error {
			if _, err := readDisk(src, p.Bytes, p.Offset); err != nil {
				return fmt.Errorf("read %d bytes at %d: %w", len(p.Bytes), p.Offset, err)
			}
			p.zero = !o.Own && isZero(p.Bytes)
			return unlessZero(s.Prepare)(p)
		},
		inTurn: func(p *Piece) error {
			if o.Progress != nil {
				o.Progress(p.Offset+int64(len(p.Bytes)), total)
			}
			return unlessZero(s.Place)(p)
		},
		after: func(p *Piece) error {
			err := unlessZero(s.Finish)(p)
			pool.Put(p)
			return err
		},
	})
	if err == nil && o.Progress != nil {
		o.Progress(total, total)
	}
	return err
}

// Runs yields the parts of a piece that are not zeroes, in blocks of grain
// bytes, by their offsets in the piece.
func (p *Piece) Runs(grain int64) iter.Seq2[int64, []byte] {
	return func(yield func(int64, []byte) bool) {
		for _, r := range dataRuns(nil, p.Bytes, 0, grain) {
			if r.data && !yield(r.off, p.Bytes[r.off:r.off+r.n]) {
				return
			}
		}
	}
}

// pieceOffsets yields the multiples of size at which pieces lie that spans of
// data touch, each once.
func pieceOffsets(parts iter.Seq2[span, error], size int64) iter.Seq2[int64, error] {
	return func(yield func(int64, error) bool) {
		next := int64(0)
		for s, err := range parts {
			if err != nil {
				yield(0, err)
				return
			}
			if !s.data {
				continue
			}
			for off := max(next, s.off/size*size); off < s.off+s.n; off += size {
				if !yield(off, nil) {
					return
				}
				next = off + size
			}
		}
	}
}
