package diskmap

import (
	"fmt"
	"math"
)

// Piece says what a part of the disk or of the file is.
type Piece uint8

// Kinds of pieces. Those from Header to Leak are of the file, Data and the
// rest of the disk.
const (
	Header  Piece = iota
	L1            // the L1 table
	L2            // L2 tables
	Leak          // clusters that nothing refers to
	Data          // stored in the file
	Backing       // stored in a file beneath
	Zero          // zero markers
	kinds
)

const (
	columns   = 1120 // of a row: its width in pixels
	maxPieces = 1500 // of a row that is drawn piece by piece
	bands     = 140  // of a row, for the ribbons of a large image
)

// piece is a run of bytes of one kind.
type piece struct {
	off, n int64
	kind   Piece
	host   int64 // of Data on the disk: where it lies in the file
	name   string
}

// row collects the pieces of the disk or of the file.
type row struct {
	size   int64
	pieces []piece // nil once there are too many
	many   bool
	share  [columns][kinds]float64 // bytes of each kind in a column
	place  [columns]float64        // where its data lies in the file, weighted by bytes
}

func (r *row) add(p piece) {
	if p.off < 0 || p.n <= 0 || p.off >= r.size {
		return
	}
	p.n = min(p.n, r.size-p.off)
	if len(r.pieces) == maxPieces {
		r.pieces, r.many = nil, true
	}
	if !r.many {
		r.pieces = append(r.pieces, p)
	}
	overlap(p.off, p.n, r.size, columns, func(c int, skipped, n float64) {
		r.share[c][p.kind] += n
		r.place[c] += n * (float64(p.host) + skipped + n/2)
	})
}

// overlap calls visit for every one of count equal parts of size that the
// range touches, with the bytes of the range before and in the part.
func overlap(off, n, size int64, count int, visit func(part int, skipped, n float64)) {
	width := float64(size) / float64(count)
	from, to := float64(off), float64(off)+float64(n)
	for c := int(from / width); c < count; c++ {
		start, end := math.Max(from, float64(c)*width), math.Min(to, float64(c+1)*width)
		if end <= start {
			if float64(c)*width >= to {
				return
			}
			continue
		}
		visit(c, start-from, end-start)
	}
}

// Map is a picture in the making. It is used by one goroutine.
type Map struct {
	Title    string
	Subtitle string

	// FormatSize writes a number of bytes for people; nil writes it out.
	FormatSize func(int64) string

	disk    row
	file    row
	ribbons [bands][bands]float64 // bytes from a band of the disk to one of the file
	extents int64                 // pieces of data
	jumps   int64                 // of these, that do not follow their predecessor in the file
	next    int64                 // end of the last piece of data in the file
	stored  int64                 // bytes of data
	layers  map[string]bool
}

// New begins a picture of a disk and of the file that holds it, of these
// sizes in bytes. A fileSize of 0 leaves the file out.
func New(title, subtitle string, diskSize, fileSize int64) *Map {
	return &Map{
		Title: title, Subtitle: subtitle, next: -1, layers: map[string]bool{},
		disk: row{size: diskSize}, file: row{size: fileSize},
	}
}

func (m *Map) size(n int64) string {
	if m.FormatSize == nil {
		return fmt.Sprintf("%d bytes", n)
	}
	return m.FormatSize(n)
}

// AddFile says what n bytes of the file are: Header, L1 or Leak. Data is
// known from the disk; what remains are L2 tables.
func (m *Map) AddFile(kind Piece, off, n int64) {
	m.file.add(piece{off: off, n: n, kind: kind})
}

// AddDisk says what n bytes of the disk are: Data at the offset host of the
// file, Backing with the name of a file beneath, or Zero. The pieces come in
// the order of the disk; what is left out is stored nowhere.
func (m *Map) AddDisk(kind Piece, off, n, host int64, name string) {
	m.disk.add(piece{off: off, n: n, kind: kind, host: host, name: name})
	if kind == Backing {
		m.layers[name] = true
	}
	if kind != Data || m.file.size == 0 {
		return
	}
	m.file.add(piece{off: host, n: n, kind: Data, host: host})
	if m.extents > 0 && host != m.next {
		m.jumps++
	}
	m.extents, m.next, m.stored = m.extents+1, host+n, m.stored+n
	overlap(off, n, m.disk.size, bands, func(d int, skipped, n float64) {
		overlap(host+int64(skipped), int64(math.Ceil(n)), m.file.size, bands, func(f int, _, n float64) {
			m.ribbons[d][f] += n
		})
	})
}
