package btrfs

import (
	"math"
	"slices"
)

const (
	chunkHeader = 48 // bytes of a chunk before its stripes
	stripeSize  = 32

	// Profiles whose data is spread over stripes (BTRFS_BLOCK_GROUP_RAID0,
	// RAID10, RAID5, RAID6); in the others each stripe is a copy.
	spread = 1<<3 | 1<<6 | 1<<7 | 1<<8
)

// chunk maps a range of logical addresses to the device, once or, for DUP,
// twice.
type chunk struct {
	logical, length int64
	copies          []int64 // where each begins on the device
}

// chunkMap finds a chunk by its logical address.
type chunkMap []chunk // sorted

func (m *chunkMap) add(k key, item []byte, device uint64) error {
	c, err := parseChunk(k, item, device)
	if err != nil {
		return err
	}
	i, found := slices.BinarySearchFunc(*m, c.logical, func(c chunk, logical int64) int {
		switch {
		case c.logical < logical:
			return -1
		case c.logical > logical:
			return 1
		}
		return 0
	})
	if !found { // the system chunks stand in the superblock and in the tree
		*m = slices.Insert(*m, i, c)
	}
	return nil
}

func parseChunk(k key, item []byte, device uint64) (chunk, error) {
	if len(item) < chunkHeader {
		return chunk{}, damaged("chunk", int64(k.offset), "%d bytes", len(item))
	}
	length, kind, stripes := le.Uint64(item), le.Uint64(item[24:]), int(le.Uint16(item[44:]))
	if k.offset > math.MaxInt64 || length == 0 || length > math.MaxInt64-k.offset {
		return chunk{}, damaged("chunk", int64(k.offset), "length %d", length)
	}
	if stripes == 0 || chunkHeader+stripes*stripeSize > len(item) {
		return chunk{}, damaged("chunk", int64(k.offset), "%d stripes in %d bytes", stripes, len(item))
	}
	if kind&spread != 0 && stripes > 1 {
		return chunk{}, unsupported("a RAID profile (block group flags %#x)", kind)
	}
	c := chunk{logical: int64(k.offset), length: int64(length)}
	for i := range stripes {
		s := item[chunkHeader+i*stripeSize:]
		if id := le.Uint64(s); id != device {
			return chunk{}, unsupported("a chunk on device %d", id)
		}
		off := le.Uint64(s[8:])
		if off > math.MaxInt64-length {
			return chunk{}, damaged("chunk", int64(k.offset), "it lies at byte %d of the device", off)
		}
		c.copies = append(c.copies, int64(off))
	}
	return c, nil
}

// find returns where a logical address lies on the device, in each copy, and
// how many bytes from there on belong to the same chunk.
func (m chunkMap) find(logical uint64) (chunk, int64, bool) {
	if logical > math.MaxInt64 {
		return chunk{}, 0, false
	}
	at := int64(logical)
	i, found := slices.BinarySearchFunc(m, at, func(c chunk, at int64) int {
		switch {
		case c.logical+c.length <= at:
			return -1
		case c.logical > at:
			return 1
		}
		return 0
	})
	if !found {
		return chunk{}, 0, false
	}
	return m[i], at - m[i].logical, true
}
