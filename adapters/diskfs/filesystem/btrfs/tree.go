package btrfs

import (
	"errors"
	"fmt"
	"iter"
	"sort"
	"sync"
)

const (
	nodeHeader = 101
	itemSize   = 25 // key, offset and size of an item in a leaf
	ptrSize    = 33 // key, address and generation of a child
	keySize    = 17
	maxLevel   = 7
)

// Item types (BTRFS_*_KEY).
const (
	inodeItem  = 1
	inodeRef   = 12
	inodeExtra = 13 // BTRFS_INODE_EXTREF_KEY
	xattrItem  = 24
	dirLog     = 72 // in a log: the part of a directory that it holds whole
	dirItem    = 84
	dirIndex   = 96
	extentData = 108
	rootItem   = 132
	rootRef    = 156
	chunkItem  = 228
)

// key orders the items of a tree.
type key struct {
	object uint64
	kind   uint8
	offset uint64
}

func parseKey(b []byte) key {
	return key{le.Uint64(b), b[8], le.Uint64(b[9:])}
}

func (k key) less(o key) bool {
	if k.object != o.object {
		return k.object < o.object
	}
	if k.kind != o.kind {
		return k.kind < o.kind
	}
	return k.offset < o.offset
}

func (k key) String() string { return fmt.Sprintf("(%d %d %d)", k.object, k.kind, k.offset) }

// lastKey is greater than any key.
func lastKey() key { return key{^uint64(0), 255, ^uint64(0)} }

// tree is the root of a B-tree.
type tree struct {
	id    uint64 // for messages
	root  uint64 // logical address
	level uint8
	// generation is that of the root, 0 where it is not known.
	generation uint64

	changes *changes // by the replay of a log; nil for most
}

// item is an entry of a leaf.
type item struct {
	key  key
	data []byte
}

// node is a verified node of a tree.
type node struct {
	at    uint64
	level uint8
	count int
	b     []byte
}

func (n *node) key(i int) key {
	if n.level == 0 {
		return parseKey(n.b[nodeHeader+i*itemSize:])
	}
	return parseKey(n.b[nodeHeader+i*ptrSize:])
}

// child is where the i-th child lies, and its generation.
func (n *node) child(i int) (at, generation uint64) {
	b := n.b[nodeHeader+i*ptrSize+keySize:]
	return le.Uint64(b), le.Uint64(b[8:])
}

// item returns the i-th item of a leaf.
func (n *node) item(i int) (item, error) {
	b := n.b[nodeHeader+i*itemSize:]
	k, off, size := parseKey(b), uint64(le.Uint32(b[keySize:])), uint64(le.Uint32(b[keySize+4:]))
	if off+size > uint64(len(n.b)-nodeHeader) {
		return item{}, damaged("leaf", int64(n.at), "item %s lies outside", k)
	}
	start := nodeHeader + off
	return item{k, n.b[start : start+size : start+size]}, nil
}

// nodeCache remembers which nodes have been verified. It holds views into the
// volume's cache and drops one at random for each that it takes too many.
type nodeCache struct {
	mu    sync.RWMutex
	nodes map[uint64]*node
	max   int
}

func (c *nodeCache) get(at uint64) *node {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.nodes[at]
}

func (c *nodeCache) put(n *node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.nodes) >= c.max {
		for at := range c.nodes {
			delete(c.nodes, at)
			break
		}
	}
	c.nodes[n.at] = n
}

// wanted is what a parent says of a node. A generation of 0 is not known.
type wanted struct {
	level      uint8
	generation uint64
}

// check verifies that a node is the one that its parent means, and not what was
// there before, as on a device that has missed changes.
func (w wanted) check(n *node) error {
	if n.level != w.level {
		return damaged("tree node", int64(n.at), "level %d, its parent expects %d", n.level, w.level)
	}
	if g := le.Uint64(n.b[80:]); w.generation != 0 && g != w.generation {
		return damaged("tree node", int64(n.at), "generation %d, its parent expects %d", g, w.generation)
	}
	return nil
}

// node reads the node at a logical address, and verifies that it is the one
// that its parent means.
func (v *volume) node(at uint64, level uint8, generation uint64) (*node, error) {
	w := wanted{level, generation}
	if n := v.nodes.get(at); n != nil && w.check(n) == nil {
		return n, nil
	}
	n, err := v.readNode(at, w)
	if err == nil {
		v.nodes.put(n)
	}
	return n, err
}

// readNode returns the first copy of a node that is as it should be.
func (v *volume) readNode(at uint64, w wanted) (*node, error) {
	c, off, ok := v.chunks.find(at)
	if !ok || c.length-off < v.sb.nodeSize {
		return nil, damaged("tree node", int64(at), "no chunk maps it")
	}
	b, err := v.cache.Bytes(int64(at), v.sb.nodeSize)
	if err == nil {
		var n *node
		if n, err = v.verifyNode(at, b, w); err == nil {
			return n, nil
		}
	}
	if c.array.Ways() == 1 {
		return nil, nodeError(at, err)
	}
	var n *node
	b = make([]byte, v.sb.nodeSize)
	err = v.another(b, at, func() (err error) {
		n, err = v.verifyNode(at, b, w)
		return err
	})
	if err != nil {
		return nil, nodeError(at, err)
	}
	return n, nil
}

// nodeError says which node it is that devices are missing for.
func nodeError(at uint64, err error) error {
	if errors.Is(err, ErrMissing) {
		return fmt.Errorf("%w: tree node at %d", err, at)
	}
	return err
}

func (v *volume) verifyNode(at uint64, b []byte, w wanted) (*node, error) {
	if !v.sb.sum.fits(b[csumSize:], b) {
		return nil, damaged("tree node", int64(at), "checksum does not match")
	}
	if v.fsids != nil && !v.fsids[[16]byte(b[32:48])] || le.Uint64(b[48:]) != at {
		return nil, damaged("tree node", int64(at), "it belongs elsewhere")
	}
	n := &node{at: at, level: b[100], count: int(le.Uint32(b[96:])), b: b}
	size := itemSize
	if n.level > 0 {
		size = ptrSize
	}
	if n.level > maxLevel || n.count < 0 || n.count > (len(b)-nodeHeader)/size {
		return nil, damaged("tree node", int64(at), "level %d with %d entries", n.level, n.count)
	}
	for i := 1; i < n.count; i++ {
		if !n.key(i - 1).less(n.key(i)) {
			return nil, damaged("tree node", int64(at), "keys out of order at %s", n.key(i))
		}
	}
	return n, w.check(n)
}

// scan yields the items from one key up to another, in order. Where a node
// is damaged it yields the error and goes on after it.
func (v *volume) scan(t tree, from, to key) iter.Seq2[item, error] {
	stored := func(yield func(item, error) bool) {
		w := walk{v: v, from: from, to: to, yield: yield}
		w.node(t.root, t.level, t.generation, key{}, lastKey())
	}
	if t.changes == nil {
		return stored
	}
	return t.changes.over(stored, from, to)
}

type walk struct {
	v        *volume
	from, to key
	yield    func(item, error) bool
}

// node visits a node whose keys must lie in [low, high], which its parent
// says: so no node is visited twice, however its parents refer to it. It
// returns false when the walk is over.
func (w *walk) node(at uint64, level uint8, generation uint64, low, high key) bool {
	n, err := w.v.node(at, level, generation)
	if err == nil && n.count > 0 && (n.key(0).less(low) || high.less(n.key(n.count-1))) {
		err = damaged("tree node", int64(at), "keys %s to %s, its parent expects %s to %s", n.key(0), n.key(n.count-1), low, high)
	}
	if err != nil {
		return w.yield(item{}, err)
	}
	if n.level == 0 {
		return w.leaf(n)
	}
	// The child that may hold the first key is the last that begins at or
	// before it.
	i := max(0, sort.Search(n.count, func(i int) bool { return w.from.less(n.key(i)) })-1)
	for ; i < n.count && !w.to.less(n.key(i)); i++ {
		childHigh := high
		if i+1 < n.count {
			childHigh = n.key(i + 1)
		}
		at, generation := n.child(i)
		if !w.node(at, n.level-1, generation, n.key(i), childHigh) {
			return false
		}
	}
	return true
}

func (w *walk) leaf(n *node) bool {
	i := sort.Search(n.count, func(i int) bool { return !n.key(i).less(w.from) })
	for ; i < n.count && !w.to.less(n.key(i)); i++ {
		if !w.yield(n.item(i)) {
			return false
		}
	}
	return true
}

// get returns the one item with a key, ok false if there is none.
func (v *volume) get(t tree, k key) (item, bool, error) {
	return v.floor(t, k, k)
}

// floor returns the last item with a key from low up to high.
func (v *volume) floor(t tree, low, high key) (item, bool, error) {
	changed, ok := t.changes.last(low, high)
	if ok {
		low = changed.key
	}
	for {
		stored, found, err := v.storedFloor(t, low, high)
		if err != nil {
			return item{}, false, err
		}
		if !found {
			return item(changed), ok, nil
		}
		if _, superseded := t.changes.get(stored.key); !superseded {
			return stored, true, nil
		}
		if high = stored.key; high == low || high.offset == 0 {
			return item(changed), ok, nil
		}
		high.offset--
	}
}

// storedFloor is floor without what the replay of a log changed.
func (v *volume) storedFloor(t tree, low, high key) (found item, ok bool, _ error) {
	at, level, generation := t.root, t.level, t.generation
	for {
		n, err := v.node(at, level, generation)
		if err != nil {
			return item{}, false, err
		}
		i := sort.Search(n.count, func(i int) bool { return high.less(n.key(i)) }) - 1
		if i < 0 || n.level == 0 && n.key(i).less(low) {
			return item{}, false, nil
		}
		if n.level == 0 {
			it, err := n.item(i)
			return it, err == nil, err
		}
		at, generation = n.child(i)
		level = n.level - 1
	}
}
