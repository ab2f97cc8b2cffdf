package qedfile

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/errs"
)

// errorf is fmt.Errorf for an error of this package.
func errorf(format string, args ...any) error { return errs.Errorf("qedfile", format, args...) }

// invalid is errorf for an error that matches [fs.ErrInvalid].
func invalid(format string, args ...any) error { return errs.Invalidf("qedfile", format, args...) }

// failed says which function of this package an error ended; nil stays nil.
func failed(op string, err error) error { return errs.Wrap("qedfile", op, err) }

var (
	// ErrFormat is returned when a file is not a QED image, or when its
	// header breaks the specification.
	ErrFormat = errs.New("qedfile", "not a valid QED image", nil)

	// ErrUnsupported is returned when an image needs a feature, or a
	// backing file a format, that this package does not know. It matches
	// [errors.ErrUnsupported].
	ErrUnsupported = errs.New("qedfile", "unsupported", errors.ErrUnsupported)

	// ErrCorrupt is returned when a table entry breaks the specification.
	// Only the range that the entry maps is affected; the rest of the disk
	// stays readable. See [CorruptError] for where.
	ErrCorrupt = errs.New("qedfile", "corrupt image", nil)

	// ErrBackingDenied is returned when an image names a backing file and
	// [Options.Backing] does not allow it to be opened. It matches
	// [fs.ErrPermission].
	ErrBackingDenied = errs.New("qedfile", "backing file not allowed", fs.ErrPermission)

	// ErrBackingLoop is returned when a chain of backing files comes back
	// to a file that is in it already, or is deeper than allowed. It
	// matches [syscall.ELOOP].
	ErrBackingLoop = errs.New("qedfile", "backing chain loops or is too deep", syscall.ELOOP)

	// ErrReadOnly is returned by every change to an image that was opened
	// for reading. It is [backend.ErrReadOnly].
	ErrReadOnly = backend.ErrReadOnly

	// ErrRange is returned by a change that would reach past the end of the
	// disk. Nothing is changed then. It matches [fs.ErrInvalid].
	ErrRange = errs.New("qedfile", "outside the disk", fs.ErrInvalid)

	// ErrFailed is returned by every change to an image after its storage
	// has failed once: what the storage holds is not known any more. What
	// Sync returned for is safe; reopen the image to go on.
	ErrFailed = errs.New("qedfile", "storage failed, reopen the image", nil)

	// ErrNeedsRepair is returned when a dirty image is opened for writing
	// and [Options.Dirty] forbids the repair, or the repair would lose data.
	ErrNeedsRepair = errs.New("qedfile", "image was not closed properly and needs a check", nil)
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

func (e *CorruptError) Error() string { return "qedfile: " + e.Message() }

// Message is the error without the package; see [errs.Message].
func (e *CorruptError) Message() string {
	return fmt.Sprintf("corrupt image: L%d table at %#x, entry %d is %#x: %s (disk offset %d)",
		e.Level, e.Table, e.Index, e.Entry, e.Why, e.Start)
}

// Is makes every CorruptError match [ErrCorrupt].
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }
