package backend

import (
	"errors"
	"fmt"
	"math"
)

var (
	// ErrLocked is returned when an image cannot be opened because another
	// process uses it in a way that does not go together with what was asked
	// for: it writes the image, or it reads an image that was to be written.
	// An image that somebody writes can be read with [FileOptions.ForceShare].
	ErrLocked = errors.New("backend: used by another process")

	// ErrReadOnly is returned by every change to a storage that was opened
	// for reading.
	ErrReadOnly = errors.New("backend: opened read-only")
)

// maxOffset is the largest offset, and so the largest size, of a storage.
const maxOffset = math.MaxInt64

// checkRange refuses what no storage can hold: a negative offset, or a range
// whose end is beyond the largest one.
func checkRange(op string, off int64, n int) error {
	if off < 0 {
		return fmt.Errorf("backend: %s at negative offset %d", op, off)
	}
	if off > maxOffset-int64(n) {
		return fmt.Errorf("backend: %s of %d bytes at %d ends beyond the largest offset", op, n, off)
	}
	return nil
}

func checkSize(size int64) error {
	if size < 0 {
		return fmt.Errorf("backend: truncate to negative size %d", size)
	}
	return nil
}
