package qedfile

import (
	"encoding/binary"
	"errors"
	"io"
	"math/bits"
	"sync/atomic"
)

// TableOptions say what the tables of a [TableReader] are like. The zero value
// means 64-bit little-endian entries.
type TableOptions struct {
	Narrow     bool             // entries of 32 bits instead of 64
	Order      binary.ByteOrder // of an entry's bytes; nil is little-endian
	CacheBytes int64            // budget for entries in memory; 0 means 16 MiB
	SliceBytes int64            // bytes that are read at once: a power of two from 512 to 64 KiB; 0 means 4 KiB
}

// A TableReader reads the tables of a disk image through the same cache as an
// [Image] has: in slices, within a budget of memory. It is for other formats
// whose tables are arrays of numbers.
//
// Any number of goroutines may use it. What was read once is taken not to
// change in the file.
type TableReader struct {
	r         io.ReaderAt
	order     binary.ByteOrder
	cache     *tableCache
	sliceBits uint // log2 of the bytes of a slice in the file
	entryBits uint // log2 of the bytes of an entry in the file
}

// NewTableReader returns a reader of the tables in r.
func NewTableReader(r io.ReaderAt, opts *TableOptions) *TableReader {
	var o TableOptions
	if opts != nil {
		o = *opts
	}
	if o.Order == nil {
		o.Order = binary.LittleEndian
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = defaultCacheBytes
	}
	slice := min(max(o.SliceBytes, 512), maxSliceBytes)
	if o.SliceBytes == 0 {
		slice = minSliceBytes
	}
	t := &TableReader{r: r, order: o.Order, sliceBits: uint(bits.Len64(uint64(slice)) - 1), entryBits: 3}
	memory := int64(1) << t.sliceBits
	if o.Narrow {
		t.entryBits = 2
		memory *= entrySize / 4
	}
	t.cache = newTableCache(o.CacheBytes, memory)
	return t
}

// TableEntries are neighbouring entries of a table.
type TableEntries struct{ entries []atomic.Uint64 }

// Len returns how many entries there are.
func (e TableEntries) Len() int { return len(e.entries) }

// At returns entry i.
func (e TableEntries) At(i int) uint64 { return e.entries[i].Load() }

// Entries returns the entries that begin at offset off of the file, as many as
// were read at once: at least one, and none when off is no multiple of their
// size, which is an error. What the file lacks at its end is zero.
func (t *TableReader) Entries(off int64) (TableEntries, error) {
	if off < 0 || off&(1<<t.entryBits-1) != 0 {
		return TableEntries{}, invalid("no table entry can lie at %#x", off)
	}
	key := uint64(off >> t.sliceBits)
	first := off & (1<<t.sliceBits - 1) >> t.entryBits
	s := t.cache.lookup(key)
	if s == nil {
		var err error
		s, err = t.cache.get(key, false, func() (*tableSlice, error) { return t.load(key) })
		if err != nil {
			return TableEntries{}, err
		}
	}
	return TableEntries{s.entries[first:]}, nil
}

// load reads a slice.
func (t *TableReader) load(key uint64) (*tableSlice, error) {
	s := &tableSlice{key: key, table: int64(key << t.sliceBits)}
	b := make([]byte, 1<<t.sliceBits)
	n, err := t.r.ReadAt(b, s.table)
	if n < len(b) && err != nil && !errors.Is(err, io.EOF) {
		return nil, errorf("read table at %#x: %w", s.table, err)
	}
	clear(b[n:])
	s.entries = make([]atomic.Uint64, len(b)>>t.entryBits)
	for i := range s.entries {
		if t.entryBits == 2 {
			s.entries[i].Store(uint64(t.order.Uint32(b[4*i:])))
		} else {
			s.entries[i].Store(t.order.Uint64(b[8*i:]))
		}
	}
	return s, nil
}
