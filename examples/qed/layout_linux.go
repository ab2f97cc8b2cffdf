//go:build linux && (amd64 || arm64 || 386 || arm || riscv64 || loong64 || s390x)

package main

import (
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What linux/fs.h says of the attributes of files, for the processors whose
// ioctl numbers are made alike.
const (
	longBytes       = strconv.IntSize / 8
	fsIocGetFlags   = 0x80006601 | longBytes<<16
	fsIocSetFlags   = 0x40006602 | longBytes<<16
	fsIocFSGetXattr = 0x801c581f
	fsIocFSSetXattr = 0x401c5820

	fsNoCowFlag    = 0x00800000
	fsXflagExtSize = 0x00000800
)

// fsXattr is struct fsxattr.
type fsXattr struct {
	xflags, extentSize, extents, project, cowExtentSize uint32
	_                                                   [8]byte
}

// turnOffCopyOnWrite has btrfs write an empty file in place.
func turnOffCopyOnWrite(f *os.File) error {
	var flags int
	if err := ioctl(f, fsIocGetFlags, unsafe.Pointer(&flags)); err != nil {
		return err
	}
	flags |= fsNoCowFlag
	return ioctl(f, fsIocSetFlags, unsafe.Pointer(&flags))
}

// hintExtentSize has XFS take space for a file in extents of so many bytes; 0
// is no hint.
func hintExtentSize(f *os.File, n uint32) error {
	var attr fsXattr
	if err := ioctl(f, fsIocFSGetXattr, unsafe.Pointer(&attr)); err != nil {
		return err
	}
	attr.xflags |= fsXflagExtSize
	attr.extentSize = n
	return ioctl(f, fsIocFSSetXattr, unsafe.Pointer(&attr))
}

func ioctl(f *os.File, request uintptr, arg unsafe.Pointer) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var errno unix.Errno
	err = conn.Control(func(fd uintptr) {
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(arg))
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return err
}
