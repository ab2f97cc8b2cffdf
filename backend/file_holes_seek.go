//go:build linux || darwin || freebsd

package backend

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// seekData finds the first run of data at or after off, which lies inside the
// file. With no data left it returns the end of the file twice.
func seekData(f *os.File, off int64) (start, end int64, err error) {
	start, err = f.Seek(off, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO): // only a hole is left
		end, err = f.Seek(0, io.SeekEnd)
		return end, end, err
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOTTY):
		return 0, 0, errors.ErrUnsupported
	case err != nil:
		return 0, 0, err
	}
	end, err = f.Seek(start, unix.SEEK_HOLE)
	return start, end, err
}
