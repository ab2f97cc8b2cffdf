package clusters_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/clusters"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

const count = 3000 // clusters of 512 bytes

// volume has a table of the given entries, and clusters that hold their number.
func volume(kind clusters.Kind, entries []uint32) *clusters.Volume {
	count := len(entries) - 2
	table := make([]byte, 16<<10)
	for i, x := range entries {
		switch kind {
		case clusters.FAT12:
			at := i * 3 / 2
			old := binary.LittleEndian.Uint16(table[at:])
			if i&1 != 0 {
				binary.LittleEndian.PutUint16(table[at:], old&0xF|uint16(x)<<4)
			} else {
				binary.LittleEndian.PutUint16(table[at:], old&0xF000|uint16(x)&0xFFF)
			}
		case clusters.FAT16:
			binary.LittleEndian.PutUint16(table[2*i:], uint16(x))
		default:
			binary.LittleEndian.PutUint32(table[4*i:], x)
		}
	}
	b := table
	for c := range count {
		b = append(b, bytes.Repeat(binary.LittleEndian.AppendUint32(nil, uint32(c+2)), 128)...)
	}
	return &clusters.Volume{
		Cache: fstree.NewCache(bytes.NewReader(b), int64(len(b)), 0), Type: "test", Kind: kind,
		Heap: int64(len(table)), Bits: 9, Count: uint32(count),
	}
}

func everyKind(t *testing.T, f func(t *testing.T, kind clusters.Kind)) {
	for _, kind := range []clusters.Kind{clusters.FAT12, clusters.FAT16, clusters.FAT32, clusters.ExFAT} {
		t.Run(fmt.Sprint(int(kind)), func(t *testing.T) { f(t, kind) })
	}
}

func TestARandomChainIsFollowedToItsEnd(t *testing.T) {
	everyKind(t, func(t *testing.T, kind clusters.Kind) {
		rng := oracle.Seed(t)
		order := rng.Perm(count)[:1000]
		slices.Sort(order[200:400]) // some of it in longer runs
		entries := make([]uint32, count+2)
		for i, c := range order {
			entries[c+2] = 0xFFFFFFFF
			if i+1 < len(order) {
				entries[c+2] = uint32(order[i+1] + 2)
			}
		}
		v := volume(kind, entries)
		size := int64(1000*512 - 100)
		chain := v.Chain("file", uint32(order[0]+2), 1000)
		if chain.Len() != 1000 || chain.Err() != nil {
			t.Fatalf("%d clusters, %v", chain.Len(), chain.Err())
		}
		c := clusters.NewContent("file", chain, size, size)
		got := make([]byte, size)
		if n, err := c.ReadAt(got, 0); int64(n) != size || err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
		for i, cluster := range order {
			if x := binary.LittleEndian.Uint32(got[i*512:]); x != uint32(cluster+2) {
				t.Fatalf("cluster %d of the file is %d, want %d", i, x, cluster+2)
			}
		}
		var at int64
		for x, err := range c.Extents(0, size) {
			if err != nil || x.Start != at || x.Length < 1 {
				t.Fatalf("%+v at %d, %v", x, at, err)
			}
			at += x.Length
		}
		if at != size {
			t.Errorf("extents end at %d, want %d", at, size)
		}
		if free, err := v.Free(); free != count-1000 || err != nil {
			t.Errorf("%d free, %v", free, err)
		}
	})
}

// TestLoopsAreCutWhereTheyClose tries every tail and length of a loop up to a
// size: the chain has each of its clusters once.
func TestLoopsAreCutWhereTheyClose(t *testing.T) {
	everyKind(t, func(t *testing.T, kind clusters.Kind) {
		for tail := range 20 {
			for loop := 1; loop < 20; loop++ {
				entries := make([]uint32, 100)
				n := tail + loop
				for i := range n {
					entries[10+2*i] = uint32(10 + 2*(i+1))
				}
				entries[10+2*(n-1)] = uint32(10 + 2*tail)
				chain := volume(kind, entries).Chain("file", 10, 1<<30)
				if chain.Len() != int64(n) || !errors.Is(chain.Err(), fstree.ErrDamaged) {
					t.Fatalf("tail of %d, loop of %d: %d clusters, %v", tail, loop, chain.Len(), chain.Err())
				}
			}
		}
	})
}

func TestAContiguousFileEndsWithTheVolume(t *testing.T) {
	v := volume(clusters.ExFAT, make([]uint32, count+2))
	if c := v.Contiguous("file", 2, count); c.Len() != count || c.Err() != nil {
		t.Errorf("%d clusters, %v", c.Len(), c.Err())
	}
	for _, c := range []struct {
		start     uint32
		n, length int64
	}{{2, count + 1, count}, {count + 1, 2, 1}, {count + 2, 1, 0}, {1, 1, 0}, {0, 1, 0}, {0xFFFFFFFF, 1, 0}, {100, 1 << 60, count - 98}} {
		chain := v.Contiguous("file", c.start, c.n)
		if chain.Len() != c.length || !errors.Is(chain.Err(), fstree.ErrDamaged) {
			t.Errorf("%+v: %d clusters, %v", c, chain.Len(), chain.Err())
		}
	}
	if c := v.Contiguous("file", 0, 0); c.Len() != 0 || c.Err() != nil {
		t.Errorf("nothing: %d clusters, %v", c.Len(), c.Err())
	}
}
