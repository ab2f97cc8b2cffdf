package squashfs

import (
	"container/list"
	"sync"
)

// cacheBudget is how many bytes of decompressed blocks are kept.
const cacheBudget = 16 << 20

// block is a block as it was before it was compressed.
type block struct {
	bytes []byte
	next  int64 // of metadata: where the next one begins
}

// blockCache keeps the blocks that were used last. Goroutines that miss the
// same block decompress it once.
type blockCache struct {
	budget int64

	mu    sync.Mutex
	used  int64
	items map[int64]*list.Element // of *cached
	order list.List               // front: used last
}

// cached is a block that is there, or being made.
type cached struct {
	at    int64
	once  sync.Once
	block *block
	err   error
	size  int64 // counted in used
}

// get returns the block at a place, made by load if it is not there. Failures
// are not kept.
func (c *blockCache) get(at int64, load func() (*block, error)) (*block, error) {
	item := c.item(at)
	item.once.Do(func() {
		item.block, item.err = load()
		c.settle(item)
	})
	return item.block, item.err
}

func (c *blockCache) item(at int64) *cached {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.items[at]; ok {
		c.order.MoveToFront(e)
		return e.Value.(*cached)
	}
	if c.items == nil {
		c.items = make(map[int64]*list.Element)
	}
	item := &cached{at: at}
	c.items[at] = c.order.PushFront(item)
	return item
}

// settle counts a block that was made, and lets go of others.
func (c *blockCache) settle(item *cached) {
	const overhead = 200 // of an entry
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[item.at]
	if !ok || e.Value != item {
		return
	}
	if item.err != nil {
		c.drop(e)
		return
	}
	item.size = int64(len(item.block.bytes)) + overhead
	c.used += item.size
	for c.used > c.budget && c.order.Len() > 1 {
		c.drop(c.order.Back())
	}
}

func (c *blockCache) drop(e *list.Element) {
	item := c.order.Remove(e).(*cached)
	delete(c.items, item.at)
	c.used -= item.size
}
