package backend

import (
	"io/fs"
	"math"

	"github.com/qedfs/qedfs/backend/errs"
)

// errorf is fmt.Errorf for an error of this package.
func errorf(format string, args ...any) error { return errs.Errorf("backend", format, args...) }

// invalid is errorf for an error that matches [fs.ErrInvalid].
func invalid(format string, args ...any) error { return errs.Invalidf("backend", format, args...) }

var (
	// ErrLocked is returned when an image cannot be opened because another
	// process uses it in a way that does not go together with what was asked
	// for: it writes the image, or it reads an image that was to be written.
	// An image that somebody writes can be read with [FileOptions.ForceShare].
	ErrLocked = errs.New("backend", "used by another process", nil)

	// ErrReadOnly is returned by every change to a storage that was opened
	// for reading. It matches [fs.ErrPermission].
	ErrReadOnly = errs.New("backend", "opened read-only", fs.ErrPermission)
)

// maxOffset is the largest offset, and so the largest size, of a storage.
const maxOffset = math.MaxInt64

// checkRange refuses what no storage can hold: a negative offset, or a range
// whose end is beyond the largest one.
func checkRange(op string, off int64, n int) error {
	if off < 0 {
		return invalid("%s at negative offset %d", op, off)
	}
	if off > maxOffset-int64(n) {
		return invalid("%s of %d bytes at %d ends beyond the largest offset", op, n, off)
	}
	return nil
}

func checkSize(size int64) error {
	if size < 0 {
		return invalid("truncate to negative size %d", size)
	}
	return nil
}
