package inorder_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/internal/inorder"
)

type result struct{ task, n int }

// produce submits n tasks, of which each has its number of results; the first ones
// take longest.
func produce(n int) func(func(inorder.Task[result]) bool) {
	return func(submit func(inorder.Task[result]) bool) {
		for i := range n {
			ok := submit(func(emit func(result) bool) {
				if i%10 == 0 {
					time.Sleep(time.Millisecond)
				}
				for j := range i {
					if !emit(result{i, j}) {
						return
					}
				}
			})
			if !ok {
				return
			}
		}
	}
}

func TestResultsComeInTheOrderOfTheTasks(t *testing.T) {
	want := result{1, 0}
	inorder.Run(t.Context(), produce(300), func(r result) bool {
		if r != want {
			t.Fatalf("%v, want %v", r, want)
		}
		if want.n++; want.n == want.task {
			want = result{want.task + 1, 0}
		}
		return true
	})
	if want.task != 300 {
		t.Errorf("the last one was before %v", want)
	}
}

func TestSeveralTasksRunAtOnce(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	var running, most atomic.Int32
	met := make(chan struct{})
	inorder.Run(t.Context(), func(submit func(inorder.Task[result]) bool) {
		for range 3 {
			submit(func(func(result) bool) {
				if n := running.Add(1); n > most.Load() {
					most.Store(n)
				}
				if running.Load() == 3 {
					close(met)
				}
				select {
				case <-met:
				case <-time.After(10 * time.Second):
				}
			})
		}
	}, func(result) bool { return true })
	if most.Load() != 3 {
		t.Errorf("%d tasks ran at once", most.Load())
	}
}

func TestARunEndsWhenNobodyWantsMore(t *testing.T) {
	before := runtime.NumGoroutine()
	seen := 0
	inorder.Run(t.Context(), produce(1000), func(result) bool { seen++; return seen < 20 })
	ctx, cancel := context.WithCancel(t.Context())
	inorder.Run(ctx, produce(1000), func(result) bool { cancel(); return true })
	if n := runtime.NumGoroutine(); seen != 20 || n > before {
		t.Errorf("%d results, %d goroutines left", seen, n-before)
	}
}

func TestWhatWaitsIsBounded(t *testing.T) {
	var begun atomic.Int64
	first := true
	inorder.Run(t.Context(), func(submit func(inorder.Task[int]) bool) {
		for range 2000 {
			if !submit(func(emit func(int) bool) { begun.Add(1); emit(0) }) {
				return
			}
		}
	}, func(int) bool {
		if first {
			first = false
			time.Sleep(100 * time.Millisecond)
			if n := begun.Load(); n > 200 {
				t.Errorf("%d tasks were done before the first result was taken", n)
			}
		}
		return true
	})
	if n := begun.Load(); n != 2000 {
		t.Errorf("%d tasks were done", n)
	}
}
