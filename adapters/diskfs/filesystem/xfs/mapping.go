package xfs

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sort"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	mappingSize = 32 // bytes of struct xfs_map_extent

	// Flags of a mapping (XFS_BMAP_EXTENT_*).
	mappingType  = 0xff
	mappingAdds  = 1 // else the blocks are taken
	mappingAttr  = 1 << 31
	mappingEmpty = 1 << 30 // the blocks are unwritten
	mappingReal  = 1 << 29 // they are on the realtime device

	maxMended = 1 << 20 // extents that are looked at to carry out changes
)

// mapping is a change of a file that the log holds begun: a run of blocks is
// to be given to it or taken from it. What was written over shared blocks
// comes into a file so.
type mapping struct {
	owner         uint64
	block         uint64 // on the volume
	start, length uint64 // in the file
	flags         uint32
}

// decodeMappings takes them from an intent (struct xfs_bui_log_format).
func decodeMappings(b []byte, order binary.ByteOrder) []mapping {
	var list []mapping
	for b = b[minIntent:]; len(b) >= mappingSize; b = b[mappingSize:] {
		list = append(list, mapping{
			owner: order.Uint64(b), block: order.Uint64(b[8:]), start: order.Uint64(b[16:]),
			length: uint64(order.Uint32(b[24:])), flags: order.Uint32(b[28:]),
		})
	}
	return list
}

// mended is a file whose mapping differs from the one on the volume.
type mended struct {
	extents []extent
	blocks  int64 // that it has more
}

// mend carries out what the log holds begun, in its order, and returns how
// much of it could not be. See xfs_bui_recover_work in fs/xfs/xfs_bmap_item.c.
func (v *volume) mend(list []mapping) (left int, err error) {
	v.mended = map[uint64]*mended{}
	budget := maxMended
	for _, m := range list {
		switch err := v.mendFile(m, &budget); {
		case errors.Is(err, fstree.ErrDamaged):
			left++
		case err != nil:
			return 0, err
		}
	}
	return left, nil
}

func (v *volume) mendFile(m mapping, budget *int) error {
	ino, err := v.inode(m.owner)
	if err != nil {
		return err
	}
	f := ino.dataFork(v)
	off, ok := v.sb.blockOffset(m.block, m.length)
	if !ok || !ino.is(modeRegular) || m.length == 0 || m.start > math.MaxInt64>>v.sb.blockLog || m.flags&(mappingAttr|mappingReal) != 0 {
		return f.damage(f.block, "the log gives it %d blocks at %d, flags %#x", m.length, m.start, m.flags)
	}
	var old []extent
	err = f.extents(0, func(e extent) bool {
		old = append(old, e)
		*budget--
		return *budget > 0
	})
	if err != nil {
		return err
	}
	if *budget <= 0 {
		return f.damage(f.block, "more extents than the log changes")
	}
	left, taken := without(old, m.start, m.start+m.length, v.sb.blockLog)
	change := -int64(taken)
	if m.flags&mappingType == mappingAdds {
		if taken > 0 {
			return f.damage(f.block, "the log gives it block %d twice", m.start)
		}
		i := sort.Search(len(left), func(i int) bool { return left[i].start > m.start })
		left = slices.Insert(left, i, extent{start: m.start, length: m.length, offset: off, unwritten: m.flags&mappingEmpty != 0})
		change = int64(m.length)
	}
	if before := v.mended[m.owner]; before != nil {
		change += before.blocks
	}
	v.mended[m.owner] = &mended{left, change}
	return nil
}

// without returns what is left of extents but for the blocks from one up to
// another, and how many those were.
func without(list []extent, from, to uint64, blockLog uint8) (left []extent, taken uint64) {
	left = make([]extent, 0, len(list)+2)
	for _, e := range list {
		end := e.start + e.length
		if end <= from || e.start >= to {
			left = append(left, e)
			continue
		}
		taken += min(end, to) - max(e.start, from)
		if e.start < from {
			head := e
			head.length = from - e.start
			left = append(left, head)
		}
		if end > to {
			tail := e
			tail.start, tail.length, tail.offset = to, end-to, e.offset+int64(to-e.start)<<blockLog
			left = append(left, tail)
		}
	}
	return left, taken
}
