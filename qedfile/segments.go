package qedfile

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"iter"
)

// A span is a run of a disk's bytes that either may hold something, or is
// known to read as zeroes.
type span struct {
	off, n int64
	data   bool
}

// spans yields the parts of [off, end) of a disk in order. Neighbours differ,
// however the disk is fragmented. A disk that is not a [Mapper] is all data.
//
// The context is looked at for each part that the disk has, because one small
// image can be made to have a thousand million of them that are all alike.
func spans(ctx context.Context, d Disk, off, end int64) iter.Seq2[span, error] {
	return join(func(yield func(span, error) bool) {
		if off >= end {
			return
		}
		for e, err := range extents(d, off, end-off) {
			err = cmp.Or(err, ctx.Err())
			if !yield(span{e.Start, e.Length, e.Kind == Data}, err) || err != nil {
				return
			}
		}
	})
}

// join makes one of spans that touch and are alike.
func join(spans iter.Seq2[span, error]) iter.Seq2[span, error] {
	return func(yield func(span, error) bool) {
		var last span
		for s, err := range spans {
			if err != nil {
				yield(s, err)
				return
			}
			if s.data == last.data && last.n > 0 && last.off+last.n == s.off {
				last.n += s.n
				continue
			}
			if last.n > 0 && !yield(last, nil) {
				return
			}
			last = s
		}
		if last.n > 0 {
			yield(last, nil)
		}
	}
}

// cut cuts spans of data at multiples of piece bytes; the others stay whole.
func cut(spans iter.Seq2[span, error], piece int64) iter.Seq2[span, error] {
	return func(yield func(span, error) bool) {
		for s, err := range spans {
			for err == nil && s.data && s.n > piece-s.off%piece {
				head := span{s.off, piece - s.off%piece, true}
				if !yield(head, nil) {
					return
				}
				s.off, s.n = s.off+head.n, s.n-head.n
			}
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

// A padded disk seems to be size bytes long: longer than it is, with zeroes
// after its end, or shorter. A nil disk is all zeroes.
type padded struct {
	Disk
	size int64
}

func (d padded) Size() int64 { return d.size }

func (d padded) ReadAt(p []byte, off int64) (int, error) {
	if off >= d.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), d.size-off)]
	stored := want[:0]
	if d.Disk != nil {
		stored = want[:max(0, min(int64(len(want)), d.Disk.Size()-off))]
	}
	if n, err := readDisk(d.Disk, stored, off); err != nil {
		return n, err
	}
	clear(want[len(stored):])
	if len(want) < len(p) {
		return len(want), io.EOF
	}
	return len(p), nil
}

// Extents implements [Mapper].
func (d padded) Extents(off, n int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		end := min(off+n, d.size)
		stored := int64(0)
		if d.Disk != nil {
			stored = min(d.Disk.Size(), end)
		}
		if off < stored {
			for e, err := range extents(d.Disk, off, stored-off) {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
		if from := max(off, stored); from < end {
			yield(Extent{Start: from, Length: end - from, Kind: Unallocated, Offset: -1}, nil)
		}
	}
}

// extents is d's map, or a single run of data when it has none.
func extents(d Disk, off, n int64) iter.Seq2[Extent, error] {
	if m, ok := d.(Mapper); ok {
		return m.Extents(off, n)
	}
	return func(yield func(Extent, error) bool) {
		yield(Extent{Start: off, Length: n, Kind: Data, Offset: -1}, nil)
	}
}

// twoKinds is a part of two disks in which neither changes its kind.
type twoKinds struct {
	off, n int64
	a, b   Kind
	holes  bool // only one of them is a hole of a file, as [Extent] has it
}

// bothKinds yields the parts of two disks of one size in order. It looks at
// the context as spans does.
func bothKinds(ctx context.Context, a, b padded) iter.Seq2[twoKinds, error] {
	return func(yield func(twoKinds, error) bool) {
		nextB, stop := iter.Pull2(b.Extents(0, b.size))
		defer stop()
		var eb Extent
		for ea, err := range a.Extents(0, a.size) {
			for err == nil && ea.Length > 0 {
				if eb.Length == 0 {
					var ok bool
					if eb, err, ok = nextB(); !ok || err != nil {
						break
					}
				}
				if err = ctx.Err(); err != nil {
					break
				}
				n := min(ea.Length, eb.Length)
				if !yield(twoKinds{ea.Start, n, ea.Kind, eb.Kind, ea.Hole != eb.Hole}, nil) {
					return
				}
				ea.Start, ea.Length = ea.Start+n, ea.Length-n
				eb.Start, eb.Length = eb.Start+n, eb.Length-n
			}
			if err != nil {
				yield(twoKinds{}, err)
				return
			}
		}
	}
}

// readDisk fills p from off on.
func readDisk(d io.ReaderAt, p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := d.ReadAt(p, off)
	if n < len(p) {
		return n, unexpectedEOF(err)
	}
	return n, nil
}

// firstDifference is the index of the first byte in which a and b, of one
// length, differ, or -1.
func firstDifference(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	at := 0
	for step := len(a) / 2; step > 64; step = len(a[at:]) / 2 {
		if bytes.Equal(a[at:at+step], b[at:at+step]) {
			at += step
		} else {
			a, b = a[:at+step], b[:at+step]
		}
	}
	for a[at] == b[at] {
		at++
	}
	return at
}
