//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package backend

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile takes a shared lock for reading, an exclusive one for writing. It
// reports false where there are no locks.
func lockFile(f *os.File, writable bool) (locked bool, err error) {
	how := unix.LOCK_SH
	if writable {
		how = unix.LOCK_EX
	}
	err = control(f, func(fd uintptr) error { return unix.Flock(int(fd), how|unix.LOCK_NB) })
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return false, ErrLocked
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL),
		errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOSYS):
		return false, nil // this filesystem has no locks
	}
	return err == nil, err
}
