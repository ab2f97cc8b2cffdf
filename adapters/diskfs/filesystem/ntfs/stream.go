package ntfs

import (
	"fmt"
	"io"
	"iter"
	"sort"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend"
)

// stream is the value of an attribute.
type stream struct {
	v        *volume
	resident []byte
	runs     []run
	size     int64 // bytes
	valid    int64 // bytes from which on it reads as zeroes
	unit     int64 // clusters that are compressed together, 0 if it is not
}

func (v *volume) clusters() int64 { return v.boot.size/v.boot.cluster + 1 }

// newStream begins a stream with its first piece.
func (v *volume) newStream(a attribute) (*stream, error) {
	s := &stream{v: v, size: a.size, valid: a.valid}
	if a.resident {
		s.resident = a.value
		return s, nil
	}
	if a.lowestVCN != 0 {
		return nil, fmt.Errorf("its first piece begins at cluster %d", a.lowestVCN)
	}
	if a.flags&attrEncrypted != 0 {
		return nil, fmt.Errorf("ntfs: %w", fstree.ErrEncrypted)
	}
	if method := a.flags & attrCompressed; method > 1 {
		return nil, fmt.Errorf("ntfs: %w: compression method %d", fstree.ErrUnsupported, method)
	}
	if a.flags&attrCompressed != 0 && a.unit > 0 {
		s.unit = 1 << a.unit
		if s.unit*v.boot.cluster > maxUnit {
			return nil, fmt.Errorf("%d clusters compressed together", s.unit)
		}
	}
	var err error
	s.runs, err = decodeRuns(nil, a, v.clusters())
	return s, err
}

func (s *stream) Size() int64 { return s.size }

// metadata returns n bytes at off of a metadata stream, by the volume's
// cache; they are shared where they lie in one run.
func (s *stream) metadata(off, n int64) ([]byte, error) {
	for p := range s.pieces(off, off+n) {
		if p.length == n && p.at >= 0 {
			return s.v.cache.Bytes(p.at, n)
		}
		break
	}
	b := make([]byte, n)
	if got, err := s.ReadAt(b, off); int64(got) < n {
		return nil, err
	}
	return b, nil
}

// pieceOf is a run of a stream's bytes: at a byte of the volume, or -1 for
// zeroes.
type pieceOf struct {
	start, length int64
	at            int64
}

// pieces yields what the runs say of [off, end), without regard to
// compression. Clusters that no run maps are holes.
func (s *stream) pieces(off, end int64) iter.Seq[pieceOf] {
	return func(yield func(pieceOf) bool) {
		c := s.v.boot.cluster
		i := sort.Search(len(s.runs), func(i int) bool { return (s.runs[i].vcn+s.runs[i].length)*c > off })
		for off < end {
			if i == len(s.runs) {
				yield(pieceOf{off, end - off, -1})
				return
			}
			r := s.runs[i]
			p := pieceOf{off, min(end, (r.vcn+r.length)*c) - off, -1}
			if r.lcn >= 0 {
				p.at = r.lcn*c + off - r.vcn*c
			}
			if !yield(p) {
				return
			}
			off += p.length
			i++
		}
	}
}

func (s *stream) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, damaged("attribute", -1, "a read at %d", off)
	}
	if off >= s.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), s.size-off)]
	n, err := s.read(want, off)
	if err == nil && len(want) < len(p) {
		err = io.EOF
	}
	return n, err
}

func (s *stream) read(p []byte, off int64) (int, error) {
	if s.resident != nil {
		return copy(p, s.resident[off:]), nil
	}
	written := p[:max(0, min(int64(len(p)), s.valid-off))]
	clear(p[len(written):])
	if s.unit > 0 {
		if n, err := s.readUnits(written, off); err != nil {
			return n, err
		}
		return len(p), nil
	}
	if n, err := s.readRuns(written, off); err != nil {
		return n, err
	}
	return len(p), nil
}

// readRuns reads bytes as they are stored.
func (s *stream) readRuns(p []byte, off int64) (int, error) {
	for piece := range s.pieces(off, off+int64(len(p))) {
		part := p[piece.start-off : piece.start-off+piece.length]
		if piece.at < 0 {
			clear(part)
			continue
		}
		if n, err := backend.ReadFull(s.v.r, part, piece.at); err != nil {
			return int(piece.start-off) + n, err
		}
	}
	return len(p), nil
}

// Extents yields the runs; of a compressed stream only whole units without a
// cluster are holes.
func (s *stream) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		if off < 0 || off >= s.size || n <= 0 {
			return
		}
		end := off + min(n, s.size-off)
		if s.resident != nil {
			yield(fstree.Extent{Start: off, Length: end - off, Offset: -1}, nil)
			return
		}
		parts := s.pieces(off, min(end, max(off, s.valid)))
		if s.unit > 0 {
			parts = s.unitPieces(off, min(end, max(off, s.valid)))
		}
		for p := range parts {
			e := fstree.Extent{Start: p.start, Length: p.length, Hole: p.at < 0, Offset: p.at}
			if s.unit > 0 {
				e.Offset = -1
			}
			if !yield(e, nil) {
				return
			}
		}
		if start := max(off, s.valid); start < end {
			yield(fstree.Extent{Start: start, Length: end - start, Hole: true, Offset: -1}, nil)
		}
	}
}
