package extract

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

func setXattr(f *os.File, name string, value []byte) error {
	return unix.Fsetxattr(int(f.Fd()), name, value, 0)
}

// inDir has a call made on the last element of a path, in its directory:
// [os.Root] has no method for it.
func inDir(root *os.Root, name string, call func(dir int, base string) error) error {
	dir, err := root.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(call(int(dir.Fd()), filepath.Base(name)), dir.Close())
}

// setLinkXattr sets an attribute of a symbolic link. No call for that takes a
// directory, so that it goes by the name that the kernel has for an open one.
func setLinkXattr(root *os.Root, link, name string, value []byte) error {
	return inDir(root, link, func(dir int, base string) error {
		return unix.Lsetxattr(fmt.Sprintf("/proc/self/fd/%d/%s", dir, base), name, value, 0)
	})
}

// setTimes sets the times of a file or of a symbolic link itself. Root.Chtimes
// follows links, and counts in nanoseconds from 1678 to 2262.
func setTimes(root *os.Root, name string, atime, mtime time.Time) error {
	var ts [2]unix.Timespec
	for i, t := range [...]time.Time{atime, mtime} {
		var err error
		if ts[i], err = unix.TimeToTimespec(t); err != nil {
			return err
		}
	}
	return inDir(root, name, func(dir int, base string) error {
		return unix.UtimesNanoAt(dir, base, ts[:], unix.AT_SYMLINK_NOFOLLOW)
	})
}

// makeNode makes a device or a named pipe.
func makeNode(root *os.Root, name string, st *fstree.Stat) error {
	dev := 0
	if st.Mode&fs.ModeDevice != 0 {
		dev = int(unix.Mkdev(st.Major, st.Minor))
	}
	return inDir(root, name, func(dir int, base string) error {
		return unix.Mknodat(dir, base, fstree.UnixBits(st.Mode.Type())|0o600, dev)
	})
}
