package hfsplus

import (
	"cmp"
	"fmt"
)

// Kinds of nodes.
const (
	nodeLeaf  = 0xFF
	nodeIndex = 0
)

// maxDepth bounds the way from a root to a leaf.
const maxDepth = 16

func order[T cmp.Ordered](a, b T) int { return cmp.Compare(a, b) }

// btree is one of the B-trees of a volume (TN1150, "B-Trees").
type btree struct {
	name  string
	fork  *fork
	node  int64 // bytes
	nodes uint32
	root  uint32
	leaf  uint32 // the first one

	binary bool // keys are compared as numbers, not without case
}

func (v *volume) openTree(name string, file uint32, b []byte) (*btree, error) {
	f, err := v.fork(name, file, forkData, b)
	if err != nil {
		return nil, err
	}
	t := &btree{name: name, fork: f}
	h := make([]byte, 128)
	if n, err := f.ReadAt(h, 0); n < len(h) {
		return nil, fmt.Errorf("hfsplus: %s: %w", name, err)
	}
	t.root, t.node, t.nodes = be.Uint32(h[16:]), int64(be.Uint16(h[32:])), be.Uint32(h[36:])
	t.leaf, t.binary = be.Uint32(h[24:]), h[51] == 0xBC
	if h[8] != 1 || t.node < 512 || t.node&(t.node-1) != 0 || int64(t.nodes) > f.size/t.node {
		return nil, damage(name, -1, "%d nodes of %d bytes in %d", t.nodes, t.node, f.size)
	}
	return t, nil
}

// record is one of a node's. Its place is known by the node and the index.
type record struct {
	node      uint32
	index     int
	key, data []byte // without the length of the key
}

// node is a node that was read.
type node struct {
	t     *btree
	no    uint32
	next  uint32
	kind  byte
	count int
	b     []byte
}

func (t *btree) damage(no uint32, format string, args ...any) error {
	return damage(fmt.Sprintf("node %d of the %s", no, t.name), -1, format, args...)
}

func (t *btree) read(no uint32) (*node, error) {
	if no == 0 || no >= t.nodes {
		return nil, t.damage(no, "there are %d", t.nodes)
	}
	b, err := t.bytes(int64(no)*t.node, t.node)
	if err != nil {
		return nil, fmt.Errorf("hfsplus: node %d of the %s: %w", no, t.name, err)
	}
	n := &node{t: t, no: no, next: be.Uint32(b), kind: b[8], count: int(be.Uint16(b[10:])), b: b}
	if int64(n.count) > (t.node-14)/2-1 {
		return nil, t.damage(no, "%d records", n.count)
	}
	return n, nil
}

// bytes returns part of the tree's file: a view of the cache where it lies together.
func (t *btree) bytes(off, n int64) ([]byte, error) {
	for x := range t.fork.runs(off, n) {
		if x.Length == n {
			return t.fork.v.cache.Bytes(x.Offset, n)
		}
		break
	}
	b := make([]byte, n)
	if m, err := t.fork.ReadAt(b, off); m < len(b) {
		return nil, err
	}
	return b, nil
}

// record returns a record of a node.
func (n *node) record(i int) (*record, error) {
	if i < 0 || i >= n.count {
		return nil, n.t.damage(n.no, "no record %d of %d", i, n.count)
	}
	table := len(n.b) - 2*(i+1)
	from, to := int(be.Uint16(n.b[table:])), int(be.Uint16(n.b[table-2:]))
	if from < 14 || to < from+2 || to > len(n.b)-2*(n.count+1) {
		return nil, n.t.damage(n.no, "record %d at %d to %d", i, from, to)
	}
	b := n.b[from:to]
	length := int(be.Uint16(b))
	if length > len(b)-2 {
		return nil, n.t.damage(n.no, "record %d has a key of %d bytes in %d", i, length, len(b))
	}
	return &record{n.no, i, b[2 : 2+length], b[min((2+length+1)&^1, len(b)):]}, nil
}

// find returns the last record that is not greater than what is looked for, or nil.
// compare says how a key stands to that.
func (t *btree) find(compare func(key []byte) int) (*record, error) {
	if t.root == 0 {
		return nil, nil // empty
	}
	no := t.root
	for range maxDepth {
		n, err := t.read(no)
		if err != nil {
			return nil, err
		}
		lo, hi := 0, n.count // records before lo are not greater, those from hi on are
		for lo < hi {
			mid := int(uint(lo+hi) / 2)
			r, err := n.record(mid)
			if err != nil {
				return nil, err
			}
			if compare(r.key) <= 0 {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
		if lo == 0 {
			return nil, nil
		}
		r, err := n.record(lo - 1)
		if err != nil || n.kind == nodeLeaf {
			return r, err
		}
		if n.kind != nodeIndex || len(r.data) < 4 {
			return nil, t.damage(no, "kind %d on the way to a leaf", n.kind)
		}
		no = be.Uint32(r.data)
	}
	return nil, t.damage(t.root, "a tree of more than %d levels", maxDepth)
}

// from calls do for the records from one on, or from the first on, in order, until it
// returns false. An error is of a node or a record, and do decides whether to go on after
// it; without a node there is no next one.
func (t *btree) from(first *record, do func(*record, error) bool) {
	if t.root == 0 {
		return // empty
	}
	no, i := t.leaf, 0
	if first != nil {
		no, i = first.node, first.index
	}
	for range t.nodes {
		n, err := t.read(no)
		if err == nil && n.kind != nodeLeaf {
			err = t.damage(no, "kind %d among the leaves", n.kind)
		}
		if err != nil {
			do(nil, err)
			return
		}
		for ; i < n.count; i++ {
			r, err := n.record(i)
			if !do(r, err) {
				return
			}
		}
		if n.next == 0 {
			return
		}
		no, i = n.next, 0
	}
	do(nil, t.damage(no, "its leaves lead in circles"))
}
