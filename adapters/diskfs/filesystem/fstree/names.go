package fstree

import (
	"hash/maphash"
	"strings"
	"sync"
)

const (
	nameShards    = 16
	namesPerShard = 512 // of one generation
)

// nameCache remembers what lookups found: at most 16,384 of them. It keeps
// two generations. A name that is used moves to the young one, and when that
// is full the old one goes. Failures are not remembered: they are rare in a
// tree that does not change, and may be of the moment.
type nameCache struct {
	once   sync.Once
	seed   maphash.Seed
	shards [nameShards]nameShard
}

type nameShard struct {
	mu         sync.RWMutex
	young, old map[nameKey]Entry
}

type nameKey struct {
	dir  ID
	name string // as the tree shows it
}

func (c *nameCache) shard(k nameKey) *nameShard {
	c.once.Do(func() { c.seed = maphash.MakeSeed() })
	return &c.shards[maphash.Comparable(c.seed, k)%nameShards]
}

func (c *nameCache) get(k nameKey) (Entry, bool) {
	s := c.shard(k)
	s.mu.RLock()
	e, young := s.young[k]
	if young {
		s.mu.RUnlock()
		return e, true
	}
	e, ok := s.old[k]
	s.mu.RUnlock()
	if ok {
		s.put(k, e)
	}
	return e, ok
}

func (c *nameCache) put(k nameKey, e Entry) {
	k.name = strings.Clone(k.name) // not the caller's whole path
	e.Name = ""                    // the key has it
	c.shard(k).put(k, e)
}

func (s *nameShard) put(k nameKey, e Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.young) >= namesPerShard {
		s.old, s.young = s.young, nil
	}
	if s.young == nil {
		s.young = make(map[nameKey]Entry)
	}
	s.young[k] = e
}
