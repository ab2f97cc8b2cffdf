package backend

import (
	"os"

	"golang.org/x/sys/unix"
)

func punchHole(f *os.File, off, n int64) error {
	return fallocate("punch hole", f, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
}

func allocate(f *os.File, off, n int64) error { return fallocate("allocate", f, 0, off, n) }

func fallocate(op string, f *os.File, mode uint32, off, n int64) error {
	err := control(f, func(fd uintptr) error {
		for {
			err := unix.Fallocate(int(fd), mode, off, n)
			if err != unix.EINTR {
				return err
			}
		}
	})
	if err != nil {
		return &os.PathError{Op: op, Path: f.Name(), Err: err}
	}
	return nil
}
