package backend

import (
	"os"

	"golang.org/x/sys/unix"
)

func syncFile(f *os.File) error {
	err := control(f, func(fd uintptr) error {
		for {
			err := unix.Fdatasync(int(fd))
			if err != unix.EINTR {
				return err
			}
		}
	})
	if err != nil {
		return &os.PathError{Op: "sync", Path: f.Name(), Err: err}
	}
	return nil
}
