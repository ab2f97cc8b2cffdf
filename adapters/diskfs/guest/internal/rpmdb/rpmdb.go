// Package rpmdb lists the packages in a database of rpm, in each of the formats
// that rpm has had: Berkeley DB hash ("Packages"), ndb ("Packages.db") and SQLite
// ("rpmdb.sqlite"). In all of them each package is one blob, its header, and only
// the table of headers is read.
//
// Databases are not trusted: every chain and tree is bounded, memory grows by
// what was read, and a database that takes more than a limit is an error.
package rpmdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend/errs"
)

const (
	maxRead  = 1 << 30  // bytes read of a database
	maxTimes = 4        // that its bytes are read; those of a valid one are read twice
	maxBlob  = 64 << 20 // bytes of a header; rpm's limit is 256 MiB, a kernel's takes 3
)

// ErrFormat is matched by errors of what is not a database of rpm, or damaged.
var ErrFormat = errs.New("rpmdb", "not a valid rpm database", nil)

// Packages yields the packages of a database, in the order in which it has
// them. wal is SQLite's write-ahead log beside it; nil where there is none. An
// error beside a nil package is of one package, or ends the list.
func Packages(db, wal *io.SectionReader) iter.Seq2[*Package, error] {
	return func(yield func(*Package, error) bool) {
		for blob, err := range blobs(db, wal) {
			var p *Package
			if err == nil {
				p, err = parseHeader(blob)
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

// blobs yields the headers. The bytes are valid until the next.
func blobs(db, wal *io.SectionReader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		r := &reader{db: db, left: budget(db, wal)}
		head := make([]byte, 100)
		n, err := db.ReadAt(head, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			yield(nil, err)
			return
		}
		head = head[:n]
		switch {
		case isSQLite(head):
			err = r.sqlite(head, wal, yield)
		case isNDB(head):
			err = r.ndb(yield)
		case bdbOrder(head) != nil:
			err = r.bdb(head, yield)
		case n == 0:
			err = fmt.Errorf("%w: it is empty", ErrFormat)
		default:
			err = fmt.Errorf("%w: no format that is known", ErrFormat)
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
}

// budget is how much is read in all: a chain of pages that many packages share
// costs no more than a database of its size.
func budget(db, wal *io.SectionReader) int64 {
	size := db.Size()
	if wal != nil {
		size += wal.Size()
	}
	if size > maxRead/maxTimes {
		return maxRead
	}
	return maxTimes*size + 1<<16
}

// errStopped ends a walk when the caller has seen enough.
var errStopped = errors.New("stopped")

// give yields a blob, or the error of one. It fails when the walk is over.
func give(yield func([]byte, error) bool, blob []byte, err error) error {
	if errors.Is(err, fstree.ErrTooLarge) {
		return err
	}
	if !yield(blob, err) {
		return errStopped
	}
	return nil
}

// reader reads a database through a window, for its pages are small and lie
// together. What it reads in all is limited.
type reader struct {
	db     *io.SectionReader
	left   int64
	window []byte
	at     int64 // of the window
}

const windowSize = 64 << 10

// bytes returns the n bytes at an offset, n of at most the window's size. They
// are valid until the next call.
func (r *reader) bytes(off int64, n int) ([]byte, error) {
	if r.left -= int64(n); r.left < 0 {
		return nil, errSpent
	}
	if off < 0 || off > r.db.Size()-int64(n) {
		return nil, fmt.Errorf("%w: %d bytes at %d are past the end", ErrFormat, n, off)
	}
	if off < r.at || off+int64(n) > r.at+int64(len(r.window)) {
		if r.window == nil {
			r.window = make([]byte, windowSize)
		}
		got, err := r.db.ReadAt(r.window[:windowSize], off)
		r.at, r.window = off, r.window[:max(got, 0)]
		if got < n {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return r.window[off-r.at:][:n], nil
}

// errSpent is the error of what would read more than the limit.
var errSpent = fmt.Errorf("more to read than a valid database has: %w", fstree.ErrTooLarge)

// append adds n bytes at an offset to a blob.
func (r *reader) append(blob []byte, off int64, n int) ([]byte, error) {
	for n > 0 {
		b, err := r.bytes(off, min(n, windowSize))
		if err != nil {
			return blob, err
		}
		blob = append(blob, b...)
		off, n = off+int64(len(b)), n-len(b)
	}
	return blob, nil
}

// checkBlob refuses the length of a header that is more than is read.
func checkBlob(n uint64) error {
	if n > maxBlob {
		return fmt.Errorf("%w: a header of %d bytes", ErrFormat, n)
	}
	return nil
}

var le, be = binary.LittleEndian, binary.BigEndian
