package ext4

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/qedfs/qedfs/backend"
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
	for list := o.within(off, int64(n)); len(list) > 0; {
		run := list[:adjacent(list)]
		if err := o.apply(run, p[:n], off); err != nil {
			return 0, err
		}
		list = list[len(run):]
	}
	return n, err
}

// within returns the patches that concern n bytes at off.
func (o *overlay) within(off, n int64) []patch {
	from := func(block uint64) int {
		i, _ := slices.BinarySearchFunc(o.patches, block, func(p patch, block uint64) int { return cmp.Compare(p.block, block) })
		return i
	}
	return o.patches[from(uint64(off)>>o.blockBits):from(uint64(off+n-1)>>o.blockBits+1)]
}

// adjacent is how many of the first patches lie together on both sides.
func adjacent(list []patch) int {
	n := 1
	for n < len(list) && list[n].block == list[n-1].block+1 && list[n].from == list[n-1].from+1 {
		n++
	}
	return n
}

// apply reads what adjacent patches have of the bytes p at off.
func (o *overlay) apply(run []patch, p []byte, off int64) error {
	start, length := int64(run[0].block)<<o.blockBits, int64(len(run))<<o.blockBits
	lo, hi := max(off, start), min(off+int64(len(p)), start+length)
	part := p[lo-off : hi-off]
	if _, err := backend.ReadFull(o.r, part, int64(run[0].from)<<o.blockBits+lo-start); err != nil {
		return fmt.Errorf("ext4: journal: %w", err)
	}
	magic := be.AppendUint32(nil, journalMagic)
	for _, x := range run {
		if !x.escaped {
			continue
		}
		for i, b := range magic {
			if at := int64(x.block)<<o.blockBits + int64(i); at >= lo && at < hi {
				p[at-off] = b
			}
		}
	}
	return nil
}

// Prefetch implements [backend.Prefetcher]. What a patch replaces comes along.
func (o *overlay) Prefetch(ranges []backend.Range) { backend.Prefetch(o.r, ranges) }

// Prefetches implements [backend.Prefetcher].
func (o *overlay) Prefetches() bool { return backend.Prefetches(o.r) }
