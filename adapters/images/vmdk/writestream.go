package vmdk

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync"

	"github.com/klauspost/compress/zlib"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/qedfile"
)

// stream writes a stream-optimized image. Each part has a marker before it; a
// table follows the grains that it maps, and the footer has the header's fields
// that are not known before:
//
//	header | descriptor | grain ... grain | table | grain ... | table | directory | footer | end
func (w *writer) stream(ctx context.Context, src qedfile.Disk) error {
	const overhead = newGrain // before the first grain
	e := w.extents[0]
	e.end = overhead
	s := &streamTables{newExtent: e, directory: make([]byte, layer.RoundUp(4*e.tables(), sectorSize)), current: -1}
	var deflaters sync.Pool
	err := qedfile.Pieces(ctx, src, qedfile.PieceStages{
		Prepare: func(p *qedfile.Piece) (err error) {
			d, _ := deflaters.Get().(*deflater)
			if d == nil {
				d = newDeflater()
			}
			defer deflaters.Put(d)
			p.Packed, err = d.pack(p.Packed[:0], p.Bytes, p.Offset/sectorSize)
			return err
		},
		Place: func(p *qedfile.Piece) (err error) {
			p.At, err = s.place(p.Offset/newGrain, int64(len(p.Packed)))
			return err
		},
		Finish: func(p *qedfile.Piece) error {
			_, err := e.to.WriteAt(p.Packed, p.At)
			return err
		},
	}, w.pieces())
	if err != nil {
		return err
	}
	directory, err := s.finish()
	if err != nil {
		return err
	}
	const version, flags = 3, flagCompressed | flagMarkers
	footer := append(marker(1, markerFooter), e.header(version, flags, 0, uint64(directory/sectorSize), overhead/sectorSize)...)
	footer = append(footer, marker(0, markerEnd)...)
	if _, err := e.to.WriteAt(footer, e.end); err != nil {
		return err
	}
	_, err = e.to.WriteAt(e.header(version, flags, 0, directoryAtEnd, overhead/sectorSize), 0)
	return err
}

// streamTables are the tables of a stream. One at a time is in memory.
type streamTables struct {
	*newExtent
	directory []byte
	current   int64 // table in memory, -1 for none
	table     [newTableBytes]byte
}

// place gives n bytes their place, those of a grain.
func (s *streamTables) place(grain, n int64) (int64, error) {
	if t := grain / newGTEs; t != s.current {
		if err := s.flush(); err != nil {
			return 0, err
		}
		s.current = t
	}
	at := s.end
	s.end += layer.RoundUp(n, sectorSize)
	if s.end > maxFileBytes {
		return 0, errTooLarge
	}
	binary.LittleEndian.PutUint32(s.table[4*(grain%newGTEs):], uint32(at/sectorSize))
	return at, nil
}

// flush writes the table in memory.
func (s *streamTables) flush() error {
	if s.current < 0 {
		return nil
	}
	at, err := s.write(s.table[:], markerTable)
	binary.LittleEndian.PutUint32(s.directory[4*s.current:], uint32(at/sectorSize))
	clear(s.table[:])
	return err
}

// finish writes the last table, and the directory, whose place it returns.
func (s *streamTables) finish() (int64, error) {
	if err := s.flush(); err != nil {
		return 0, err
	}
	return s.write(s.directory, markerDirectory)
}

// write writes whole sectors behind a marker. It returns where they are.
func (s *streamTables) write(b []byte, kind uint32) (int64, error) {
	at := s.end
	s.end += sectorSize + int64(len(b))
	_, err := s.to.WriteAt(append(marker(int64(len(b))/sectorSize, kind), b...), at)
	return at + sectorSize, err
}

// marker returns the sector before what is no grain.
func marker(sectors int64, kind uint32) []byte {
	b := make([]byte, sectorSize)
	binary.LittleEndian.PutUint64(b, uint64(sectors))
	binary.LittleEndian.PutUint32(b[12:], kind)
	return b
}

// A deflater packs one grain after the other.
type deflater struct {
	z     *zlib.Writer
	whole [newGrain]byte
}

func newDeflater() *deflater { return &deflater{z: zlib.NewWriter(nil)} }

// pack appends to b a grain that begins at a sector of the disk: its marker and
// its bytes, in whole sectors. The last grain of a disk is filled with zeroes.
func (d *deflater) pack(b, grain []byte, sector int64) ([]byte, error) {
	if len(grain) < newGrain {
		clear(d.whole[copy(d.whole[:], grain):])
		grain = d.whole[:]
	}
	out := bytes.NewBuffer(append(b, make([]byte, grainMarkerBytes)...))
	d.z.Reset(out)
	if _, err := d.z.Write(grain); err != nil {
		return nil, err
	}
	if err := d.z.Close(); err != nil {
		return nil, err
	}
	b = out.Bytes()
	binary.LittleEndian.PutUint64(b, uint64(sector))
	binary.LittleEndian.PutUint32(b[8:], uint32(len(b)-grainMarkerBytes))
	return append(b, make([]byte, layer.RoundUp(int64(len(b)), sectorSize)-int64(len(b)))...), nil
}
