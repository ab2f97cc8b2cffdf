package fstree

import (
	"hash/maphash"
	"slices"
	"sync"
)

const (
	placeShards    = 16
	placesPerShard = 8192    // of one generation
	maxDetours     = 16      // paths to a directory beside those through its first place
	maxAllDetours  = 1 << 16 // of all directories together
)

// places bounds the work of whoever goes through a tree whose directories
// have several places each: without a bound a few dozen such directories have
// more paths than anybody can list.
//
// A directory has one place, a name in a directory above it; only ISO 9660
// images with relocated directories and damaged volumes have more, and the
// kernel shows them all. So here: the first place that is met always leads into
// the directory, and so do all places in the root and up to maxDetours paths
// through others. A directory that lies below itself is refused at once.
//
// The first places of up to 262,144 directories are remembered, the latest
// ones: those of a small graph that is gone through again and again stay.
type places struct {
	once   sync.Once
	seed   maphash.Seed
	shards [placeShards]placeShard

	mu      sync.Mutex
	detours map[ID]map[uint64]struct{} // chains that do not end with the first place
	total   int                        // of all these
}

type placeShard struct {
	mu         sync.Mutex
	young, old map[ID]uint64 // hash of the first place
}

// dirRef is a directory on a path.
type dirRef struct {
	id    ID
	chain uint64 // hash of the names and directories from the root down to it, 0 for the root
}

type placeKey struct {
	parent ID
	name   string
}

type chainKey struct {
	above, place uint64
	dir          ID
}

// enter goes from a directory to one in it. It returns false where that has
// too many places already.
func (p *places) enter(parent dirRef, name string, dir ID) (dirRef, bool) {
	p.once.Do(func() { p.seed = maphash.MakeSeed() })
	place := maphash.Comparable(p.seed, placeKey{parent.id, name})
	chain := maphash.Comparable(p.seed, chainKey{parent.chain, place, dir})
	shard := &p.shards[maphash.Comparable(p.seed, dir)%placeShards]
	if shard.first(dir, place) == place || parent.chain == 0 {
		return dirRef{dir, chain}, true
	}
	return dirRef{dir, chain}, p.detour(dir, chain)
}

// first returns the first place of a directory, which is this one if none is
// known.
func (s *placeShard) first(dir ID, place uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, ok := s.young[dir]; ok {
		return first
	}
	if first, ok := s.old[dir]; ok {
		place = first
	}
	if len(s.young) >= placesPerShard {
		s.old, s.young = s.young, nil
	}
	if s.young == nil {
		s.young = make(map[ID]uint64)
	}
	s.young[dir] = place
	return place
}

// detour reports whether a path through another place than the first may be
// taken: it was before, or there is room for one more.
func (p *places) detour(dir ID, chain uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	chains := p.detours[dir]
	if _, known := chains[chain]; known {
		return true
	}
	if len(chains) >= maxDetours || p.total >= maxAllDetours {
		return false
	}
	if chains == nil {
		chains = make(map[uint64]struct{})
		if p.detours == nil {
			p.detours = make(map[ID]map[uint64]struct{})
		}
		p.detours[dir] = chains
	}
	chains[chain] = struct{}{}
	p.total++
	return true
}

// enter goes from a path of directories to a directory in the last of them.
func (t *tree) enter(above []dirRef, name string, dir ID) (dirRef, error) {
	if slices.ContainsFunc(above, func(d dirRef) bool { return d.id == dir }) {
		return dirRef{}, t.loop()
	}
	return t.enterOnce(above[len(above)-1], name, dir)
}

// enterOnce is enter for a caller that knows that dir is not above itself.
func (t *tree) enterOnce(parent dirRef, name string, dir ID) (dirRef, error) {
	ref, ok := t.places.enter(parent, name, dir)
	if !ok {
		return dirRef{}, t.damagedDir("has too many places in the tree")
	}
	return ref, nil
}

// loop is the error of a directory that leads back to one above it, which only
// a damaged volume has: following it would never end.
func (t *tree) loop() error { return t.damagedDir("leads back to a directory above it") }
