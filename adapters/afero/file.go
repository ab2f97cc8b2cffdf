package qedafero

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/spf13/afero"
)

// file is an open file or directory of a read-only tree.
type file struct {
	fs.File
	name string // as the caller wrote it
}

var _ afero.File = (*file)(nil)

// Name returns the name that the file was opened by.
func (f *file) Name() string { return f.name }

// ReadAt reads at an offset, where the tree's files can.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if r, ok := f.File.(io.ReaderAt); ok {
		return r.ReadAt(p, off)
	}
	return 0, f.cannot("read")
}

// Seek moves the offset, where the tree's files can.
func (f *file) Seek(offset int64, whence int) (int64, error) {
	if s, ok := f.File.(io.Seeker); ok {
		return s.Seek(offset, whence)
	}
	return 0, f.cannot("seek")
}

func (f *file) cannot(op string) error {
	if _, ok := f.File.(fs.ReadDirFile); ok {
		return &fs.PathError{Op: op, Path: f.name, Err: syscall.EISDIR}
	}
	return &fs.PathError{Op: op, Path: f.name, Err: errors.ErrUnsupported}
}

// WriteTo lets io.Copy leave holes and large reads to the tree's own file.
func (f *file) WriteTo(w io.Writer) (int64, error) {
	if t, ok := f.File.(io.WriterTo); ok {
		return t.WriteTo(w)
	}
	return io.Copy(w, struct{ io.Reader }{f.File})
}

// readDir lists as [fs.ReadDirFile] does.
func (f *file) readDir(n int) ([]fs.DirEntry, error) {
	d, ok := f.File.(fs.ReadDirFile)
	if !ok {
		return nil, &fs.PathError{Op: "readdir", Path: f.name, Err: syscall.ENOTDIR}
	}
	return d.ReadDir(n)
}

func (f *file) Readdir(n int) ([]os.FileInfo, error) { return infos(f.readDir(n)) }

func (f *file) Readdirnames(n int) ([]string, error) {
	entries, err := f.readDir(n)
	return names(entries), err
}

// infos describes entries. Those that can't be described are left out, and
// their errors added.
func infos(entries []fs.DirEntry, err error) ([]os.FileInfo, error) {
	list := make([]os.FileInfo, 0, len(entries))
	for _, e := range entries {
		info, infoErr := e.Info()
		if infoErr != nil {
			err = errors.Join(err, infoErr)
			continue
		}
		list = append(list, info)
	}
	return list, err
}

func names(entries []fs.DirEntry) []string {
	list := make([]string, len(entries))
	for i, e := range entries {
		list[i] = e.Name()
	}
	return list
}

// ReadDir is what [afero.NewIOFS] and newer users ask for.
func (f *file) ReadDir(n int) ([]fs.DirEntry, error) { return f.readDir(n) }

// Sync has nothing to do.
func (f *file) Sync() error { return nil }

func (f *file) Write([]byte) (int, error)          { return 0, readOnly("write", f.name) }
func (f *file) WriteAt([]byte, int64) (int, error) { return 0, readOnly("write", f.name) }
func (f *file) WriteString(string) (int, error)    { return 0, readOnly("write", f.name) }
func (f *file) Truncate(int64) error               { return readOnly("truncate", f.name) }
