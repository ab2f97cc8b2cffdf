package qedafero

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/spf13/afero"

	qeddiskfs "github.com/qedfs/qedfs/adapters/diskfs"
	"github.com/qedfs/qedfs/adapters/diskfs/writable"
)

// NewWritable returns a filesystem of go-diskfs as an [afero.Fs] that can be
// written: a FAT12, FAT16 or FAT32. What go-diskfs would write wrongly fails
// with an error that matches [writable.ErrRefused]; package writable lists it.
// A file reaches the volume when it is closed, and removing is refused.
func NewWritable(fsys qeddiskfs.FileSystem) (afero.Fs, error) {
	w, err := writable.New(fsys)
	if err != nil {
		return nil, err
	}
	return &writableFs{w}, nil
}

type writableFs struct{ w *writable.FS }

var _ afero.Fs = (*writableFs)(nil)

// Name says what kind of Fs this is.
func (*writableFs) Name() string { return "qedafero (writable)" }

func (f *writableFs) Create(name string) (afero.File, error) {
	return f.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0)
}

func (f *writableFs) Open(name string) (afero.File, error) {
	return f.OpenFile(name, os.O_RDONLY, 0)
}

// OpenFile opens a file; FAT has no place for its permissions.
func (f *writableFs) OpenFile(name string, flag int, _ os.FileMode) (afero.File, error) {
	opened, err := f.w.OpenFile(clean(name), flag)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return &writableFile{opened.(*writable.File), name}, nil
}

func (f *writableFs) Mkdir(name string, _ os.FileMode) error {
	return pathError("mkdir", name, f.w.Mkdir(clean(name)))
}

func (f *writableFs) MkdirAll(name string, perm os.FileMode) error {
	cleaned := clean(name)
	info, err := f.w.Stat(cleaned)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return pathError("mkdir", name, fs.ErrExist)
	case !errors.Is(err, fs.ErrNotExist):
		return pathError("mkdir", name, err)
	}
	if err := f.MkdirAll(path.Dir(cleaned), perm); err != nil {
		return err
	}
	return f.Mkdir(cleaned, perm)
}

func (f *writableFs) Remove(name string) error {
	return pathError("remove", name, f.w.Remove(clean(name)))
}

// RemoveAll does nothing where there is nothing to remove.
func (f *writableFs) RemoveAll(name string) error {
	if _, err := f.w.Stat(clean(name)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return f.Remove(name)
}

func (f *writableFs) Rename(oldname, newname string) error {
	return pathError("rename", oldname, f.w.Rename(clean(oldname), clean(newname)))
}

func (f *writableFs) Stat(name string) (os.FileInfo, error) {
	info, err := f.w.Stat(clean(name))
	return info, pathError("stat", name, err)
}

func (f *writableFs) Chmod(name string, mode os.FileMode) error {
	return pathError("chmod", name, f.w.Chmod(clean(name), mode))
}

func (f *writableFs) Chown(name string, uid, gid int) error {
	return pathError("chown", name, f.w.Chown(clean(name), uid, gid))
}

func (f *writableFs) Chtimes(name string, atime, mtime time.Time) error {
	return pathError("chtimes", name, f.w.Chtimes(clean(name), mtime, atime, mtime))
}

// writableFile is an open file with the methods that afero has besides.
type writableFile struct {
	*writable.File
	name string
}

var _ afero.File = (*writableFile)(nil)

func (f *writableFile) Name() string { return f.name }

// late puts the name by which the caller opened the file into an error that
// comes later than that. io.EOF stays as it is.
func (f *writableFile) late(op string, err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	return pathError(op, f.name, err)
}

func (f *writableFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	return n, f.late("read", err)
}

func (f *writableFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	return n, f.late("read", err)
}

func (f *writableFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.late("write", err)
}

func (f *writableFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	return n, f.late("write", err)
}

func (f *writableFile) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

func (f *writableFile) Seek(offset int64, whence int) (int64, error) {
	n, err := f.File.Seek(offset, whence)
	return n, f.late("seek", err)
}

func (f *writableFile) Truncate(size int64) error { return f.late("truncate", f.File.Truncate(size)) }
func (f *writableFile) Sync() error               { return f.late("sync", f.File.Sync()) }
func (f *writableFile) Close() error              { return f.late("close", f.File.Close()) }

func (f *writableFile) ReadDir(n int) ([]fs.DirEntry, error) {
	list, err := f.File.ReadDir(n)
	return list, f.late("readdir", err)
}

func (f *writableFile) Readdir(n int) ([]os.FileInfo, error) {
	return infos(f.ReadDir(n))
}

func (f *writableFile) Readdirnames(n int) ([]string, error) {
	entries, err := f.ReadDir(n)
	return names(entries), err
}
