package recent

import (
	"container/list"
	"errors"
	"sync"
)

// ErrPanicked is the error of those who waited for a value whose making
// panicked.
var ErrPanicked = errors.New("recent: making the value panicked")

// Cache keeps values by their keys, up to a budget. New makes one.
type Cache[K comparable, V any] struct {
	budget int64

	mu     sync.Mutex
	cost   int64 // of all values
	values map[K]*value[K, V]
	order  list.List // of *value[K, V], the last used in front
}

// value is there once it is done, and does not change after that.
type value[K comparable, V any] struct {
	key   K
	cost  int64
	done  chan struct{}
	v     V
	err   error
	place *list.Element // nil once it was dropped
}

// New returns an empty cache for values that cost budget bytes together.
func New[K comparable, V any](budget int64) *Cache[K, V] {
	return &Cache[K, V]{budget: budget, values: make(map[K]*value[K, V])}
}

// Get returns the value of a key. If it is not there, load makes it, and what
// that returns is kept at the given cost in bytes unless it is an error.
func (c *Cache[K, V]) Get(key K, cost int64, load func() (V, error)) (V, error) {
	e, missed := c.find(key, cost)
	if !missed {
		<-e.done
		return e.v, e.err
	}
	e.err = ErrPanicked
	defer c.settle(e) // also where load panics
	e.v, e.err = load()
	return e.v, e.err
}

// find returns the entry of a key, and whether it is new, so that the caller has
// to make its value.
func (c *Cache[K, V]) find(key K, cost int64) (e *value[K, V], missed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.values[key]; e != nil {
		c.order.MoveToFront(e.place)
		return e, false
	}
	e = &value[K, V]{key: key, cost: cost, done: make(chan struct{})}
	e.place = c.order.PushFront(e)
	c.values[key] = e
	for c.cost += cost; c.cost > c.budget && c.order.Len() > 1; {
		c.drop(c.order.Back().Value.(*value[K, V]))
	}
	return e, true
}

// settle lets those go on who wait for a value, and forgets a failure.
func (c *Cache[K, V]) settle(e *value[K, V]) {
	if e.err != nil {
		c.mu.Lock()
		if e.place != nil {
			c.drop(e)
		}
		c.mu.Unlock()
	}
	close(e.done)
}

// drop forgets a value that has a place. The lock is held.
func (c *Cache[K, V]) drop(e *value[K, V]) {
	c.order.Remove(e.place)
	e.place = nil
	delete(c.values, e.key)
	c.cost -= e.cost
}

// Clear forgets all values. Those that are being made reach who waits for them,
// and are not kept.
func (c *Cache[K, V]) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.values {
		c.drop(e)
	}
}
