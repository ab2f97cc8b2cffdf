//go:build unix

package newfile

import (
	"io/fs"
	"os"
	"syscall"
)

// syncsDirectories: what is in a directory is durable once the directory is
// synced.
const syncsDirectories = true

// keepOwner gives f the owner and the group of the file that it replaces, as
// far as the system allows it.
func keepOwner(f *os.File, old fs.FileInfo) {
	st, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	if f.Chown(int(st.Uid), int(st.Gid)) != nil {
		_ = f.Chown(-1, int(st.Gid))
	}
}
