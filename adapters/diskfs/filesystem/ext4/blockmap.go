package ext4

import (
	"fmt"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// blockMap is the map of ext2 and ext3: twelve blocks, then a block of
// pointers, one of pointers to such, and one of pointers to those.
type blockMap struct {
	e  *engine
	in *inode
}

const directBlocks = 12

// run implements [mapping]. Pointers that count up, or are all zero, make a
// run as far as one block of pointers goes.
func (m *blockMap) run(logical uint64) (run, error) {
	if logical < directBlocks {
		return m.along(m.in.block[:4*directBlocks], logical, 1, -1)
	}
	pointerBits := m.e.sb.blockBits - 2
	rest, span := logical-directBlocks, uint64(1)
	for level := range 3 {
		span <<= pointerBits
		if rest < span {
			return m.descend(level, rest, span)
		}
		rest -= span
	}
	return run{count: endOfFile}, nil
}

// descend follows the pointer of the tree that maps span blocks down to the
// block numbered rest in it.
func (m *blockMap) descend(level int, rest, span uint64) (run, error) {
	pointers, index, at := m.in.block[4*directBlocks:], uint64(level), int64(-1)
	for ; ; level-- {
		next := uint64(le.Uint32(pointers[4*index:]))
		if next == 0 {
			return run{count: span - rest}, nil
		}
		if !m.e.sb.holds(next, 1) {
			return run{}, m.damaged(at, "pointer to block %d", next)
		}
		var err error
		if pointers, err = m.e.block(next); err != nil {
			return run{}, fmt.Errorf("ext4: block map of inode %d: %w", m.in.num, err)
		}
		at = int64(next)
		span >>= m.e.sb.blockBits - 2
		index, rest = rest/span, rest%span
		if level == 0 {
			return m.along(pointers, index, 1, at)
		}
	}
}

// along measures the run that begins at a pointer to data.
func (m *blockMap) along(pointers []byte, index, count uint64, at int64) (run, error) {
	first := uint64(le.Uint32(pointers[4*index:]))
	n := uint64(len(pointers)) / 4
	for ; index+count < n; count++ {
		next := uint64(le.Uint32(pointers[4*(index+count):]))
		if first == 0 && next != 0 || first != 0 && next != first+count {
			break
		}
	}
	if first != 0 && !m.e.sb.holds(first, count) {
		return run{}, m.damaged(at, "pointer to block %d", first)
	}
	return run{count: count, physical: first, stored: first != 0}, nil
}

func (m *blockMap) damaged(block int64, format string, args ...any) error {
	return &fstree.DamageError{FS: "ext4", Structure: fmt.Sprintf("block map of inode %d", m.in.num),
		Block: block, Why: fmt.Sprintf(format, args...)}
}
