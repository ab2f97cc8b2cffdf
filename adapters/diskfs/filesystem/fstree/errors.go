package fstree

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// The errors of every tree, in a [*fs.PathError]. Each matches the standard
// error that means the same, so that a caller needs none of these names.
var (
	// ErrNotThis is returned by a reader's Open when the volume does not
	// hold its kind of filesystem at all.
	ErrNotThis = errors.New("not this filesystem")

	// ErrUnsupported is returned for a feature that a reader does not have;
	// the error that wraps it names the feature. It matches
	// [errors.ErrUnsupported].
	ErrUnsupported error = &sentinel{"unsupported", errors.ErrUnsupported}

	// ErrEncrypted is returned for contents that cannot be read without a
	// key. It matches [errors.ErrUnsupported].
	ErrEncrypted error = &sentinel{"encrypted", errors.ErrUnsupported}

	// ErrNotDir is returned for a path that leads through something that is
	// not a directory. It matches [syscall.ENOTDIR].
	ErrNotDir error = &sentinel{"not a directory", syscall.ENOTDIR}

	// ErrIsDir is returned where a directory is read as a file. It matches
	// [syscall.EISDIR].
	ErrIsDir error = &sentinel{"is a directory", syscall.EISDIR}

	// ErrTooManyLinks is returned for a path that leads through more than 40
	// symbolic links, as a loop does. It matches [syscall.ELOOP].
	ErrTooManyLinks error = &sentinel{"too many levels of symbolic links", syscall.ELOOP}

	// ErrTooLarge is returned by ReadFile for a file over 1 GiB, which a
	// sparse file of a few bytes may claim to be. It matches [syscall.EFBIG].
	ErrTooLarge error = &sentinel{"file too large to be read whole", syscall.EFBIG}

	// ErrDamaged is matched by every [DamageError].
	ErrDamaged = errors.New("damaged filesystem")
)

// sentinel is an error that matches a standard one.
type sentinel struct {
	text     string
	standard error
}

func (e *sentinel) Error() string        { return e.text }
func (e *sentinel) Is(target error) bool { return target == e.standard }

// DamageError says which structure of a filesystem is damaged.
type DamageError struct {
	FS        string // type of the filesystem: "ext4"
	Structure string // "inode 12", "extent tree of inode 12", "group descriptor 3"
	Block     int64  // block, or whatever unit the filesystem counts in, where it lies; -1 if unknown
	Why       string
}

func (e *DamageError) Error() string {
	if e.Block < 0 {
		return fmt.Sprintf("%s: damaged %s: %s", e.FS, e.Structure, e.Why)
	}
	return fmt.Sprintf("%s: damaged %s in block %d: %s", e.FS, e.Structure, e.Block, e.Why)
}

// Is makes every DamageError match [ErrDamaged].
func (e *DamageError) Is(target error) bool { return target == ErrDamaged }

// WithoutPath leaves the path out of an error, for a caller that names the file
// itself. Only an outermost [fs.PathError] has a path that is known to be that file's.
func WithoutPath(err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		return pe.Err
	}
	return err
}
