package qedfile

import (
	"errors"
	"fmt"
)

var (
	// ErrFormat is returned when a file is not a QED image, or when its
	// header breaks the specification.
	ErrFormat = errors.New("qedfile: not a valid QED image")

	// ErrUnsupported is returned when an image needs a feature, or a
	// backing file a format, that this package does not know.
	ErrUnsupported = errors.New("qedfile: unsupported")

	// ErrCorrupt is returned when a table entry breaks the specification.
	// Only the range that the entry maps is affected; the rest of the disk
	// stays readable. See [CorruptError] for where.
	ErrCorrupt = errors.New("qedfile: corrupt image")

	// ErrBackingDenied is returned when an image names a backing file and
	// [Options.Backing] does not allow it to be opened.
	ErrBackingDenied = errors.New("qedfile: backing file not allowed")

	// ErrBackingLoop is returned when a chain of backing files comes back
	// to a file that is in it already, or is deeper than allowed.
	ErrBackingLoop = errors.New("qedfile: backing chain loops or is too deep")

	// ErrReadOnly is returned by every change to an image that was opened
	// for reading.
	ErrReadOnly = errors.New("qedfile: image is opened read-only")

	// ErrRange is returned by a change that would reach past the end of the
	// disk. Nothing is changed then.
	ErrRange = errors.New("qedfile: outside the disk")

	// ErrFailed is returned by every change to an image after its storage
	// has failed once: what the storage holds is not known any more. What
	// Sync returned for is safe; reopen the image to go on.
	ErrFailed = errors.New("qedfile: storage failed, reopen the image")

	// ErrNeedsRepair is returned when a dirty image is opened for writing
	// and [Options.Dirty] forbids the repair, or the repair would lose data.
	ErrNeedsRepair = errors.New("qedfile: image was not closed properly and needs a check")
)

// CorruptError says which table entry is invalid. It matches [ErrCorrupt].
type CorruptError struct {
	Level int    // 1 for the L1 table, 2 for an L2 table
	Table int64  // offset of the table in the file, in bytes
	Index int64  // entry of that table
	Entry uint64 // value found there
	Start int64  // first byte of the disk that the entry maps
	Why   string // what is wrong with it
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("qedfile: corrupt image: L%d table at %#x, entry %d is %#x: %s (disk offset %d)",
		e.Level, e.Table, e.Index, e.Entry, e.Why, e.Start)
}

// Is makes every CorruptError match [ErrCorrupt].
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }
