package backend

import "io"

// Reader is the least an image needs to be read: bytes at an offset, and
// how many there are.
//
// ReadAt follows [io.ReaderAt]: it is safe for any number of concurrent
// callers and a short read carries an error. Size returns the length in
// bytes; it may be called at any time and must not disturb readers.
type Reader interface {
	io.ReaderAt
	io.Closer
	Size() (int64, error)
}

// Storage is a Reader that can be written.
//
// Writes to disjoint ranges may run concurrently. WriteAt beyond the end
// grows the storage, and a gap reads as zeroes. Truncate sets the length, in
// bytes, in either direction; bytes gained are zeroes. When Sync returns nil,
// every write and truncation that returned before Sync was called survives a
// crash; of the others any subset may.
type Storage interface {
	Reader
	io.WriterAt
	Truncate(size int64) error
	Sync() error
}

// DataFinder is implemented by a Reader that knows its holes without reading
// them, as a sparse file does.
type DataFinder interface {
	// NextData returns the first run [start, end) of data at or after off,
	// in bytes. Everything between off and start reads as zeroes. With no
	// data left it returns start = end = the size of the storage.
	NextData(off int64) (start, end int64, err error)
}

// SpaceTeller is implemented by a Reader that knows how much of the host's
// disk it takes, as a file does.
type SpaceTeller interface {
	// Space returns how many bytes the host has taken for what is stored,
	// holes left out. An error that matches [errors.ErrUnsupported] says that
	// this host does not tell.
	Space() (int64, error)
}

// HolePuncher is implemented by a Storage that can give the space of a part
// of it back to the host.
type HolePuncher interface {
	// PunchHole makes n bytes from off on read as zeroes, and frees what they
	// took. The size of the storage stays. An error that matches
	// [errors.ErrUnsupported] says that nothing was done, as this storage
	// cannot after all.
	PunchHole(off, n int64) error
}

// Allocator is implemented by a Storage that can take space from the host
// before it is written.
type Allocator interface {
	// Allocate takes the space of n bytes from off on. What is stored there
	// stays, and the storage becomes larger where it ends before them. An
	// error that matches [errors.ErrUnsupported] says that nothing was done,
	// as this storage cannot after all.
	Allocate(off, n int64) error
}
