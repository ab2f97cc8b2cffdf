package ext4

import (
	"fmt"
	"sort"
	"sync/atomic"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	extentMagic      = 0xF30A
	extentHeaderSize = 12
	extentSize       = 12
	maxExtentDepth   = 5     // EXT4_MAX_EXTENT_DEPTH
	maxWritten       = 32768 // a greater length is of an unwritten extent
	anyDepth         = -1
)

// extentTree is the map of ext4: nodes of extents, or of pointers to nodes.
type extentTree struct {
	e    *engine
	in   *inode
	root *extentNode
	leaf atomic.Pointer[extentNode] // the last leaf that was used
}

// extentNode is a checked node of the tree.
type extentNode struct {
	depth   int
	entries []byte // extents, or at depth > 0 pointers, extentSize bytes each
	lo, hi  uint64 // the blocks of the file that it is about: [lo, hi)
}

func (n *extentNode) len() int                { return len(n.entries) / extentSize }
func (n *extentNode) logical(i int) uint64    { return uint64(le.Uint32(n.entry(i))) }
func (n *extentNode) entry(i int) []byte      { return n.entries[i*extentSize:][:extentSize] }
func (n *extentNode) holds(block uint64) bool { return block >= n.lo && block < n.hi }

// pointer decodes a pointer to the node below.
func (n *extentNode) pointer(i int) uint64 {
	b := n.entry(i)
	return uint64(le.Uint32(b[4:])) | uint64(le.Uint16(b[8:]))<<32
}

// extent decodes an extent of a leaf.
func (n *extentNode) extent(i int) (logical uint64, r run) {
	b := n.entry(i)
	r.count = uint64(le.Uint16(b[4:]))
	r.stored = r.count <= maxWritten
	if !r.stored {
		r.count -= maxWritten
	}
	r.physical = uint64(le.Uint32(b[8:])) | uint64(le.Uint16(b[6:]))<<32
	return uint64(le.Uint32(b)), r
}

// find returns the last entry that begins at or before a block, or -1.
func (n *extentNode) find(block uint64) int {
	return sort.Search(n.len(), func(i int) bool { return n.logical(i) > block }) - 1
}

// run implements [mapping].
func (t *extentTree) run(logical uint64) (run, error) {
	if logical >= 1<<32 {
		return run{count: endOfFile}, nil
	}
	leaf := t.leaf.Load()
	if leaf == nil || !leaf.holds(logical) {
		var err error
		if leaf, err = t.descend(logical); err != nil {
			return run{}, err
		}
		t.leaf.Store(leaf)
	}
	i := leaf.find(logical)
	if i >= 0 {
		first, r := leaf.extent(i)
		if skip := logical - first; skip < r.count {
			return run{count: r.count - skip, physical: r.physical + skip, stored: r.stored}, nil
		}
	}
	if i+1 < leaf.len() {
		return run{count: leaf.logical(i+1) - logical}, nil
	}
	return run{count: leaf.hi - logical}, nil
}

// descend finds the leaf for a block. Every node is one deeper than the
// last, so that it ends on any tree.
func (t *extentTree) descend(logical uint64) (*extentNode, error) {
	node := t.root
	for node.depth > 0 {
		i := node.find(logical)
		if i < 0 {
			// Before the first entry there is a hole.
			return &extentNode{lo: node.lo, hi: node.logical(0)}, nil
		}
		lo, hi := node.logical(i), node.hi
		if i+1 < node.len() {
			hi = node.logical(i + 1)
		}
		block := node.pointer(i)
		if !t.e.sb.holds(block, 1) {
			return nil, t.in.damagedExtents(-1, "pointer to block %d", block)
		}
		b, err := t.e.block(block)
		if err != nil {
			return nil, fmt.Errorf("ext4: extent tree of inode %d: %w", t.in.num, err)
		}
		if node, err = t.e.parseExtents(t.in, b, int64(block), node.depth-1, lo, hi); err != nil {
			return nil, err
		}
	}
	return node, nil
}

// parseExtents checks a node of an extent tree that must map [lo, hi)
// (__ext4_ext_check in fs/ext4/extents.c).
func (e *engine) parseExtents(in *inode, b []byte, at int64, depth int, lo, hi uint64) (*extentNode, error) {
	if magic := le.Uint16(b); magic != extentMagic {
		return nil, in.damagedExtents(at, "magic %04x", magic)
	}
	entries, capacity, found := int(le.Uint16(b[2:])), int(le.Uint16(b[4:])), int(le.Uint16(b[6:]))
	if found > maxExtentDepth || depth != anyDepth && found != depth {
		return nil, in.damagedExtents(at, "a node of depth %d", found)
	}
	if entries > capacity || extentHeaderSize+capacity*extentSize > len(b) {
		return nil, in.damagedExtents(at, "%d of %d entries", entries, capacity)
	}
	if entries == 0 && found > 0 {
		return nil, in.damagedExtents(at, "an empty node of depth %d", found)
	}
	if at >= 0 && e.sb.hasChecksums() {
		end := extentHeaderSize + capacity*extentSize
		if end+4 > len(b) {
			return nil, in.damagedExtents(at, "no room for the checksum")
		}
		if want, got := le.Uint32(b[end:]), crc32c(in.seed, b[:end]); want != got {
			return nil, in.damagedExtents(at, "checksum is %08x, not %08x", got, want)
		}
	}
	n := &extentNode{depth: found, entries: b[extentHeaderSize:][:entries*extentSize], lo: lo, hi: hi}
	if err := e.checkEntries(in, n, at); err != nil {
		return nil, err
	}
	return n, nil
}

// checkEntries checks that the entries lie in order, in the node's part of
// the file and on the volume.
func (e *engine) checkEntries(in *inode, n *extentNode, at int64) error {
	next := n.lo
	for i := range n.len() {
		logical := n.logical(i)
		if logical < next || logical >= n.hi {
			return in.damagedExtents(at, "entry for block %d out of order", logical)
		}
		if n.depth > 0 {
			next = logical + 1
			continue
		}
		_, r := n.extent(i)
		if r.count == 0 || r.count > n.hi-logical {
			return in.damagedExtents(at, "%d blocks at block %d", r.count, logical)
		}
		if !e.sb.holds(r.physical, r.count) {
			return in.damagedExtents(at, "blocks %d+%d", r.physical, r.count)
		}
		next = logical + r.count
	}
	return nil
}

func (in *inode) damagedExtents(block int64, format string, args ...any) error {
	return &fstree.DamageError{FS: "ext4", Structure: fmt.Sprintf("extent tree of inode %d", in.num),
		Block: block, Why: fmt.Sprintf(format, args...)}
}
