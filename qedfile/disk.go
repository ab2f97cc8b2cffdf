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

// Layer is implemented by a Disk that lies over a backing file and can tell
// what it stores itself.
type Layer interface {
	Disk
	// Backing returns the open backing file, or nil. It belongs to the Layer.
	Backing() Disk
	// OwnExtents is Extents without the backing file: what the Layer does
	// not store is Unallocated. Neighbours may be alike.
	OwnExtents(off, n int64) iter.Seq2[Extent, error]
}

// Kind says what backs a run of a disk's bytes.
type Kind uint8

const (
	// Unallocated runs are stored nowhere in the chain and read as zeroes.
	Unallocated Kind = iota
	// Zero runs read as zeroes and hide the backing file: zero markers of an
	// image, holes of a raw file.
	Zero
	// Data runs are stored in a file.
	Data
)

// Extent is a run of a disk's bytes that are stored alike.
type Extent struct {
	Start  int64 // first byte of the run on the disk
	Length int64 // bytes, at least 1
	Kind   Kind
	// Depth is the layer of the chain: 0 for the image itself, 1 for its
	// backing file. An Unallocated run has the depth of the deepest layer
	// that is long enough to have it.
	Depth int
	// Offset is where the run begins in the file at Depth, or -1 where it
	// takes no place there. A Data run always has one; a hole in a raw file,
	// which is a Zero run, too.
	Offset int64
	// Hole says of a Zero run that the image stores it as data, at Offset,
	// where its file has a hole. QEMU's map then calls it data and zeroes both.
	Hole bool
	// File tells apart the files of a layer that lies in several, such as the
	// extents of a VMDK disk: runs with different numbers lie in different
	// files. It is 0 where the layer has one file.
	File int
}
