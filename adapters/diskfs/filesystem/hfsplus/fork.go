package hfsplus

import (
	"fmt"
	"io"
	"iter"
	"sort"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Numbers of the files that a volume is made of.
const (
	idRootParent   = 1
	idRoot         = 2
	fileExtents    = 3
	fileCatalog    = 4
	fileAttributes = 8
)

// Kinds of forks in the extents file.
const (
	forkData     = 0
	forkResource = 0xFF
)

// piece is a run of blocks of a fork.
type piece struct {
	start        int64 // block of the fork
	first, count int64 // blocks of the volume
}

// fork is the bytes of a file, in pieces without gaps.
type fork struct {
	v      *volume
	name   string
	size   int64
	blocks int64
	pieces []piece
}

const forkSize = 80

// fork decodes a fork's description (HFSPlusForkData) and looks up the extents that it
// has no room for.
func (v *volume) fork(name string, file uint32, kind byte, b []byte) (*fork, error) {
	size := be.Uint64(b)
	f := &fork{v: v, name: name, size: int64(size), blocks: int64(be.Uint32(b[12:]))}
	if size > uint64(f.blocks*v.block) {
		return nil, damage(name, -1, "%d bytes in %d blocks of %d", size, f.blocks, v.block)
	}
	if f.blocks > v.blocks {
		return nil, damage(name, -1, "%d blocks of %d", f.blocks, v.blocks)
	}
	next, err := f.add(0, b[16:forkSize])
	for err == nil && next < f.blocks {
		var more []byte
		more, err = v.overflow(file, kind, uint32(next))
		if err != nil {
			break
		}
		before := next
		if next, err = f.add(next, more); err == nil && next == before {
			err = damage(name, -1, "no extents from its block %d on", next)
		}
	}
	return f, err
}

// add takes up to eight extents, which begin with a block of the fork, and returns the
// block that comes after them.
func (f *fork) add(next int64, b []byte) (int64, error) {
	for ; len(b) >= 8 && next < f.blocks; b = b[8:] {
		p := piece{next, int64(be.Uint32(b)), int64(be.Uint32(b[4:]))}
		if p.count == 0 {
			break
		}
		if p.first > f.v.blocks-p.count {
			return next, damage(f.name, p.first, "%d blocks there of %d", p.count, f.v.blocks)
		}
		f.pieces = append(f.pieces, p)
		next += p.count
	}
	return next, nil
}

// overflow finds the extents of a fork from one of its blocks on.
func (v *volume) overflow(file uint32, kind byte, block uint32) ([]byte, error) {
	if v.extents == nil { // its own are all in the header
		return nil, damage("extents file", -1, "more than eight extents")
	}
	key := func(k []byte) int {
		switch {
		case len(k) < 10:
			return -1
		case be.Uint32(k[2:]) != file:
			return order(be.Uint32(k[2:]), file)
		case k[0] != kind:
			return order(k[0], kind)
		}
		return order(be.Uint32(k[6:]), block)
	}
	r, err := v.extents.find(key)
	if err != nil {
		return nil, err
	}
	if r == nil || key(r.key) != 0 || len(r.data) < 64 {
		return nil, damage("extents file", -1, "no extents of file %d from its block %d on", file, block)
	}
	return r.data[:64], nil
}

// Size implements [fstree.Content].
func (f *fork) Size() int64 { return f.size }

// Extents implements [fstree.Content].
func (f *fork) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		for x := range f.runs(off, n) {
			if !yield(x, nil) {
				return
			}
		}
	}
}

// runs is Extents, which has no errors here: a fork is checked when it is opened.
func (f *fork) runs(off, n int64) iter.Seq[fstree.Extent] {
	return func(yield func(fstree.Extent) bool) {
		if off < 0 || n <= 0 || off >= f.size {
			return
		}
		end := off + min(n, f.size-off)
		i := sort.Search(len(f.pieces), func(i int) bool { return (f.pieces[i].start+f.pieces[i].count)*f.v.block > off })
		for ; off < end; i++ {
			p := f.pieces[i]
			length := min((p.start+p.count)*f.v.block, end) - off
			if !yield(fstree.Extent{Start: off, Length: length, Offset: f.v.base + (p.first-p.start)*f.v.block + off}) {
				return
			}
			off += length
		}
	}
}

// ReadAt implements [io.ReaderAt].
func (f *fork) ReadAt(p []byte, off int64) (n int, err error) {
	for x := range f.runs(off, int64(len(p))) {
		part := p[n : n+int(x.Length)]
		if m, err := f.v.cache.ReadData(part, x.Offset); m < len(part) {
			return n + m, fmt.Errorf("hfsplus: %s: %w", f.name, err)
		}
		n += len(part)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
