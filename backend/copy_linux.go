package backend

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// copyFileRange copies up to n bytes, at least one. It returns
// errors.ErrUnsupported where it cannot, the end of the source included:
// reading tells the two apart.
func copyFileRange(to *os.File, toOff int64, from *os.File, fromOff int64, n int) (k int, err error) {
	err = control(to, func(toFD uintptr) error {
		return control(from, func(fromFD uintptr) error {
			for {
				k, err = unix.CopyFileRange(int(fromFD), &fromOff, int(toFD), &toOff, n, 0)
				if err != unix.EINTR {
					return err
				}
			}
		})
	})
	switch {
	case errors.Is(err, os.ErrClosed), err == unix.ENOSPC, err == unix.EDQUOT, err == unix.EFBIG, err == unix.EIO:
		return 0, &os.PathError{Op: "copy_file_range", Path: to.Name(), Err: err}
	case err != nil, k <= 0:
		return 0, errors.ErrUnsupported
	}
	return k, nil
}
