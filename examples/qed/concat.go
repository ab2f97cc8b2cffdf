package main

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"

	"github.com/qedfs/qedfs/qedfile"
)

// concatDisk is several disks, one after the other.
type concatDisk struct {
	parts  []qedfile.Disk
	starts []int64 // of each part, in bytes
	size   int64
}

var _ qedfile.Mapper = (*concatDisk)(nil)

// add puts a disk at the end. The concatDisk closes it.
func (c *concatDisk) add(d qedfile.Disk) {
	c.parts = append(c.parts, d)
	c.starts = append(c.starts, c.size)
	c.size += d.Size()
}

func (c *concatDisk) Size() int64 { return c.size }

func (c *concatDisk) Close() error {
	var errs []error
	for _, d := range c.parts {
		errs = append(errs, d.Close())
	}
	return errors.Join(errs...)
}

// ReadAt implements [io.ReaderAt].
func (c *concatDisk) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for i, d := range c.parts {
		from := off + int64(done) - c.starts[i]
		if from < 0 || from >= d.Size() || done == len(p) {
			continue
		}
		want := int(min(int64(len(p)-done), d.Size()-from))
		n, err := d.ReadAt(p[done:done+want], from)
		if done += n; n < want {
			return done, err
		}
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// Extents implements [qedfile.Mapper].
func (c *concatDisk) Extents(off, n int64) iter.Seq2[qedfile.Extent, error] {
	return func(yield func(qedfile.Extent, error) bool) {
		end := c.size
		if n < c.size-off {
			end = off + n
		}
		for i, d := range c.parts {
			from, to := max(off, c.starts[i]), min(end, c.starts[i]+d.Size())
			if from >= to {
				continue
			}
			for e, err := range extentsOf(d, from-c.starts[i], to-from) {
				e.Start += c.starts[i]
				if !yield(e, err) {
					return
				}
			}
		}
	}
}

// extentsOf is the map of a disk, all data where it has none.
func extentsOf(d qedfile.Disk, off, n int64) iter.Seq2[qedfile.Extent, error] {
	if m, ok := d.(qedfile.Mapper); ok {
		return m.Extents(off, n)
	}
	return func(yield func(qedfile.Extent, error) bool) {
		yield(qedfile.Extent{Start: off, Length: n, Kind: qedfile.Data, Offset: -1}, nil)
	}
}

// salvageDisk is a disk whose unreadable sectors read as zeroes. Each run of
// them in one read is reported once.
type salvageDisk struct {
	qedfile.Disk
	prefix string
	mu     sync.Mutex // several parts are read at once
	w      io.Writer
}

// ReadAt implements [io.ReaderAt].
func (s *salvageDisk) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.Disk.ReadAt(p, off)
	if err == nil || err == io.EOF {
		return n, err
	}
	const sector = 512
	left := int(min(int64(len(p)), max(0, s.Size()-off)))
	failed := false
	for at := 0; at < left; {
		part := p[at:min(left, at+sector-int((off+int64(at))%sector))]
		_, err := s.Disk.ReadAt(part, off+int64(at))
		before := failed
		if failed = err != nil && err != io.EOF; failed {
			clear(part)
		}
		if failed && !before {
			s.tell(off+int64(at), err)
		}
		at += len(part)
	}
	if left < len(p) {
		return left, io.EOF
	}
	return left, nil
}

// tell says where it could not be read.
func (s *salvageDisk) tell(off int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.w, "%s: warning: error while reading offset %d: %s\n", s.prefix, off, message(err))
}

// Extents implements [qedfile.Mapper]. What the map cannot tell is read, so that
// it is seen whether that fails, too.
func (s *salvageDisk) Extents(off, n int64) iter.Seq2[qedfile.Extent, error] {
	return func(yield func(qedfile.Extent, error) bool) {
		for e, err := range extentsOf(s.Disk, off, n) {
			if err != nil {
				e.Kind, e.Offset = qedfile.Data, -1
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}
