package erofs

import (
	"fmt"
)

// A table of extents, which files have that need addresses of 48 bits or clusters
// that begin at any byte (struct z_erofs_extent). A record of 4 bytes has the length
// alone, of extents that lie together; one of 8 where it lies; one of 16 or 32 also
// which byte of the file it begins with.
const (
	plenMask   = 1<<21 - 1
	plenFormat = 28 // the algorithm, and 1
)

// extents reports whether the index is a table of extents.
func (x *index) extents() bool {
	return x.in.layout == layoutFull && x.advise&adviseExtents != 0
}

// recordSize is the length of a record, in bytes.
func (x *index) recordSize() int64 { return 4 << (x.advise >> 1 & 3) }

// layoutExtents finds the table.
func (x *index) layoutExtents(countLow uint32, countHigh uint16) {
	size := x.recordSize()
	x.table = (x.table + size - 1) &^ (size - 1)
	switch {
	case size == 4:
		x.table += 8 // the place of the first
	case size > 8:
		x.total = int64(countHigh)<<32 | int64(countLow)
	}
}

// extentsOf reads the whole table.
func (e *engine) extentsOf(x *index) ([]cluster, error) {
	var list []cluster
	broken := func(n int64, why string) error {
		return damage("file of "+x.in.name(), -1, fmt.Sprintf("extent %d %s", n, why))
	}
	size, next := x.recordSize(), uint64(0)
	if size == 4 && x.total > 0 {
		b, err := x.in.slots.Bytes(x.table-8, 8)
		if err != nil {
			return nil, fmt.Errorf("erofs: index of inode %d: %w", x.in.nid, err)
		}
		next = le.Uint64(b)
	}
	var high uint64 // of the last
	for n := range x.total {
		b, err := x.in.slots.Bytes(x.table+n*size, size)
		if err != nil {
			return nil, fmt.Errorf("erofs: index of inode %d: %w", x.in.nid, err)
		}
		plen := le.Uint32(b)
		c := cluster{start: n << x.bits, stored: int64(plen & plenMask)}
		at := next
		switch {
		case size == 4:
			next += uint64(c.stored)
		case size > 4:
			at = uint64(le.Uint32(b[4:]))
		}
		if size > 8 {
			at |= uint64(le.Uint32(b[8:])) << 32
			c.start = int64(le.Uint32(b[12:]))
		}
		if size > 16 {
			c.start |= int64(le.Uint32(b[16:])) << 32
		}
		if len(list) == 0 && c.start != 0 || len(list) > 0 && c.start <= list[len(list)-1].start {
			return nil, broken(n, fmt.Sprintf("begins at byte %d", c.start))
		}
		if c.start >= x.in.size {
			break
		}
		if c.how = x.stored(e, plen, at); at >= 1<<59 && c.stored != 0 {
			return nil, broken(n, "lies past the end of every volume")
		}
		c.at, high = int64(at), uint64(plen)
		if size > 4 {
			high |= at << 32
		}
		list = append(list, c)
	}
	if x.advise&adviseFragment != 0 && len(list) > 0 {
		last := &list[len(list)-1]
		last.how, last.at = storedFragment, int64(high&^(1<<63))
	}
	return list, nil
}

// stored says how an extent is stored.
func (x *index) stored(e *engine, plen uint32, at uint64) int {
	switch format := int(plen >> plenFormat); {
	case plen&plenMask == 0:
		return storedHole
	case format > 0:
		return format - 1
	case x.advise&adviseInterlace != 0 && (at|uint64(plen&plenMask))&uint64(e.info.BlockSize-1) == 0:
		return storedInterlaced
	}
	return storedPlain
}
