package recent_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/qedfs/qedfs/backend/recent"
)

// counted makes values and counts how often it did for each key.
type counted struct {
	c    *recent.Cache[int, string]
	made map[int]int
}

func newCounted(budget int64) *counted {
	return &counted{recent.New[int, string](budget), make(map[int]int)}
}

func (c *counted) get(t *testing.T, key int, cost int64) {
	t.Helper()
	got, err := c.c.Get(key, cost, func() (string, error) {
		c.made[key]++
		return fmt.Sprint(key), nil
	})
	if err != nil || got != fmt.Sprint(key) {
		t.Errorf("Get(%d) = %q, %v", key, got, err)
	}
}

func (c *counted) wantMade(t *testing.T, key, want int) {
	t.Helper()
	if got := c.made[key]; got != want {
		t.Errorf("%d was made %d times, want %d", key, got, want)
	}
}

func TestWhatWasNotUsedForLongestGoes(t *testing.T) {
	c := newCounted(30)
	for _, key := range []int{1, 2, 3, 1, 4, 1, 3} { // 4 takes the place of 2
		c.get(t, key, 10)
	}
	for key := range 5 {
		c.wantMade(t, key, min(key, 1))
	}
	c.get(t, 2, 10) // and 2 that of 4
	c.get(t, 1, 10)
	c.get(t, 3, 10)
	c.wantMade(t, 1, 1)
	c.wantMade(t, 3, 1)
	c.get(t, 4, 10)
	c.wantMade(t, 2, 2)
	c.wantMade(t, 4, 2)
}

func TestCostsAreCounted(t *testing.T) {
	c := newCounted(30)
	c.get(t, 1, 10)
	c.get(t, 2, 10)
	c.get(t, 3, 20) // in the place of 1
	c.get(t, 2, 10)
	c.get(t, 3, 20)
	c.wantMade(t, 2, 1)
	c.wantMade(t, 3, 1)
	c.get(t, 1, 10)
	c.wantMade(t, 1, 2)
	c.get(t, 9, 1000) // larger than the budget: alone, until the next
	c.get(t, 9, 1000)
	c.wantMade(t, 9, 1)
	c.get(t, 1, 10)
	c.get(t, 9, 1000)
	c.wantMade(t, 1, 3)
	c.wantMade(t, 9, 2)
}

func TestFailuresAreNotKept(t *testing.T) {
	c := newCounted(20)
	c.get(t, 1, 10)
	bad := errors.New("bad")
	for range 3 { // they do not take room either
		if _, err := c.c.Get(7, 10, func() (string, error) { return "", bad }); err != bad {
			t.Fatalf("Get gives %v", err)
		}
	}
	c.get(t, 2, 10)
	c.get(t, 1, 10)
	c.wantMade(t, 1, 1)
	c.get(t, 7, 10)
	c.wantMade(t, 7, 1)
}

func TestClear(t *testing.T) {
	c := newCounted(20)
	c.get(t, 1, 10)
	c.get(t, 2, 10)
	c.c.Clear()
	for range 2 { // all of the budget is there again
		c.get(t, 1, 10)
		c.get(t, 3, 10)
	}
	c.wantMade(t, 1, 2)
	c.wantMade(t, 3, 1)
}

func TestThoseWhoWaitGetOneValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := recent.New[int, int](100)
		var made atomic.Int64
		goOn := make(chan struct{})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				v, err := c.Get(1, 1, func() (int, error) {
					<-goOn
					return int(made.Add(1)), nil
				})
				if v != 1 || err != nil {
					t.Errorf("Get = %d, %v", v, err)
				}
			})
		}
		synctest.Wait()
		// Another key does not wait.
		if v, err := c.Get(2, 1, func() (int, error) { return 5, nil }); v != 5 || err != nil {
			t.Errorf("another key: %d, %v", v, err)
		}
		close(goOn)
		all.Wait()
	})
}

// What is cleared or driven out while it is made still reaches its waiters.
func TestDroppedWhileMade(t *testing.T) {
	for _, fail := range []error{nil, errors.New("failed")} {
		synctest.Test(t, func(t *testing.T) {
			c := recent.New[int, int](10)
			goOn := make(chan struct{})
			var all sync.WaitGroup
			for range 2 {
				all.Go(func() {
					_, err := c.Get(1, 10, func() (int, error) { <-goOn; return 1, fail })
					if err != fail {
						t.Errorf("Get gives %v, want %v", err, fail)
					}
				})
			}
			synctest.Wait()
			c.Get(2, 10, func() (int, error) { return 2, nil })
			close(goOn)
			all.Wait()
			again := false
			c.Get(2, 10, func() (int, error) { again = true; return 2, nil })
			if again {
				t.Error("what was driven out drove out another")
			}
		})
	}
}

func TestPanicReleasesThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := recent.New[int, int](10)
		goOn := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			defer func() {
				if recover() != "oh" {
					t.Error("the panic did not come through")
				}
			}()
			c.Get(1, 1, func() (int, error) { <-goOn; panic("oh") })
		})
		synctest.Wait()
		all.Go(func() {
			if _, err := c.Get(1, 1, func() (int, error) { return 0, nil }); err != recent.ErrPanicked {
				t.Errorf("who waited gets %v", err)
			}
		})
		synctest.Wait()
		close(goOn)
		all.Wait()
		if v, err := c.Get(1, 1, func() (int, error) { return 3, nil }); v != 3 || err != nil {
			t.Errorf("after the panic: %d, %v", v, err)
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	c := recent.New[int, int](50)
	var all sync.WaitGroup
	for i := range 8 {
		rnd := rand.New(rand.NewPCG(uint64(i), 1))
		all.Go(func() {
			for range 2000 {
				key := rnd.IntN(20)
				v, err := c.Get(key, 10, func() (int, error) {
					if rnd.IntN(10) == 0 {
						return 0, errors.New("now and then")
					}
					return key, nil
				})
				if err == nil && v != key {
					t.Errorf("key %d has %d", key, v)
				}
				if rnd.IntN(100) == 0 {
					c.Clear()
				}
			}
		})
	}
	all.Wait()
}
