package squashfs

import (
	"encoding/binary"
	"fmt"
)

const (
	metadataSize = 8 << 10 // bytes that a metadata block holds

	metadataStored = 1 << 15 // bit of its length: not compressed
	dataStored     = 1 << 24 // the same of a data block
)

// block is a block as it was before it was compressed.
type block struct {
	bytes []byte
	next  int64 // of metadata: where the next one begins
}

// metadataBlock returns a block of metadata and where the next one begins.
func (e *engine) metadataBlock(at int64) (b []byte, next int64, err error) {
	if at < superblockSize || at > e.used-2 {
		return nil, 0, damage("metadata block", at, "lies outside the volume")
	}
	block, err := e.blocks.Get(at, metadataSize+overhead, func() (block, error) {
		head, err := e.read(at, 2)
		if err != nil {
			return block{}, err
		}
		length := int64(binary.LittleEndian.Uint16(head))
		stored := length&metadataStored != 0
		length &^= metadataStored
		if length == 0 || length > metadataSize || length > e.used-at-2 {
			return block{}, damage("metadata block", at, fmt.Sprintf("length %d", length))
		}
		b, err := e.read(at+2, length)
		if err == nil && !stored {
			b, err = e.decompress(b, metadataSize, at)
		}
		return block{b, at + 2 + length}, err
	})
	if err != nil {
		return nil, 0, err
	}
	return block.bytes, block.next, nil
}

// decompress unpacks a block that holds at most so many bytes.
func (e *engine) decompress(b []byte, most int, at int64) ([]byte, error) {
	unpacked, err := e.unpack(b, most)
	if err != nil {
		return nil, damage("compressed block", at, err.Error())
	}
	return unpacked, nil
}

// cursor reads metadata from a place on, from block to block.
type cursor struct {
	e    *engine
	rest []byte // of the current block
	next int64  // where the next one begins
}

// cursor begins at a place in the table that begins at start.
func (e *engine) cursor(start uint64, place uint64) (*cursor, error) {
	block, offset := place>>16, int(place&0xffff)
	if start > uint64(e.used) || block > uint64(e.used)-start {
		return nil, damage("metadata", int64(min(start, uint64(e.used))), "a place outside the volume")
	}
	b, next, err := e.metadataBlock(int64(start + block))
	if err != nil {
		return nil, err
	}
	if offset > len(b) {
		return nil, damage("metadata", int64(start+block), "a place outside its block")
	}
	return &cursor{e: e, rest: b[offset:], next: next}, nil
}

// take returns the next n bytes, at most some tens of kilobytes. They must not
// be written to.
func (c *cursor) take(n int) ([]byte, error) {
	if n <= len(c.rest) {
		b := c.rest[:n]
		c.rest = c.rest[n:]
		return b, nil
	}
	b := make([]byte, 0, n)
	for {
		m := min(n-len(b), len(c.rest))
		b, c.rest = append(b, c.rest[:m]...), c.rest[m:]
		if len(b) == n {
			return b, nil
		}
		var err error
		if c.rest, c.next, err = c.e.metadataBlock(c.next); err != nil {
			return nil, err
		}
		if len(c.rest) == 0 {
			return nil, damage("metadata block", c.next, "empty")
		}
	}
}

// table is a table of entries of equal length in metadata blocks, with an
// index of where those begin.
type table struct {
	e     *engine
	index int64 // where the index lies
	entry int64 // bytes
	count int64
	name  string
}

func (t table) get(i int64) ([]byte, error) {
	if i >= t.count {
		return nil, damage(t.name+" table", t.index, fmt.Sprintf("no entry %d", i))
	}
	at := t.index + i*t.entry/metadataSize*8
	if at < 0 || at > t.e.used-8 {
		return nil, damage(t.name+" table", t.index, "its index lies outside the volume")
	}
	// Neighbours have the same pointer; it is kept as a block of its own.
	pointer, err := t.e.blocks.Get(-at, 8+overhead, func() (block, error) {
		b, err := t.e.read(at, 8)
		return block{bytes: b}, err
	})
	if err != nil {
		return nil, err
	}
	start := binary.LittleEndian.Uint64(pointer.bytes)
	if start > uint64(t.e.used) {
		return nil, damage(t.name+" table", t.index, "its index leads outside the volume")
	}
	b, _, err := t.e.metadataBlock(int64(start))
	if err != nil {
		return nil, err
	}
	off := i * t.entry % metadataSize
	if off+t.entry > int64(len(b)) {
		return nil, damage(t.name+" table", int64(start), "a block is too short")
	}
	return b[off : off+t.entry], nil
}
