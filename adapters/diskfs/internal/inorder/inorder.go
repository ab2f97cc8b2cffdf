// Package inorder does work on several goroutines and hands out what comes of it
// in the order in which the work was given.
package inorder

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"
)

const (
	ahead   = 64 // tasks that are begun or wait before the one whose turn it is
	pending = 64 // results of one task that wait for its turn
)

// Task is a piece of work. It hands out results by emit, which returns false
// when nobody wants more of them.
type Task[T any] func(emit func(T) bool)

// Run calls produce, which submits tasks, and yields their results: those of one
// task after the other, in the order of their submission. submit and yield
// return false when the run is over. All goroutines have ended when Run returns.
// What is held is bounded, whatever the number of tasks and of their results.
func Run[T any](ctx context.Context, produce func(submit func(Task[T]) bool), yield func(T) bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	order := make(chan *run[T], ahead)
	work := make(chan *run[T], ahead)
	var g errgroup.Group
	g.Go(func() error {
		defer close(order)
		defer close(work)
		produce(func(t Task[T]) bool {
			r := &run[T]{t, make(chan T, pending)}
			select {
			case order <- r:
			case <-ctx.Done():
				return false
			}
			select {
			case work <- r:
				return true
			case <-ctx.Done():
				return false
			}
		})
		return nil
	})
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			for r := range work {
				r.do(ctx)
			}
			return nil
		})
	}
	consume(ctx, order, yield)
	cancel()
	_ = g.Wait() // none of them returns an error
}

// consume yields the results. Tasks are begun in the order of their turns, so
// that the one whose turn it is never waits for another.
func consume[T any](ctx context.Context, order <-chan *run[T], yield func(T) bool) {
	for r := range order {
		for more := true; more; {
			var v T
			select {
			case v, more = <-r.results:
			case <-ctx.Done():
				return
			}
			if more && !yield(v) {
				return
			}
		}
	}
}

// run is a task and what comes of it.
type run[T any] struct {
	task    Task[T]
	results chan T
}

func (r *run[T]) do(ctx context.Context) {
	defer close(r.results)
	if ctx.Err() != nil {
		return
	}
	r.task(func(v T) bool {
		select {
		case r.results <- v:
			return true
		case <-ctx.Done():
			return false
		}
	})
}
