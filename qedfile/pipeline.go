package qedfile

import (
	"context"
	"iter"

	"golang.org/x/sync/errgroup"
)

// copyPiece is how many bytes the functions that copy or compare disks read
// at once: enough to make a call's own cost small, and little enough for the
// bytes to be in the processor's cache when they are looked at.
const copyPiece = 1 << 20

// inOrder calls work for every item, several at a time, and then use for the
// same items one after the other in their order. Results travel inside the
// items. The first error, in no matter which part, ends everything; no
// goroutine outlives the call. At most 2*workers+1 items are between work
// and use.
func inOrder[T any](ctx context.Context, workers int, items iter.Seq2[T, error], work func(T) error, use func(T) error) error {
	type job struct {
		item T
		done chan error
	}
	todo := make(chan *job)
	order := make(chan *job, workers)
	g, ctx := errgroup.WithContext(ctx)
	send := func(c chan<- *job, j *job) error {
		select {
		case c <- j:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	g.Go(func() error {
		defer close(order)
		defer close(todo)
		for item, err := range items {
			if err != nil {
				return err
			}
			j := &job{item, make(chan error, 1)}
			if err := send(order, j); err != nil {
				return err
			}
			if err := send(todo, j); err != nil {
				return err
			}
		}
		return nil
	})
	for range workers {
		g.Go(func() error {
			for j := range todo {
				j.done <- work(j.item)
			}
			return nil
		})
	}
	g.Go(func() error {
		for j := range order {
			select {
			case err := <-j.done:
				if err == nil {
					err = use(j.item)
				}
				if err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return g.Wait()
}
