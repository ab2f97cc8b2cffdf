package ext4

import (
	"encoding/binary"
	"io"
	"slices"
)

// overlay shows a volume as it will be when its journal has been written
// back: blocks that the journal holds are read from there.
type overlay struct {
	r         io.ReaderAt
	blockBits uint
	patches   []patch // by block, each once
}

// patch is a block whose contents lie in another, in the journal.
type patch struct {
	block, from uint64
	// escaped marks contents that began with the journal's own magic, for
	// which the journal keeps zeroes.
	escaped bool
}

// ReadAt implements [io.ReaderAt].
func (o *overlay) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.r.ReadAt(p, off)
	if n <= 0 {
		return n, err
	}
	end := off + int64(n)
	first, _ := slices.BinarySearchFunc(o.patches, uint64(off)>>o.blockBits, func(p patch, block uint64) int {
		switch {
		case p.block < block:
			return -1
		case p.block > block:
			return 1
		}
		return 0
	})
	for i := first; i < len(o.patches) && int64(o.patches[i].block)<<o.blockBits < end; {
		run := o.patches[i : i+o.adjacent(i)]
		if err := o.apply(run, p[:n], off); err != nil {
			return 0, err
		}
		i += len(run)
	}
	return n, err
}

// adjacent is how many patches from i on lie together on both sides.
func (o *overlay) adjacent(i int) int {
	n := 1
	for i+n < len(o.patches) {
		a, b := o.patches[i+n-1], o.patches[i+n]
		if b.block != a.block+1 || b.from != a.from+1 {
			break
		}
		n++
	}
	return n
}

// apply reads what adjacent patches have of the bytes p at off.
func (o *overlay) apply(run []patch, p []byte, off int64) error {
	size := int64(1) << o.blockBits
	start := int64(run[0].block) << o.blockBits
	lo, hi := max(off, start), min(off+int64(len(p)), start+int64(len(run))*size)
	from := int64(run[0].from)<<o.blockBits + lo - start
	if _, err := o.r.ReadAt(p[lo-off:hi-off], from); err != nil && err != io.EOF {
		return err
	}
	var magic [4]byte
	binary.BigEndian.PutUint32(magic[:], journalMagic)
	for _, x := range run {
		at := int64(x.block) << o.blockBits
		if !x.escaped {
			continue
		}
		for i, b := range magic {
			if q := at + int64(i); q >= lo && q < hi {
				p[q-off] = b
			}
		}
	}
	return nil
}
