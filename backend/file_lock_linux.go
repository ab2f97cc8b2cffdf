package backend

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// qemu tells other processes what it does with a file by shared locks on
// single bytes of it: byte 100+p is locked by who uses permission p, byte
// 200+p by who does not let others have it (qemu, block/file-posix.c,
// RAW_LOCK_PERM_BASE and RAW_LOCK_SHARED_BASE; the permissions are BLK_PERM_*
// of include/block/block-common.h). The locks lie beyond what they mean to
// guard on purpose: nobody reads or writes under them.
const (
	lockUsed     = 100
	lockUnshared = 200

	permRead   = 0 // BLK_PERM_CONSISTENT_READ
	permWrite  = 1 // BLK_PERM_WRITE
	permResize = 3 // BLK_PERM_RESIZE
)

// lockFile announces what we do by shared locks, and only then looks for
// others whose locks speak against it. Two processes that come at the same
// time may so refuse each other, but never both go on (qemu,
// raw_handle_perm_lock). It reports false where there are no locks.
func lockFile(f *os.File, writable bool) (locked bool, err error) {
	uses := []int64{permRead}
	if writable {
		uses = append(uses, permWrite, permResize)
	}
	unshared := []int64{permWrite, permResize}

	err = control(f, func(fd uintptr) error {
		if err := announce(fd, uses, unshared); err != nil {
			return err
		}
		return lookForOthers(fd, uses, unshared)
	})
	if err == nil {
		return true, nil
	}
	unlockErr := control(f, func(fd uintptr) error {
		return setLock(fd, unix.F_UNLCK, lockUsed, 2*(lockUnshared-lockUsed))
	})
	if lacksLocks(err) {
		return false, nil
	}
	return false, errors.Join(err, unlockErr)
}

func announce(fd uintptr, uses, unshared []int64) error {
	for _, perm := range uses {
		if err := setLock(fd, unix.F_RDLCK, lockUsed+perm, 1); err != nil {
			return err
		}
	}
	for _, perm := range unshared {
		if err := setLock(fd, unix.F_RDLCK, lockUnshared+perm, 1); err != nil {
			return err
		}
	}
	return nil
}

// lookForOthers asks whether an exclusive lock could be had where a lock of
// somebody else would contradict ours; our own do not count.
func lookForOthers(fd uintptr, uses, unshared []int64) error {
	for _, perm := range uses {
		if err := testLock(fd, lockUnshared+perm); err != nil {
			return err
		}
	}
	for _, perm := range unshared {
		if err := testLock(fd, lockUsed+perm); err != nil {
			return err
		}
	}
	return nil
}

func setLock(fd uintptr, kind int16, start, n int64) error {
	lock := unix.Flock_t{Type: kind, Whence: io.SeekStart, Start: start, Len: n}
	err := unix.FcntlFlock(fd, unix.F_OFD_SETLK, &lock)
	if err == unix.EAGAIN || err == unix.EACCES {
		return ErrLocked
	}
	return err
}

func testLock(fd uintptr, start int64) error {
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: start, Len: 1}
	if err := unix.FcntlFlock(fd, unix.F_OFD_GETLK, &lock); err != nil {
		return err
	}
	if lock.Type != unix.F_UNLCK {
		return ErrLocked
	}
	return nil
}

// lacksLocks tells a filesystem or a kernel without these locks (before Linux
// 3.15, NFS without a lock manager, some FUSE filesystems) from a refusal.
func lacksLocks(err error) bool {
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS),
		errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOLCK):
		return true
	}
	return false
}
