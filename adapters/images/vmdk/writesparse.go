package vmdk

import (
	"context"
	"encoding/binary"

	"github.com/qedfs/qedfs/adapters/images/internal/fill"
	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/qedfile"
)

// header returns the header of a sparse extent, or its footer. The directories
// are at sectors.
func (e *newExtent) header(version, flags uint32, redundant, directory, overhead uint64) []byte {
	b := make([]byte, sparseHeaderBytes)
	le := binary.LittleEndian
	copy(b, magicSparse)
	le.PutUint32(b[atSparseVersion:], version)
	le.PutUint32(b[atSparseFlags:], flags|flagNewlines)
	le.PutUint64(b[atSparseCapacity:], uint64(e.size/sectorSize))
	le.PutUint64(b[atSparseGrain:], newGrain/sectorSize)
	if e.embedded {
		le.PutUint64(b[atSparseDescriptor:], newDescAt)
		le.PutUint64(b[atSparseDescSize:], newDescSize)
	}
	le.PutUint32(b[atSparseGTEs:], newGTEs)
	le.PutUint64(b[atSparseRedundant:], redundant)
	le.PutUint64(b[atSparseDirectory:], directory)
	le.PutUint64(b[atSparseOverhead:], overhead)
	copy(b[atSparseNewlines:], newlines)
	if flags&flagCompressed != 0 {
		le.PutUint16(b[atSparseAlgorithm:], algorithmDeflate)
	}
	return b
}

// sparse writes sparse extents. All tables of an extent have a place, in two
// copies, each behind its directory:
//
//	header | descriptor | directory | tables | directory | tables | grains
func (w *writer) sparse(ctx context.Context, src qedfile.Disk) error {
	s := &sparseFiles{writer: w, span: w.extents[0].size}
	for _, e := range w.extents {
		t, err := newSparseTables(e)
		if err != nil {
			return err
		}
		s.tables = append(s.tables, t)
	}
	err := qedfile.Pieces(ctx, src, qedfile.PieceStages{Place: s.place, Finish: s.finish}, w.pieces())
	if err != nil {
		return err
	}
	for i, t := range s.tables {
		if err := t.close(w.extents[i], w.opts.ZeroGrains); err != nil {
			return err
		}
	}
	return nil
}

// sparseFiles are the sparse extents of a disk that is being written.
type sparseFiles struct {
	*writer
	span   int64 // bytes of the disk in all extents but the last
	tables []*sparseTables
}

const (
	noPlace   = -1      // of a grain that has no data
	entryZero = 1       // its entry
	hole      = 4 << 10 // how many zeroes in a grain are left out
)

// place gives a grain its place.
func (s *sparseFiles) place(p *qedfile.Piece) error {
	e, t := s.extents[p.Offset/s.span], s.tables[p.Offset/s.span]
	grain := p.Offset % s.span / newGrain
	if s.opts.ParentName != "" && s.opts.ZeroGrains && isZero(p) {
		p.At = noPlace
		return t.grains.Set(grain, entryZero)
	}
	p.At = e.end
	e.end += newGrain
	if e.end > maxFileBytes {
		return errTooLarge
	}
	return t.grains.Set(grain, uint64(p.At/sectorSize))
}

// isZero reports whether a piece has only zeroes.
func isZero(p *qedfile.Piece) bool {
	for range p.Runs(hole) {
		return false
	}
	return true
}

// finish writes a grain. The file has zeroes where nothing is written.
func (s *sparseFiles) finish(p *qedfile.Piece) error {
	if p.At == noPlace {
		return nil
	}
	e := s.extents[p.Offset/s.span]
	for off, b := range p.Runs(hole) {
		if _, err := e.to.WriteAt(b, p.At+off); err != nil {
			return err
		}
	}
	return nil
}

// sparseTables are the directories and tables of a sparse extent.
type sparseTables struct {
	first, second, data int64 // both directories and the first grain, in bytes
	grains              *fill.Table
}

// newSparseTables gives tables and grains their places, and writes the
// directories.
func newSparseTables(e *newExtent) (*sparseTables, error) {
	directoryBytes := layer.RoundUp(4*e.tables(), sectorSize)
	copyBytes := directoryBytes + e.tables()*newTableBytes
	t := &sparseTables{first: sectorSize}
	if e.embedded {
		t.first = (newDescAt + newDescSize) * sectorSize
	}
	t.second = t.first + copyBytes
	t.data = layer.RoundUp(t.second+copyBytes, newGrain)
	e.end = t.data
	for _, at := range []int64{t.first, t.second} {
		directory := &fill.Table{To: e.to, At: at, Len: e.tables(), Order: binary.LittleEndian}
		for i := range e.tables() {
			if err := directory.Set(i, uint64((at+directoryBytes+i*newTableBytes)/sectorSize)); err != nil {
				return nil, err
			}
		}
		if err := directory.Close(); err != nil {
			return nil, err
		}
	}
	t.grains = &fill.Table{
		To: e.to, At: t.first + directoryBytes, Mirrors: []int64{t.second + directoryBytes}, Len: e.tables() * newGTEs, Order: binary.LittleEndian,
	}
	return t, nil
}

// close writes what is left of the tables, and the header.
func (t *sparseTables) close(e *newExtent, zeroGrains bool) error {
	if err := t.grains.Close(); err != nil {
		return err
	}
	if err := e.to.Truncate(e.end); err != nil {
		return err
	}
	version, flags := uint32(1), uint32(flagRedundant)
	if zeroGrains {
		version, flags = 2, flags|flagZeroGrain
	}
	_, err := e.to.WriteAt(e.header(version, flags, uint64(t.first/sectorSize), uint64(t.second/sectorSize), uint64(t.data/sectorSize)), 0)
	return err
}

var errTooLarge = unsupported("more than 2 TiB of data in one file")
