package lvm

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sort"

	"github.com/qedfs/qedfs/backend/recent"
)

// The metadata of thin pools and caches are blocks of 4 KiB, each with a
// checksum and its own number, that make up B-trees and arrays
// (drivers/md/persistent-data in Linux).
const (
	metaBlock = 4096
	maxLevels = 16  // of a tree; a full one of 16 GiB has five
	keptNodes = 256 // in memory
)

// What a checksum is mixed with, by the type of a block.
const (
	thinSum  = 160774
	cacheSum = 9031977
	nodeSum  = 121107
	arraySum = 595846735
)

// metaStore reads blocks of metadata, and keeps some.
type metaStore struct {
	r      io.ReaderAt
	blocks uint64

	kept *recent.Cache[uint64, []byte]
}

func newMetaStore(r io.ReaderAt, size int64) *metaStore {
	return &metaStore{r, uint64(size / metaBlock), recent.New[uint64, []byte](keptNodes * metaBlock)}
}

// checked returns a block whose checksum and number are right. The number is at
// an offset that depends on the type of the block.
func (s *metaStore) checked(number uint64, mix uint32, numberAt int) ([]byte, error) {
	if number >= s.blocks {
		return nil, fmt.Errorf("lvm: metadata block %d of %d", number, s.blocks)
	}
	return s.kept.Get(number, metaBlock, func() ([]byte, error) {
		b := make([]byte, metaBlock)
		if err := readFull(s.r, b, int64(number)*metaBlock); err != nil {
			return nil, err
		}
		if ^crc32.Checksum(b[4:], crc32.MakeTable(crc32.Castagnoli))^mix != le.Uint32(b) {
			return nil, fmt.Errorf("lvm: metadata block %d: its checksum does not match", number)
		}
		if le.Uint64(b[numberAt:]) != number {
			return nil, fmt.Errorf("lvm: metadata block %d says that it is block %d", number, le.Uint64(b[numberAt:]))
		}
		return b, nil
	})
}

// lookup finds a key in a tree. It reports whether it is there.
func (s *metaStore) lookup(root, key uint64, valueSize int) (value []byte, ok bool, err error) {
	for range maxLevels {
		b, err := s.checked(root, nodeSum, 8)
		if err != nil {
			return nil, false, err
		}
		n, err := parseNode(b, valueSize)
		if err != nil {
			return nil, false, fmt.Errorf("lvm: metadata block %d: %w", root, err)
		}
		// The last entry whose key is not above.
		i := sort.Search(n.count, func(i int) bool { return n.key(i) > key }) - 1
		switch {
		case i < 0:
			return nil, false, nil
		case n.leaf:
			return n.value(i), n.key(i) == key, nil
		}
		root = le.Uint64(n.value(i))
	}
	return nil, false, errors.New("lvm: a tree of metadata has too many levels")
}

// node is a node of a B-tree: a header, keys, and values.
type node struct {
	b               []byte
	leaf            bool
	count, max, val int
}

func parseNode(b []byte, valueSize int) (node, error) {
	const header, internal, leaf = 32, 1, 2
	n := node{b: b, leaf: le.Uint32(b[4:])&leaf != 0, val: int(le.Uint32(b[24:]))}
	count, most := le.Uint32(b[16:]), le.Uint32(b[20:])
	want := valueSize
	if !n.leaf {
		want = 8
	}
	if n.leaf == (le.Uint32(b[4:])&internal != 0) || n.val != want || count > most || most > uint32((metaBlock-header)/(8+want)) {
		return node{}, fmt.Errorf("a node with flags %#x, %d of %d entries of %d bytes", le.Uint32(b[4:]), count, most, n.val)
	}
	n.count, n.max = int(count), int(most)
	return n, nil
}

func (n node) key(i int) uint64   { return le.Uint64(n.b[32+8*i:]) }
func (n node) value(i int) []byte { return n.b[32+8*n.max+n.val*i:][:n.val] }

// elements calls visit for the first count elements of an array, which is a tree
// of blocks of them. No block may come twice, so that the work is bounded by
// the blocks that there are, whatever count says.
func (s *metaStore) elements(root, count uint64, size int, visit func(i uint64, value []byte) error) error {
	const header = 24
	perBlock := uint64((metaBlock - header) / size)
	seen := make(map[uint64]bool)
	for i := uint64(0); i < count; {
		value, ok, err := s.lookup(root, i/perBlock, 8)
		if err != nil {
			return err
		}
		block := uint64(0)
		if ok {
			block = le.Uint64(value)
		}
		if !ok || seen[block] {
			return fmt.Errorf("lvm: an array of metadata has no element %d of its own", i)
		}
		seen[block] = true
		b, err := s.checked(block, arraySum, 16)
		if err != nil {
			return err
		}
		n := min(perBlock, count-i)
		if le.Uint32(b[12:]) != uint32(size) || uint64(le.Uint32(b[8:])) < n {
			return fmt.Errorf("lvm: metadata block %d: %d elements of %d bytes", block, le.Uint32(b[8:]), le.Uint32(b[12:]))
		}
		for j := range n {
			if err := visit(i+j, b[header+int(j)*size:][:size]); err != nil {
				return err
			}
		}
		i += n
	}
	return nil
}
