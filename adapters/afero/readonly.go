package qedafero

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/afero"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// New returns a tree of files as an [afero.Fs] for reading. Every method that
// would change it fails with a [*fs.PathError] that holds [syscall.EROFS].
//
// Names are taken as on Unix: "/etc/fstab" and "etc/fstab" are the same, and
// ".." ends at the root. The Fs implements [afero.Lstater] and
// [afero.LinkReader] where fsys is an [fs.ReadLinkFS], as every tree of this
// module is.
func New(fsys fs.FS) afero.Fs { return &readOnlyFs{fsys} }

type readOnlyFs struct{ fsys fs.FS }

var (
	_ afero.Fs        = (*readOnlyFs)(nil)
	_ afero.Symlinker = (*readOnlyFs)(nil)
)

// Name says what kind of Fs this is.
func (*readOnlyFs) Name() string { return "qedafero (read-only)" }

// clean turns a name as afero's users write it into one of io/fs.
func clean(name string) string {
	name = filepath.ToSlash(name[len(filepath.VolumeName(name)):])
	if name = path.Clean("/" + name)[1:]; name == "" {
		return "."
	}
	return name
}

// pathError makes err an error of an operation on a name as the caller wrote
// it. afero's layers compare what a PathError holds with ==, so the errors
// that they look for are put there bare.
func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = fs.ErrNotExist
	case errors.Is(err, fstree.ErrNotDir):
		err = syscall.ENOTDIR
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

func readOnly(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: syscall.EROFS}
}

func (r *readOnlyFs) Open(name string) (afero.File, error) {
	f, err := r.fsys.Open(clean(name))
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return &file{File: f, name: name}, nil
}

// OpenFile opens for reading. Asked for more it fails as Linux does on a
// filesystem that is mounted read-only: a file that is not there and is not
// to be created is that error, everything else EROFS.
func (r *readOnlyFs) OpenFile(name string, flag int, _ os.FileMode) (afero.File, error) {
	const writes = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREATE | os.O_TRUNC
	if flag&writes == 0 {
		return r.Open(name)
	}
	if flag&os.O_CREATE == 0 {
		if _, err := r.Stat(name); err != nil {
			return nil, pathError("open", name, err)
		}
	}
	return nil, readOnly("open", name)
}

func (r *readOnlyFs) Stat(name string) (os.FileInfo, error) {
	info, err := fs.Stat(r.fsys, clean(name))
	return info, pathError("stat", name, err)
}

// LstatIfPossible describes a symbolic link itself. The result says whether
// the tree knows of links at all.
func (r *readOnlyFs) LstatIfPossible(name string) (os.FileInfo, bool, error) {
	_, knows := r.fsys.(fs.ReadLinkFS)
	info, err := fs.Lstat(r.fsys, clean(name))
	return info, knows, pathError("lstat", name, err)
}

// ReadlinkIfPossible returns a symbolic link's target as it is stored.
func (r *readOnlyFs) ReadlinkIfPossible(name string) (string, error) {
	if _, knows := r.fsys.(fs.ReadLinkFS); !knows {
		return "", pathError("readlink", name, afero.ErrNoReadlink)
	}
	target, err := fs.ReadLink(r.fsys, clean(name))
	return target, pathError("readlink", name, err)
}

func (*readOnlyFs) SymlinkIfPossible(oldname, newname string) error {
	return &os.LinkError{Op: "symlink", Old: oldname, New: newname, Err: syscall.EROFS}
}

func (*readOnlyFs) Rename(oldname, newname string) error {
	return readOnly("rename", oldname)
}

func (*readOnlyFs) Create(name string) (afero.File, error)    { return nil, readOnly("create", name) }
func (*readOnlyFs) Mkdir(name string, _ os.FileMode) error    { return readOnly("mkdir", name) }
func (*readOnlyFs) MkdirAll(name string, _ os.FileMode) error { return readOnly("mkdir", name) }
func (*readOnlyFs) Remove(name string) error                  { return readOnly("remove", name) }
func (*readOnlyFs) RemoveAll(name string) error               { return readOnly("remove", name) }
func (*readOnlyFs) Chmod(name string, _ os.FileMode) error    { return readOnly("chmod", name) }
func (*readOnlyFs) Chown(name string, _, _ int) error         { return readOnly("chown", name) }

func (*readOnlyFs) Chtimes(name string, _, _ time.Time) error { return readOnly("chtimes", name) }
