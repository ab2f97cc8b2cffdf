//go:build !linux

package extract

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

func setXattr(*os.File, string, []byte) error { return errors.ErrUnsupported }

func setLinkXattr(*os.Root, string, string, []byte) error { return errors.ErrUnsupported }

// setTimes leaves those of a symbolic link as they are: Root.Chtimes follows
// it.
func setTimes(root *os.Root, name string, atime, mtime time.Time) error {
	if st, err := root.Lstat(name); err != nil || st.Mode().Type() == fs.ModeSymlink {
		return err
	}
	return root.Chtimes(name, atime, mtime)
}

func makeNode(*os.Root, string, *fstree.Stat) error { return errors.ErrUnsupported }
