package newfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// A directory is what a new file is made in, and all that is done there. Names
// may have several parts.
type directory interface {
	openFile(name string, flag int, perm fs.FileMode) (*os.File, error)
	lstat(name string) (fs.FileInfo, error)
	chmod(name string, mode fs.FileMode) error
	link(oldname, newname string) error
	rename(oldname, newname string) error
	remove(name string) error
	syncFile(f *os.File) error
	syncDir(name string) error
}

// rootDir is a directory of the host.
type rootDir struct{ root *os.Root }

func (d rootDir) openFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	return d.root.OpenFile(name, flag, perm)
}
func (d rootDir) lstat(name string) (fs.FileInfo, error)    { return d.root.Lstat(name) }
func (d rootDir) chmod(name string, mode fs.FileMode) error { return d.root.Chmod(name, mode) }
func (d rootDir) link(oldname, newname string) error        { return d.root.Link(oldname, newname) }
func (d rootDir) rename(oldname, newname string) error      { return d.root.Rename(oldname, newname) }
func (d rootDir) remove(name string) error                  { return d.root.Remove(name) }
func (d rootDir) syncFile(f *os.File) error                 { return f.Sync() }

func (d rootDir) syncDir(name string) error {
	dir, err := d.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(SyncDir(dir), dir.Close())
}

// SyncDir makes the names in an open directory durable, where the host can. It
// is for what is not made by this package: directories and links.
func SyncDir(dir *os.File) error {
	if !syncsDirectories {
		return nil
	}
	err := dir.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil // a filesystem that does not know it, as some over a network
	}
	return err
}
