package squashfs

import (
	"encoding/binary"
	"fmt"
	"io"
	"iter"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	// maxBlocks bounds the list of a file's blocks: 512 GiB at the usual 128
	// KiB.
	maxBlocks = 4 << 20

	// Between blocks whose place is kept so many are counted anew.
	placeStep = 256
)

// Open reads the list of a file's blocks.
func (e *engine) Open(id fstree.ID) (fstree.Content, error) {
	n, err := e.inode(id)
	if err != nil {
		return nil, err
	}
	c := &content{e: e, size: n.stat.Size, fragment: n.fragment, fragmentOffset: int64(n.fragmentOffset)}
	count := c.size / e.blockSize
	if n.fragment == noFragment && c.size%e.blockSize != 0 {
		count++
	}
	if count > maxBlocks {
		return nil, fmt.Errorf("a file of %d blocks: %w", count, fstree.ErrUnsupported)
	}
	if n.data > uint64(e.used) {
		return nil, damage("file", int64(n.data), "begins outside the volume")
	}
	at := int64(n.data)
	for i := range count {
		b, err := n.rest.take(4)
		if err != nil {
			return nil, err
		}
		if i%placeStep == 0 {
			c.places = append(c.places, at)
		}
		length := binary.LittleEndian.Uint32(b)
		c.lengths = append(c.lengths, length)
		at += int64(length &^ dataStored)
	}
	if at > e.used {
		return nil, damage("file", int64(n.data), fmt.Sprintf("its blocks end at byte %d of %d", at, e.used))
	}
	return c, nil
}

// content is the contents of a file.
type content struct {
	e    *engine
	size int64

	lengths        []uint32 // of the blocks as they are stored, with dataStored; 0 is a hole
	places         []int64  // where every placeStep-th block begins
	fragment       uint32   // that holds the rest
	fragmentOffset int64
}

func (c *content) Size() int64 { return c.size }

// place is where a block lies on the volume.
func (c *content) place(i int64) int64 {
	at := c.places[i/placeStep]
	for _, length := range c.lengths[i/placeStep*placeStep : i] {
		at += int64(length &^ dataStored)
	}
	return at
}

func (c *content) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && off < c.size {
		i := off / c.e.blockSize
		part := p[n:min(int64(len(p)), int64(n)+(i+1)*c.e.blockSize-off, int64(n)+c.size-off)]
		if err := c.readBlock(part, i, off%c.e.blockSize); err != nil {
			return n, err
		}
		n, off = n+len(part), off+int64(len(part))
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// readBlock reads from an offset in the i-th block of the file.
func (c *content) readBlock(p []byte, i, off int64) error {
	if i >= int64(len(c.lengths)) {
		return c.readFragment(p, off)
	}
	if c.lengths[i] == 0 {
		clear(p)
		return nil
	}
	block, err := c.e.data(c.place(i), c.lengths[i])
	if err != nil {
		return err
	}
	if off+int64(len(p)) > int64(len(block)) {
		return damage("data block", c.place(i), "too short")
	}
	copy(p, block[off:])
	return nil
}

func (c *content) readFragment(p []byte, off int64) error {
	e := c.e
	t := table{e: e, index: int64(min(e.fragmentTable, noTable>>1)), entry: 16, count: int64(e.fragments), name: "fragment"}
	b, err := t.get(int64(c.fragment))
	if err != nil {
		return err
	}
	start := binary.LittleEndian.Uint64(b)
	if start > uint64(e.used) {
		return damage("fragment", t.index, "lies outside the volume")
	}
	block, err := e.data(int64(start), binary.LittleEndian.Uint32(b[8:]))
	if err != nil {
		return err
	}
	if off += c.fragmentOffset; off+int64(len(p)) > int64(len(block)) {
		return damage("fragment", int64(start), "too short")
	}
	copy(p, block[off:])
	return nil
}

// data returns a data block or a fragment as it was.
func (e *engine) data(at int64, length uint32) ([]byte, error) {
	size := int64(length &^ dataStored)
	if size > e.blockSize || at < superblockSize || at > e.used-size {
		return nil, damage("data block", at, fmt.Sprintf("length %d", size))
	}
	b, err := e.blocks.Get(at, e.blockSize+overhead, func() (block, error) {
		b, err := e.read(at, size)
		if err == nil && length&dataStored == 0 {
			b, err = e.decompress(b, int(e.blockSize), at)
		}
		return block{bytes: b}, err
	})
	if err != nil {
		return nil, err
	}
	return b.bytes, nil
}

// Extents yields a run for each block; neighbouring holes, and neighbouring
// blocks that are not stored as they are, are one.
func (c *content) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		end := min(off+n, c.size)
		var run fstree.Extent
		for off < end {
			x := c.extent(off, end)
			off += x.Length
			if run.Length > 0 && run.Hole == x.Hole && run.Offset < 0 && x.Offset < 0 {
				run.Length += x.Length
				continue
			}
			if run.Length > 0 && !yield(run, nil) {
				return
			}
			run = x
		}
		if run.Length > 0 {
			yield(run, nil)
		}
	}
}

// extent is the part of a block from off on.
func (c *content) extent(off, end int64) fstree.Extent {
	i := off / c.e.blockSize
	x := fstree.Extent{Start: off, Length: min((i+1)*c.e.blockSize, end) - off, Offset: -1}
	if i < int64(len(c.lengths)) {
		x.Hole = c.lengths[i] == 0
		if c.lengths[i]&dataStored != 0 {
			x.Offset = c.place(i) + off%c.e.blockSize
		}
	}
	return x
}
