package backend

import (
	"os"

	"golang.org/x/sys/unix"
)

// isRemote is true where it cannot be told.
func isRemote(f *os.File) bool {
	var st unix.Statfs_t
	err := control(f, func(fd uintptr) error { return unix.Fstatfs(int(fd), &st) })
	return err != nil || st.Flags&unix.MNT_LOCAL == 0
}
