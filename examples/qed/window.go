package main

import (
	"io"
	"iter"

	"github.com/qedfs/qedfs/qedfile"
)

// windowDisk is a part of a disk, which it leaves open.
type windowDisk struct {
	Disk      qedfile.Disk
	off, size int64 // bytes
}

var _ qedfile.Mapper = (*windowDisk)(nil)

func (w *windowDisk) Size() int64  { return w.size }
func (w *windowDisk) Close() error { return nil }

// ReadAt implements [io.ReaderAt].
func (w *windowDisk) ReadAt(p []byte, off int64) (int, error) {
	left := max(0, w.size-off)
	if int64(len(p)) <= left {
		return w.Disk.ReadAt(p, w.off+off)
	}
	n, err := w.Disk.ReadAt(p[:left], w.off+off)
	if err == nil {
		err = io.EOF
	}
	return n, err
}

// Extents implements [qedfile.Mapper].
func (w *windowDisk) Extents(off, n int64) iter.Seq2[qedfile.Extent, error] {
	return func(yield func(qedfile.Extent, error) bool) {
		for e, err := range extentsOf(w.Disk, w.off+off, min(n, max(0, w.size-off))) {
			e.Start -= w.off
			if !yield(e, err) {
				return
			}
		}
	}
}
