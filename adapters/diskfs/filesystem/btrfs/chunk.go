package btrfs

import (
	"errors"
	"io"
	"math"
	"slices"

	"github.com/qedfs/qedfs/adapters/diskfs/internal/raid"
)

const (
	chunkHeader = 48 // bytes of a chunk before its stripes
	stripeSize  = 32
	stripeUnit  = 64 << 10 // bytes of a device before the next one's turn (BTRFS_STRIPE_LEN)
)

// Types and profiles of block groups (BTRFS_BLOCK_GROUP_*).
const (
	groupData = 1 << 0
	raid0     = 1 << 3
	raid1     = 1 << 4
	dup       = 1 << 5
	raid10    = 1 << 6
	raid5     = 1 << 7
	raid6     = 1 << 8
	raid1c3   = 1 << 9
	raid1c4   = 1 << 10
)

// profile is how a chunk is spread over its stripes. With exact it has no other
// number of stripes than least. Of the layouts of [raid], which count devices
// otherwise, turned says how far.
type profile struct {
	flag   uint64
	level  int
	layout int
	least  int
	exact  bool
	parity int // stripes of each row that hold no data
	copies int // of each byte
	turned int
}

// profiles are those of btrfs_raid_array in fs/btrfs/volumes.c, in that order.
var profiles = []profile{
	{flag: raid10, level: raid.Level10, layout: 1<<8 | 2, least: 2, copies: 2},
	{flag: raid1, level: raid.Level1, least: 2, exact: true, copies: 2},
	{flag: dup, level: raid.Level1, least: 2, exact: true, copies: 2},
	{flag: raid0, level: raid.Level0, least: 1, copies: 1},
	{flag: 0, level: raid.Level1, least: 1, exact: true, copies: 1},
	{flag: raid5, level: raid.Level5, layout: raid.RightSymmetric, least: 2, copies: 1, parity: 1, turned: 1},
	{flag: raid6, level: raid.Level6, layout: raid.RightSymmetric, least: 3, copies: 1, parity: 2, turned: 2},
	{flag: raid1c3, level: raid.Level1, least: 3, exact: true, copies: 3},
	{flag: raid1c4, level: raid.Level1, least: 4, exact: true, copies: 4},
}

const anyProfile = raid0 | raid1 | dup | raid10 | raid5 | raid6 | raid1c3 | raid1c4

// rows is how many stripes' worth of data a chunk of n stripes has.
func (p *profile) rows(n int) int64 { return int64((n - p.parity) / p.copies) }

func (p *profile) redundant() bool { return p.copies > 1 || p.parity > 0 }

// chunk maps a range of logical addresses to devices.
type chunk struct {
	logical, length int64
	kind            uint64
	profile         *profile
	stripes         []stripe // as the array counts them; without a device where it is missing
	missing         []deviceID
	array           *raid.Array
}

// chunkMap finds a chunk by its logical address.
type chunkMap []*chunk // sorted

func (m *chunkMap) add(c *chunk) {
	i, found := slices.BinarySearchFunc(*m, c.logical, func(c *chunk, logical int64) int {
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
}

// parseChunk validates a chunk item as btrfs_check_chunk_valid does, and finds
// the devices that it names.
func (v *volume) parseChunk(k key, item []byte) (*chunk, error) {
	if len(item) < chunkHeader {
		return nil, damaged("chunk", int64(k.offset), "%d bytes", len(item))
	}
	length, kind, stripes := le.Uint64(item), le.Uint64(item[24:]), int(le.Uint16(item[44:]))
	if k.offset > math.MaxInt64 || length == 0 || length > math.MaxInt64-k.offset {
		return nil, damaged("chunk", int64(k.offset), "length %d", length)
	}
	if stripes == 0 || chunkHeader+stripes*stripeSize > len(item) {
		return nil, damaged("chunk", int64(k.offset), "%d stripes in %d bytes", stripes, len(item))
	}
	i := slices.IndexFunc(profiles, func(p profile) bool { return p.flag == kind&anyProfile })
	if i < 0 {
		return nil, unsupported("a chunk of profile %#x", kind&anyProfile)
	}
	c := &chunk{logical: int64(k.offset), length: int64(length), kind: kind, profile: &profiles[i]}
	if p := c.profile; stripes < p.least || p.exact && stripes > p.least || stripes%p.copies != 0 && !p.exact {
		return nil, damaged("chunk", int64(k.offset), "%d stripes of profile %#x", stripes, p.flag)
	}
	c.stripes = make([]stripe, stripes)
	for i := range stripes {
		s := item[chunkHeader+i*stripeSize:]
		id, off := deviceID{le.Uint64(s), [16]byte(s[16:32])}, le.Uint64(s[8:])
		if off > math.MaxInt64-length {
			return nil, damaged("chunk", int64(k.offset), "it lies at byte %d of the device", off)
		}
		turned := (i + c.profile.turned) % stripes
		c.stripes[turned] = stripe{device: v.devices[id], base: int64(off), redundant: c.profile.redundant()}
		if v.devices[id] == nil && !slices.Contains(c.missing, id) {
			c.missing = append(c.missing, id)
		}
	}
	v.freshFirst(c)
	return c, c.layOut()
}

// freshFirst has the copies of devices that have missed changes read last.
func (v *volume) freshFirst(c *chunk) {
	if c.profile.copies == 1 {
		return
	}
	for s := c.stripes; len(s) > 0; s = s[c.profile.copies:] {
		slices.SortStableFunc(s[:c.profile.copies], func(a, b stripe) int { return v.order(a) - v.order(b) })
	}
}

func (v *volume) order(s stripe) int {
	if s.device != nil && v.stale(s.device) {
		return 1
	}
	return 0
}

// layOut makes the array of a chunk.
func (c *chunk) layOut() error {
	size := c.length / c.profile.rows(len(c.stripes))
	g := raid.Geometry{Level: c.profile.level, Layout: c.profile.layout, Chunk: stripeUnit, Clean: math.MaxInt64}
	devices := make([]io.ReaderAt, len(c.stripes))
	for i, s := range c.stripes {
		g.Sizes = append(g.Sizes, size)
		if s.device != nil {
			devices[i] = s
		}
	}
	var err error
	if c.array, err = raid.New(g, devices); err != nil {
		return damaged("chunk", c.logical, "%v", err)
	}
	return nil
}

// ReadAt reads what begins off bytes into the chunk, from whichever copy there is.
func (c *chunk) ReadAt(p []byte, off int64) (n int, err error) {
	if len(c.stripes) == 1 && c.stripes[0].device != nil {
		n, err = c.stripes[0].ReadAt(p, off)
	} else {
		n, err = c.array.ReadAt(p, off)
	}
	if n == len(p) {
		return n, nil
	}
	return n, c.explain(orCutOff(err))
}

// explain names the devices that are missing where that is why a read failed.
func (c *chunk) explain(err error) error {
	if errors.Is(err, raid.ErrMissing) {
		return &missingError{c.missing}
	}
	return err
}

// find returns the chunk of a logical address, how far into it that is, and
// false where there is none.
func (m chunkMap) find(logical uint64) (*chunk, int64, bool) {
	if logical > math.MaxInt64 {
		return nil, 0, false
	}
	at := int64(logical)
	i, found := slices.BinarySearchFunc(m, at, func(c *chunk, at int64) int {
		switch {
		case c.logical+c.length <= at:
			return -1
		case c.logical > at:
			return 1
		}
		return 0
	})
	if !found {
		return nil, 0, false
	}
	return m[i], at - m[i].logical, true
}
