package qedfile

import (
	"context"
	"iter"

	"golang.org/x/sync/errgroup"
)

// copyPiece is how many bytes the functions that copy or compare disks read
// at once: enough to make a call's own cost small, and little enough for the
// bytes to be in the processor's cache when they are looked at. (Writes of 1 MiB
// have Linux look for as much memory in one piece, which can take twice as long
// as to fill it.)
const copyPiece = 256 << 10

// stages are what is done with an item, one after the other, by one goroutine.
// Any but inTurn may be nil. Results travel inside the items.
type stages[T any] struct {
	before func(T) error // several items at a time
	inTurn func(T) error // one item at a time, in their order
	after  func(T) error // several at a time again
}

// inOrder takes items through their stages, as many at a time as there are
// workers. The first error, in no matter which part, ends everything; no
// goroutine outlives the call. An item that had its turn is brought to its
// end.
func inOrder[T any](ctx context.Context, workers int, items iter.Seq2[T, error], s stages[T]) error {
	type job struct {
		item       T
		turn, next chan struct{} // closed when it is this item's turn, and the next one's
	}
	todo := make(chan job)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(todo)
		turn := make(chan struct{})
		close(turn)
		for item, err := range items {
			if err != nil {
				return err
			}
			j := job{item, turn, make(chan struct{})}
			select {
			case todo <- j:
			case <-ctx.Done():
				return ctx.Err()
			}
			turn = j.next
		}
		return nil
	})
	run := func(j job) error {
		if s.before != nil {
			if err := s.before(j.item); err != nil {
				return err
			}
		}
		select {
		case <-j.turn:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := s.inTurn(j.item); err != nil {
			return err
		}
		close(j.next)
		if s.after != nil {
			return s.after(j.item)
		}
		return nil
	}
	for range workers {
		g.Go(func() error {
			for j := range todo {
				if err := run(j); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}
