package clusters

import (
	"encoding/binary"
	"fmt"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// First is the number of the first cluster of the heap.
const First = 2

// end is what the table holds for the last cluster of a chain, whatever the
// width of its entries.
const end = ^uint32(0)

// Kind is the width of a table's entries, in bits; exFAT uses all 32 of them.
type Kind int

// The kinds of table.
const (
	FAT12 Kind = 12
	FAT16 Kind = 16
	FAT32 Kind = 32
	ExFAT Kind = 64
)

// Volume is where the table and the heap lie.
type Volume struct {
	Cache *fstree.Cache
	Type  string // of the filesystem, for errors
	Kind  Kind
	Table int64  // byte where the table begins
	Heap  int64  // byte where cluster 2 begins
	Bits  uint   // log2 of the cluster size
	Count uint32 // clusters of the heap; the table has entries for all of them
}

// ClusterSize is in bytes.
func (v *Volume) ClusterSize() int64 { return 1 << v.Bits }

// Offset returns the byte where a cluster begins.
func (v *Volume) Offset(cluster uint32) int64 {
	return v.Heap + int64(cluster-First)<<v.Bits
}

// Valid says whether the heap has such a cluster.
func (v *Volume) Valid(cluster uint32) bool {
	return cluster >= First && cluster-First < v.Count
}

func (v *Volume) damage(structure string, cluster uint32, format string, args ...any) error {
	return &fstree.DamageError{FS: v.Type, Structure: structure, Block: int64(cluster), Why: fmt.Sprintf(format, args...)}
}

// cursor reads the table. It keeps a view of the part that it read last, as
// most chains run on in the same part.
type cursor struct {
	v    *Volume
	at   int64 // byte of the volume where win begins
	win  []byte
	size int64 // bytes of the table
}

func (v *Volume) cursor() cursor {
	return cursor{v: v, size: v.entry(v.Count + First)}
}

// entry returns the byte of the table where a cluster's entry begins.
func (v *Volume) entry(cluster uint32) int64 {
	switch v.Kind {
	case FAT12:
		return int64(cluster) * 3 / 2
	case FAT16:
		return int64(cluster) * 2
	default:
		return int64(cluster) * 4
	}
}

// raw returns what the table holds for a cluster.
func (c *cursor) raw(cluster uint32) (uint32, error) {
	n := int64(4)
	if c.v.Kind <= FAT16 {
		n = 2
	}
	off := c.v.Table + c.v.entry(cluster)
	if off < c.at || off+n > c.at+int64(len(c.win)) {
		if err := c.load(off, n); err != nil {
			return 0, err
		}
	}
	b := c.win[off-c.at:]
	switch c.v.Kind {
	case FAT12:
		// Two entries share three bytes: the even one has the low 12 bits.
		x := binary.LittleEndian.Uint16(b)
		if cluster&1 != 0 {
			return uint32(x >> 4), nil
		}
		return uint32(x & 0xFFF), nil
	case FAT16:
		return uint32(binary.LittleEndian.Uint16(b)), nil
	case FAT32:
		return binary.LittleEndian.Uint32(b) & 0x0FFFFFFF, nil // 4 bits are reserved
	default:
		return binary.LittleEndian.Uint32(b), nil
	}
}

// load moves the view over n bytes at off: as much of the table around them
// as lies in one aligned 64 KiB, which the cache shows without a copy.
func (c *cursor) load(off, n int64) error {
	const window = 1 << 16
	start := max(off&^(window-1), c.v.Table)
	stop := min(off&^(window-1)+window, c.v.Table+c.size+1, c.v.Cache.Size())
	if off+n > stop { // an entry of FAT12 over two windows, or a table cut off
		start, stop = off, off+n
	}
	win, err := c.v.Cache.Bytes(start, stop-start)
	if err != nil {
		return fmt.Errorf("%s: allocation table: %w", c.v.Type, err)
	}
	c.at, c.win = start, win
	return nil
}

// next returns the cluster that follows, or end. The mark of a bad cluster
// ends a chain too, as in Linux (fs/fat/fatent.c, fat12_ent_get and so on).
func (c *cursor) next(cluster uint32) (uint32, error) {
	x, err := c.raw(cluster)
	if err != nil {
		return 0, err
	}
	switch c.v.Kind {
	case FAT12:
		if x >= 0xFF7 {
			x = end
		}
	case FAT16:
		if x >= 0xFFF7 {
			x = end
		}
	case FAT32:
		if x >= 0x0FFFFFF7 {
			x = end
		}
	default:
		if x >= 0xFFFFFFF8 {
			x = end
		}
	}
	return x, nil
}

// Entry returns what the table holds for a cluster below Count+2, among them
// 0 and 1, whose entries are flags of the volume.
func (v *Volume) Entry(cluster uint32) (uint32, error) {
	c := v.cursor()
	return c.raw(cluster)
}

// Fits returns an error for a file that needs more clusters than there are:
// each of its bytes has a place in one.
func (v *Volume) Fits(structure string, size int64) error {
	if clusters := (size-1)>>v.Bits + 1; clusters > int64(v.Count) {
		return &fstree.DamageError{FS: v.Type, Structure: structure, Block: -1,
			Why: fmt.Sprintf("%d bytes, which take %d clusters of %d", size, clusters, v.Count)}
	}
	return nil
}

// End is the byte where the last cluster ends.
func (v *Volume) End() int64 { return v.Heap + int64(v.Count)<<v.Bits }

// Free counts the clusters that the table says are free.
func (v *Volume) Free() (uint32, error) {
	c := v.cursor()
	free := uint32(0)
	for i := range v.Count {
		x, err := c.raw(First + i)
		if err != nil {
			return 0, err
		}
		if x == 0 {
			free++
		}
	}
	return free, nil
}
