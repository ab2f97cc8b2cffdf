package qedfile

import (
	"encoding/binary"
	"errors"
	"io"
	"iter"

	"github.com/qedfs/qedfs/backend"
)

// walkPiece is how much of a table is read at once, in bytes. It holds a
// whole table of the default geometry; a larger one is read in several
// pieces, so that no header can ask for much memory.
const walkPiece = 256 << 10

// A tableWalker reads whole tables for the functions that look at every
// entry of an image (check, repair, compact), past the cache that serves
// reads of the disk.
type tableWalker struct {
	r      backend.Reader
	length int64  // bytes of the table
	buf    []byte // of pieces
}

func newTableWalker(r backend.Reader, h *Header) *tableWalker {
	return &tableWalker{r: r, length: h.tableBytes()}
}

// A tablePiece is a part of a table: the index of its first entry, and the
// entries as stored.
type tablePiece struct {
	first int64
	b     []byte
}

func (p tablePiece) len() int64           { return int64(len(p.b)) / entrySize }
func (p tablePiece) entry(i int64) uint64 { return binary.LittleEndian.Uint64(p.b[i*entrySize:]) }

// run returns how many entries from the i-th on refer to clusters that follow
// each other in the file.
func (p tablePiece) run(i int64, clusterSize uint64) int64 {
	b := p.b[i*entrySize:]
	next := binary.LittleEndian.Uint64(b) + clusterSize
	n := int64(1)
	for b = b[entrySize:]; len(b) >= entrySize && binary.LittleEndian.Uint64(b) == next; b = b[entrySize:] {
		next += clusterSize
		n++
	}
	return n
}

// pieces yields the parts of the table at off that may hold entries other
// than 0, in order. Each is valid until the next is asked for. An error of the
// storage ends it.
func (w *tableWalker) pieces(off int64) iter.Seq2[tablePiece, error] {
	if w.buf == nil {
		w.buf = make([]byte, min(w.length, walkPiece))
	}
	return w.piecesIn(w.buf, off)
}

// piecesIn is pieces with a buffer of the caller's, and safe for concurrent
// use. In a buffer as long as the table all pieces stay valid.
func (w *tableWalker) piecesIn(buf []byte, off int64) iter.Seq2[tablePiece, error] {
	return func(yield func(tablePiece, error) bool) {
		for pos := int64(0); pos < w.length; {
			start, end, err := w.data(off+pos, off+w.length)
			if err != nil {
				yield(tablePiece{}, err)
				return
			}
			if start == end {
				return
			}
			at := (start - off) % int64(len(buf))
			b := buf[at:min(at+end-start, int64(len(buf)))]
			if err := readPadded(w.r, b, start); err != nil {
				yield(tablePiece{}, err)
				return
			}
			pos = start - off + int64(len(b))
			if !yield(tablePiece{(start - off) / entrySize, b}, nil) {
				return
			}
		}
	}
}

// data returns the first run of [from, to) that is not a hole of the file, in
// whole sectors, or an empty one.
func (w *tableWalker) data(from, to int64) (start, end int64, err error) {
	if to-from <= minClusterSize {
		return from, to, nil // asking costs more than reading
	}
	start, end, err = backend.NextData(w.r, from)
	if err != nil {
		return 0, 0, errorf("find data at %d: %w", from, err)
	}
	start = max(from, start/sectorSize*sectorSize)
	end = min(to, (end+sectorSize-1)/sectorSize*sectorSize)
	return start, max(start, end), nil
}

// readPadded reads b at off. What the file lacks of its last cluster is
// zeroes.
func readPadded(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n < len(b) && !errors.Is(err, io.EOF) {
		return errorf("read %d bytes at %d: %w", len(b), off, unexpectedEOF(err))
	}
	clear(b[n:])
	return nil
}
