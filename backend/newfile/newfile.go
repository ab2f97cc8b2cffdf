package newfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/qedfs/qedfs/backend"
)

// Options say how a file is written. The zero value, and nil, are the safe
// defaults.
type Options struct {
	// Unsynced leaves the host to write the file to its disk when it likes, as
	// qemu's cache=unsafe does. A crash of the machine may then leave an empty
	// file in the place of the old one.
	Unsynced bool

	// Exclusive fails with [fs.ErrExist] where something has the name
	// already, when the file is created or when it is committed.
	Exclusive bool

	// ReplaceReadOnly replaces a file that may not be written, as cp -f does.
	ReplaceReadOnly bool

	// Above is put before the temporary name in errors: the path of the root of
	// [CreateIn], where the caller has opened it below another one.
	Above string

	// Perm are the permissions of the file before the umask. Zero means those
	// of the file that it replaces, exactly, or else 0666.
	Perm fs.FileMode
}

// File is a file that is being written. It has a temporary name until Commit.
type File struct {
	opts  Options
	dir   directory
	owned *os.Root // closed with the File; nil for CreateIn
	name  string   // in dir
	shown string   // what the caller calls it
	temp  string   // in dir

	file      *backend.File
	info      fs.FileInfo   // of file
	old       *backend.File // what is to be replaced, locked; nil where nothing is
	oldInfo   fs.FileInfo   // nil where nothing is to be replaced
	committed bool
	closed    bool
}

// Create begins a file that shall become name. A name that is a symbolic link
// stays one: the file that it leads to is written. An error is an
// [fs.PathError]; it matches [backend.ErrLocked] where another process uses the
// file to be replaced.
func Create(name string, opts *Options) (*File, error) {
	f, err := create(name, opts)
	if err != nil {
		return nil, pathError(name, err)
	}
	return f, nil
}

func create(name string, opts *Options) (*File, error) {
	final, err := follow(name)
	if err != nil {
		return nil, err
	}
	dir, base := filepath.Split(final)
	if base == "" {
		return nil, fmt.Errorf("%w: the name ends in a separator", fs.ErrInvalid)
	}
	if dir == "" {
		dir = "."
	}
	if st, err := os.Stat(final); err == nil && !st.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	f, err := begin(rootDir{root}, base, name, opts)
	if err != nil {
		root.Close()
		return nil, err
	}
	f.owned = root
	return f, nil
}

// CreateIn is [Create] inside a root, which must stay open until Commit or
// Close. It follows no symbolic link in the last part of the name: a link, or a
// special file, is replaced.
func CreateIn(root *os.Root, name string, opts *Options) (*File, error) {
	f, err := begin(rootDir{root}, filepath.Clean(name), name, opts)
	if err != nil {
		return nil, pathError(name, err)
	}
	return f, nil
}

// begin looks at what is to be replaced and opens the temporary file.
func begin(dir directory, name, shown string, opts *Options) (*File, error) {
	f := &File{dir: dir, name: name, shown: shown}
	if opts != nil {
		f.opts = *opts
	}
	if isTemporary(name) {
		return nil, fmt.Errorf("%w: names like %s are those of unfinished files", fs.ErrInvalid, Pattern)
	}
	if err := f.lockOld(); err != nil {
		return nil, err
	}
	if err := f.claim(); err != nil {
		f.closeOld()
		return nil, err
	}
	return f, nil
}

// lockOld locks the file that is to be replaced.
func (f *File) lockOld() error {
	info, err := f.dir.lstat(f.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case f.opts.Exclusive:
		return fs.ErrExist
	case info.IsDir():
		return syscall.EISDIR
	case !info.Mode().IsRegular():
		return nil
	}
	f.oldInfo = info
	flag := os.O_RDWR
	old, err := f.dir.openFile(f.name, flag, 0)
	if errors.Is(err, fs.ErrPermission) && f.opts.ReplaceReadOnly {
		flag = os.O_RDONLY
		old, err = f.dir.openFile(f.name, flag, 0)
		if errors.Is(err, fs.ErrPermission) {
			return nil // nor can its lock be asked for
		}
	}
	if err != nil {
		return err
	}
	f.old, err = backend.NewFile(old, flag, nil)
	if err != nil {
		old.Close()
		return err
	}
	if !f.old.Locked() {
		f.closeOld() // Windows replaces no file that is open
	}
	return nil
}

func (f *File) closeOld() {
	if f.old != nil {
		f.old.Close() // it was not written
		f.old = nil
	}
}

// follow returns where a chain of symbolic links leads, be there a file or not.
func follow(name string) (string, error) {
	for range 40 { // as in the kernel
		info, err := os.Lstat(name)
		if err != nil || info.Mode().Type() != fs.ModeSymlink {
			return name, nil
		}
		target, err := os.Readlink(name)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(target) {
			dir, err := filepath.EvalSymlinks(filepath.Dir(name))
			if err != nil {
				return "", err
			}
			// Not cleaned: what is before a ".." may be a link, too.
			target = dir + string(filepath.Separator) + target
		}
		name = target
	}
	return "", syscall.ELOOP
}

// Name returns the name that the file was created by.
func (f *File) Name() string { return f.shown }

// TempName returns the name that the file has until it is committed: for a file
// of [CreateIn] inside the root, else in the directory of the final name.
func (f *File) TempName() string { return f.temp }

// Storage returns the file as a storage. Closing the storage ends its use and
// leaves the file open for Commit; syncing it does nothing, since Commit syncs
// all of it.
func (f *File) Storage() backend.Storage { return backend.Unsynced(backend.Borrowed(f.file)) }

// OSFile returns the open file, for what only the operating system can do with
// it. It stays the File's: do not close it.
func (f *File) OSFile() *os.File { return f.file.OSFile() }

// Committed reports whether the file has its final name.
func (f *File) Committed() bool { return f.committed }

// Close removes the file unless it was committed; after Commit it does
// nothing. It is meant for defer.
func (f *File) Close() error {
	if f.closed {
		return nil
	}
	var err error
	if !f.committed && f.ownsTemp() == nil {
		err = f.removeTemp()
	}
	if err := errors.Join(err, f.release()); err != nil {
		return pathError(f.shown, err)
	}
	return nil
}

// removeTemp takes the temporary name away. An error says what is left.
func (f *File) removeTemp() error {
	if err := f.dir.remove(f.temp); err != nil {
		return fmt.Errorf("%s is left behind: %w", filepath.Join(f.opts.Above, f.temp), cause(err))
	}
	return nil
}

// ownsTemp fails where the temporary name is not this file's any more.
func (f *File) ownsTemp() error {
	now, err := f.dir.lstat(f.temp)
	if err != nil {
		return err
	}
	if !os.SameFile(now, f.info) {
		return errors.New("another process has replaced the unfinished file")
	}
	return nil
}

// release gives up the locks and closes everything.
func (f *File) release() error {
	f.closed = true
	f.closeOld()
	err := f.file.Close()
	if errors.Is(err, fs.ErrClosed) {
		err = nil // before the rename
	}
	if f.owned != nil {
		err = errors.Join(err, f.owned.Close())
	}
	return err
}

// pathError says which file an error is about, by the name that the caller
// knows, and not by the temporary one.
func pathError(name string, err error) error {
	return &fs.PathError{Op: "create", Path: name, Err: cause(err)}
}

// cause is an error without the call and the names that it is about.
func cause(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}
