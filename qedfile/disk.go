package qedfile

import (
	"io"
	"iter"
)

// Disk is what a backing chain is made of: random reads and a size in bytes.
// An [Image] is one, so is a [Raw] disk, and so is whatever a caller's
// [BackingFunc] returns for a format this package does not know.
//
// ReadAt must be safe for concurrent use.
type Disk interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// WritableDisk is a Disk that can be changed: an [Image] opened for writing
// or a [Raw] disk over a storage.
type WritableDisk interface {
	Disk
	io.WriterAt
	WriteZeroes(off, n int64) error
	Resize(size int64) error
	Sync() error
}

// Mapper is implemented by a Disk that knows which parts of it hold data.
// Functions that copy or compare disks use it to skip the rest.
type Mapper interface {
	Extents(off, n int64) iter.Seq2[Extent, error]
}

// Kind says what backs a run of a disk's bytes.
type Kind uint8

const (
	// Unallocated runs are stored nowhere in the chain and read as zeroes.
	Unallocated Kind = iota
	// Zero runs are stored as zero markers and read as zeroes.
	Zero
	// Data runs are stored in a file.
	Data
)

// Extent is a run of a disk's bytes that are stored alike.
type Extent struct {
	Start  int64 // first byte of the run on the disk
	Length int64 // bytes, at least 1
	Kind   Kind
	Depth  int   // 0 for the image itself, 1 for its backing file, ...
	Offset int64 // where a Data run begins in the file at Depth, else -1
}
