package ntfs

import (
	"fmt"
	"io"
	"iter"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ntfs/internal/wof"
	"github.com/qedfs/qedfs/backend"
)

const (
	tagWOF    = 0x80000017
	streamWOF = "WofCompressedData"
)

// wofAlgorithm reads how a file is compressed from its reparse point: versions,
// the provider (2 for single files, 1 for those of a WIM file elsewhere), and the
// algorithm (wofapi.h, WOF_EXTERNAL_INFO and FILE_PROVIDER_EXTERNAL_INFO_V1).
func wofAlgorithm(data []byte) (wof.Algorithm, error) {
	if len(data) < 16 || le.Uint32(data) != 1 || le.Uint32(data[4:]) != 2 || le.Uint32(data[8:]) != 1 {
		return 0, fmt.Errorf("ntfs: %w: a file that lies in a WIM file", fstree.ErrUnsupported)
	}
	a := wof.Algorithm(le.Uint32(data[12:]))
	if a.ChunkSize() == 0 {
		return 0, fmt.Errorf("ntfs: %w: compression by WOF with algorithm %d", fstree.ErrUnsupported, a)
	}
	return a, nil
}

// wofContent is the contents of a file that WOF has compressed: a stream with the
// places of chunks and these, see package wof.
type wofContent struct {
	packed    *stream
	size      int64
	algorithm wof.Algorithm
}

// openWOF returns the contents of a file of size bytes.
func (n *node) openWOF(size int64) (*wofContent, error) {
	algorithm, err := wofAlgorithm(n.point)
	if err != nil {
		return nil, err
	}
	packed, err := n.stream(attrData, streamWOF)
	if err != nil {
		return nil, damaged(recordName(n.records[0].number), -1, "no compressed contents: %v", err)
	}
	return &wofContent{packed, size, algorithm}, nil
}

func (c *wofContent) Size() int64 { return c.size }

// offsetSize is the size of an entry of the table.
func (c *wofContent) offsetSize() int64 {
	if c.size > 1<<32 {
		return 8
	}
	return 4
}

// tableSize is the length of the table, in which the first chunk has no entry.
func (c *wofContent) tableSize() int64 {
	return max(0, (c.size-1)/c.algorithm.ChunkSize()) * c.offsetSize()
}

// place says where in the packed stream a chunk lies.
func (c *wofContent) place(chunk int64) (start, end int64, err error) {
	width, table := c.offsetSize(), c.tableSize()
	if table > c.packed.size {
		return 0, 0, damaged("compressed data", -1, "%d bytes are compressed into %d, less than the table of chunks", c.size, c.packed.size)
	}
	first, last := max(0, (chunk-1)*width), min(table, (chunk+1)*width)
	var entries []byte
	if first < last {
		if entries, err = c.packed.metadata(first, last-first); err != nil {
			return 0, 0, err
		}
	}
	entry := func(i int64) int64 { // the place of chunk i
		b := entries[(i-1)*width-first:]
		if width == 8 {
			return int64(le.Uint64(b))
		}
		return int64(le.Uint32(b))
	}
	end = c.packed.size - table
	if chunk > 0 {
		start = entry(chunk)
	}
	if (chunk+1)*width <= table {
		end = entry(chunk + 1)
	}
	if start < 0 || end < start || end > c.packed.size-table || end-start > c.algorithm.ChunkSize() {
		return 0, 0, damaged("compressed data", -1, "chunk %d lies from byte %d to %d of %d", chunk, start, end, c.packed.size-table)
	}
	return table + start, table + end, nil
}

func (c *wofContent) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, damaged("attribute", -1, "a read at %d", off)
	}
	if off >= c.size {
		return 0, io.EOF
	}
	size := c.algorithm.ChunkSize()
	done := 0
	for done < len(p) && off < c.size {
		chunk := off / size
		whole := min(size, c.size-chunk*size)
		at := off - chunk*size
		part := p[done:min(int64(len(p)), int64(done)+whole-at)]
		if err := c.read(part, chunk, at, whole); err != nil {
			return done, err
		}
		done, off = done+len(part), off+int64(len(part))
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// read reads from byte at of a chunk. What is only a part of it is kept, as the
// next read probably asks for more.
func (c *wofContent) read(p []byte, chunk, at, whole int64) error {
	start, end, err := c.place(chunk)
	if err != nil {
		return err
	}
	units, where := &c.packed.v.units, int64(-1)
	for piece := range c.packed.pieces(start, end) {
		where = piece.at // no other unit or chunk begins there
		break
	}
	keep := where >= 0 && c.packed.resident == nil && int64(len(p)) < whole
	if keep {
		if b := units.Get(uint64(where)); int64(len(b)) == whole {
			copy(p, b[at:])
			return nil
		}
	}
	packed := make([]byte, end-start)
	if _, err := backend.ReadFull(c.packed, packed, start); err != nil {
		return err
	}
	out := p
	if int64(len(p)) < whole {
		out = make([]byte, whole)
	}
	d := c.packed.v.decoders.Get().(*wof.Decoder)
	defer c.packed.v.decoders.Put(d)
	if err := d.Decode(c.algorithm, out, packed); err != nil {
		return damaged("compressed data", -1, "chunk %d: %v", chunk, err)
	}
	if keep {
		units.Put(uint64(where), out)
	}
	if int64(len(p)) < whole {
		copy(p, out[at:])
	}
	return nil
}

// Extents says that everything is stored, and nothing as it is.
func (c *wofContent) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		if off >= 0 && off < c.size && n > 0 {
			yield(fstree.Extent{Start: off, Length: min(n, c.size-off), Offset: -1}, nil)
		}
	}
}
