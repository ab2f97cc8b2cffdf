package main

import (
	"io"

	"github.com/qedfs/qedfs/backend"
)

// sectorSize is the unit of raw disks, in bytes.
const sectorSize = 512

// wholeSectors is a file as direct access (O_DIRECT) shows it to qemu: its last
// sector is whole. What the file lacks of it reads as zeroes, counts as data
// where the rest is data, and is written with it.
type wholeSectors struct{ backend.Reader }

var _ backend.DataFinder = wholeSectors{}

func (w wholeSectors) Size() (int64, error) {
	n, err := w.Reader.Size()
	return roundUp(n), err
}

// ReadAt implements [io.ReaderAt].
func (w wholeSectors) ReadAt(p []byte, off int64) (int, error) {
	size, err := w.Size()
	if err != nil {
		return 0, err
	}
	n, err := w.Reader.ReadAt(p, off)
	if err != io.EOF || off >= size {
		return n, err
	}
	whole := int(min(int64(len(p)), size-off))
	clear(p[n:max(n, whole)])
	if whole == len(p) {
		err = nil
	}
	return max(n, whole), err
}

// NextData implements [backend.DataFinder].
func (w wholeSectors) NextData(off int64) (start, end int64, err error) {
	had, err := w.Reader.Size()
	if err != nil || off >= had {
		size := roundUp(had)
		return size, size, err
	}
	start, end, err = backend.NextData(w.Reader, off)
	if end == had {
		if end = roundUp(end); start == had {
			start = end
		}
	}
	return start, end, err
}

// writableSectors is wholeSectors for a file that is open for writing.
type writableSectors struct {
	wholeSectors
	backend.Storage
}

func (w writableSectors) Close() error         { return w.Storage.Close() }
func (w writableSectors) Size() (int64, error) { return w.wholeSectors.Size() }
func (w writableSectors) ReadAt(p []byte, off int64) (int, error) {
	return w.wholeSectors.ReadAt(p, off)
}

// WriteAt implements [io.WriterAt].
func (w writableSectors) WriteAt(p []byte, off int64) (int, error) {
	n, err := w.Storage.WriteAt(p, off)
	if err != nil {
		return n, err
	}
	size, err := w.Storage.Size()
	if err == nil && size%sectorSize != 0 && off+int64(n) == size {
		_, err = w.Storage.WriteAt(make([]byte, roundUp(size)-size), size)
	}
	return n, err
}

// PunchHole implements [backend.HolePuncher].
func (w writableSectors) PunchHole(off, n int64) error { return backend.PunchHole(w.Storage, off, n) }

// inSectors is a file as direct access shows it.
func inSectors(f backend.Reader) backend.Reader {
	if s, ok := f.(backend.Storage); ok {
		return writableSectors{wholeSectors{s}, s}
	}
	return wholeSectors{f}
}
