package fstree

import (
	"errors"
	"fmt"
)

var (
	// ErrNotThis is returned by a reader's Open when the volume does not
	// hold its kind of filesystem at all.
	ErrNotThis = errors.New("not this filesystem")

	// ErrUnsupported is returned for a feature that a reader does not have;
	// the error that wraps it names the feature.
	ErrUnsupported = errors.New("unsupported")

	// ErrEncrypted is returned for contents that cannot be read without a key.
	ErrEncrypted = errors.New("encrypted")

	// ErrNotDir is returned for a path that leads through something that is
	// not a directory.
	ErrNotDir = errors.New("not a directory")

	// ErrTooManyLinks is returned for a path that leads through more than 40
	// symbolic links, as a loop does.
	ErrTooManyLinks = errors.New("too many levels of symbolic links")

	// ErrTooLarge is returned by ReadFile for a file over 1 GiB, which a
	// sparse file of a few bytes may claim to be.
	ErrTooLarge = errors.New("file too large to be read whole")

	// ErrDamaged is matched by every [DamageError].
	ErrDamaged = errors.New("damaged filesystem")
)

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
