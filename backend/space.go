package backend

import (
	"errors"
	"io/fs"
)

var (
	_ SpaceTeller = (*File)(nil)
	_ SpaceTeller = (*borrowed)(nil)
)

// Space asks r how much of the host's disk it takes, as [SpaceTeller.Space]
// does. For a reader that does not know, the error matches
// [errors.ErrUnsupported]. A Reader that stands before another one passes the
// question on by it.
func Space(r Reader) (int64, error) {
	if t, ok := r.(SpaceTeller); ok {
		return t.Space()
	}
	return 0, errorf("this storage does not tell its space: %w", errors.ErrUnsupported)
}

// Space implements [SpaceTeller].
func (f *File) Space() (int64, error) {
	fi, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	return spaceOf(fi)
}

// Space implements [SpaceTeller].
func (b *borrowed) Space() (int64, error) {
	if err := b.check(); err != nil {
		return 0, err
	}
	return Space(b.s)
}

func errNoSpaceTold(fi fs.FileInfo) error {
	return errorf("the space of %s: %w", fi.Name(), errors.ErrUnsupported)
}
