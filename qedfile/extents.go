package qedfile

import (
	"io/fs"
	"iter"
	"math"
)

// Extents returns the runs of the disk between the byte offsets off and off+n,
// in order and without gaps, through the whole backing chain. Neighbours that
// are stored alike, and next to each other, are one run. The part of the range
// past the end of the disk is left out.
//
// A part whose table entry is invalid, or could not be read, comes as an error
// with its Start and Length; the caller may go on to the rest.
//
// The time it takes depends on the tables that exist, not on n.
func (m *Image) Extents(off, n int64) iter.Seq2[Extent, error] {
	return ChainExtents(m.OwnExtents(off, n), m.backing)
}

// OwnExtents implements [Layer]. Its errors are those of [Image.Extents].
func (m *Image) OwnExtents(off, n int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		if m.closed.Load() {
			yield(Extent{Start: off, Offset: -1}, fs.ErrClosed)
			return
		}
		if off < 0 || n < 0 {
			yield(Extent{Start: off, Offset: -1}, invalid("no extents of %d bytes at %d", n, off))
			return
		}
		for pos, end := off, off+min(n, max(0, m.Size()-off)); pos < end; {
			r, err := m.run(pos, end-pos)
			if !yield(Extent{Start: pos, Length: r.n, Kind: r.kind, Offset: r.host}, err) {
				return
			}
			pos += r.n
		}
	}
}

// ChainExtents completes the runs of one layer of a chain: what the layer does
// not store it replaces by what backing, which may be nil, has there, with
// Depth one higher. It joins neighbours that are stored alike and next to each
// other. An error is passed on, and the walk goes on after it.
func ChainExtents(own iter.Seq2[Extent, error], backing Disk) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		out := extentMerger{yield: yield, backing: backing}
		if backing != nil {
			out.backingSize = roundUp(backing.Size(), sectorSize)
		}
		for e, err := range own {
			var ok bool
			switch {
			case err != nil:
				ok = out.fail(e, err)
			case e.Kind == Unallocated:
				ok = out.hole(e)
			default:
				ok = out.add(e)
			}
			if !ok {
				return
			}
		}
		out.flush()
	}
}

// maxJoined is how many runs become one at most. A small image can be made to
// have thousands of millions that are alike, and the caller must get the chance
// to stop now and then.
const maxJoined = 1 << 20

// An extentMerger hands runs on, joined where they belong together.
type extentMerger struct {
	yield  func(Extent, error) bool
	last   Extent // not yet handed on, if its Length is not 0
	joined int    // how many runs last has taken in

	backing     Disk  // nil when there is none
	backingSize int64 // bytes, rounded up to a sector
}

// hole emits what the chain has in place of an unallocated run. Where it has
// nothing the run stays, with the place that it may have in the file: QEMU's
// map shows it.
func (o *extentMerger) hole(hole Extent) bool {
	end := hole.Start + hole.Length
	below := min(end, max(hole.Start, o.backingSize))
	if below > hole.Start && !o.below(hole.Start, below) {
		return false
	}
	if below == end {
		return true
	}
	if hole.Offset >= 0 {
		hole.Offset += below - hole.Start
	}
	hole.Start, hole.Length = below, end-below
	return o.add(hole)
}

// below emits the runs of the backing file from start to end, a layer deeper.
func (o *extentMerger) below(start, end int64) bool {
	mapper, ok := o.backing.(Mapper)
	if !ok {
		return o.add(Extent{Start: start, Length: end - start, Kind: Data, Depth: 1, Offset: start})
	}
	for e, err := range mapper.Extents(start, end-start) {
		e.Depth++
		if err != nil {
			ok = o.fail(e, err)
		} else {
			ok = o.add(e)
		}
		if !ok {
			return false
		}
		start = e.Start + e.Length
	}
	if start < end {
		// The last sector of the backing file is incomplete: its rest is zeroes.
		return o.stretch(start, end)
	}
	return true
}

func (o *extentMerger) add(e Extent) bool {
	if o.last.Length > 0 && o.joined < maxJoined && o.last.precedes(&e) {
		o.last.Length += e.Length
		o.joined++
		return true
	}
	if !o.flush() {
		return false
	}
	o.last = e
	return true
}

// stretch makes the last run, which ends at start, reach to end.
func (o *extentMerger) stretch(start, end int64) bool {
	if o.last.Length == 0 || o.last.Start+o.last.Length != start {
		return o.add(Extent{Start: start, Length: end - start, Kind: Zero, Depth: 1, Offset: -1})
	}
	o.last.Length += end - start
	return true
}

func (o *extentMerger) fail(e Extent, err error) bool {
	return o.flush() && o.yield(e, err)
}

func (o *extentMerger) flush() bool {
	e := o.last
	o.last, o.joined = Extent{}, 0
	return e.Length == 0 || o.yield(e, nil)
}

// precedes reports whether f goes on where e ends, on the disk and where they
// are stored.
func (e *Extent) precedes(f *Extent) bool {
	if e.Kind != f.Kind || e.Hole != f.Hole || e.Depth != f.Depth || e.Start+e.Length != f.Start || e.Length > math.MaxInt64-f.Length {
		return false
	}
	if e.Offset < 0 || f.Offset < 0 {
		return e.Offset < 0 && f.Offset < 0
	}
	return e.File == f.File && e.Offset+e.Length == f.Offset
}
