package writable

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"time"

	"github.com/diskfs/go-diskfs/filesystem"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// maxFile is how large a file may be that is written: it is held in memory
// until it is closed, as go-diskfs writes a file rightly in one piece alone.
const maxFile = 256 << 20

var (
	errNotDir   = errors.New("not a directory")
	errIsDir    = errors.New("is a directory")
	errReadOnly = errors.New("file is not open for writing")
	errNoRead   = errors.New("file is not open for reading")
)

// look reads the volume as it is.
func look[T any](w *FS, op, name string, f func(*fstree.FS) (T, error)) (result T, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	err = guarded(func() error {
		r, err := w.fat.reader()
		if err != nil {
			return err
		}
		result, err = f(r)
		return err
	})
	if err != nil {
		return result, &fs.PathError{Op: op, Path: name, Err: bare(err)}
	}
	return result, nil
}

// Stat describes a file, as it was when it was last closed.
func (w *FS) Stat(name string) (fs.FileInfo, error) {
	return look(w, "stat", name, func(r *fstree.FS) (fs.FileInfo, error) { return r.Stat(name) })
}

// ReadDir lists a directory.
func (w *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	return look(w, "readdir", name, func(r *fstree.FS) ([]fs.DirEntry, error) { return r.ReadDir(name) })
}

// ReadFile reads a file.
func (w *FS) ReadFile(name string) ([]byte, error) {
	return look(w, "readfile", name, func(r *fstree.FS) ([]byte, error) { return r.ReadFile(name) })
}

// Open opens a file or directory for reading.
func (w *FS) Open(name string) (fs.File, error) {
	f, err := w.openRead(name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (w *FS) openRead(name string) (*File, error) {
	info, err := w.Stat(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: bare(err)}
	}
	f := &File{fs: w, name: name, info: info, readable: true}
	if info.IsDir() {
		f.list, err = w.ReadDir(name)
	} else {
		f.data, err = w.ReadFile(name)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: bare(err)}
	}
	return f, nil
}

// OpenFile opens a file with the flags of package os, as a [*File]. What is
// written reaches the volume when the file is closed; until then others see the
// file as it was, or not at all.
func (w *FS) OpenFile(name string, flag int) (filesystem.File, error) {
	f, err := w.openFile(name, flag)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: bare(err)}
	}
	return f, nil
}

func (w *FS) openFile(name string, flag int) (*File, error) {
	const access = os.O_RDONLY | os.O_WRONLY | os.O_RDWR
	writes := flag&access != os.O_RDONLY
	info, err := w.Stat(name)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case err == nil && flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return nil, fs.ErrExist
	case err != nil && flag&os.O_CREATE == 0:
		return nil, fs.ErrNotExist
	case err == nil && info.IsDir() && (writes || flag&(os.O_CREATE|os.O_TRUNC) != 0):
		return nil, errIsDir
	case err == nil && !writes && flag&os.O_TRUNC == 0:
		return w.openRead(name)
	}
	f := &File{
		fs: w, name: name, old: info, writable: writes,
		readable: flag&access != os.O_WRONLY, appends: flag&os.O_APPEND != 0,
		changed: info == nil || flag&os.O_TRUNC != 0,
	}
	if info == nil {
		if err := w.mayCreate(name); err != nil {
			return nil, err
		}
	} else if flag&os.O_TRUNC == 0 {
		if info.Size() > maxFile {
			return nil, fmt.Errorf("%w: changing a file of more than %d bytes", ErrRefused, maxFile)
		}
		if f.data, err = w.ReadFile(name); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// mayCreate tells early what Close would find out.
func (w *FS) mayCreate(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		return ErrFailed
	}
	if !fs.ValidPath(name) || name == "." {
		return fs.ErrInvalid
	}
	if _, err := w.stat(name); err != nil {
		return err
	}
	return checkName(path.Base(name))
}

// File is an open file or directory. It is safe for concurrent use.
type File struct {
	fs                 *FS
	name               string
	old                fs.FileInfo // nil for a file that is not there yet
	info               fs.FileInfo // of what is open for reading
	readable, writable bool
	appends            bool

	mu      sync.Mutex // guards what follows
	data    []byte
	list    []fs.DirEntry
	pos     int64
	changed bool
	closed  bool
}

var (
	_ filesystem.File = (*File)(nil)
	_ fs.ReadDirFile  = (*File)(nil)
	_ io.ReaderAt     = (*File)(nil)
	_ io.WriterAt     = (*File)(nil)
)

// begin takes the lock and checks that the file is open for something.
func (f *File) begin(op string, allowed bool, otherwise error) error {
	f.mu.Lock()
	err := otherwise
	switch {
	case f.closed:
		err = fs.ErrClosed
	case allowed:
		return nil
	}
	f.mu.Unlock()
	return &fs.PathError{Op: op, Path: f.name, Err: err}
}

func (f *File) isDir() bool { return f.info != nil && f.info.IsDir() }

func (f *File) Read(p []byte) (int, error) {
	if f.isDir() {
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: errIsDir}
	}
	if err := f.begin("read", f.readable, errNoRead); err != nil {
		return 0, err
	}
	defer f.mu.Unlock()
	n, err := bytes.NewReader(f.data).ReadAt(p, f.pos)
	f.pos += int64(n)
	if n > 0 || len(p) == 0 {
		err = nil
	}
	return n, err
}

func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if err := f.begin("read", f.readable && !f.isDir(), errNoRead); err != nil {
		return 0, err
	}
	defer f.mu.Unlock()
	return bytes.NewReader(f.data).ReadAt(p, off)
}

func (f *File) Write(p []byte) (int, error) {
	if err := f.begin("write", f.writable, errReadOnly); err != nil {
		return 0, err
	}
	defer f.mu.Unlock()
	if f.appends {
		f.pos = int64(len(f.data))
	}
	n, err := f.write(p, f.pos)
	f.pos += int64(n)
	return n, err
}

func (f *File) WriteAt(p []byte, off int64) (int, error) {
	if err := f.begin("write", f.writable && !f.appends, errReadOnly); err != nil {
		return 0, err
	}
	defer f.mu.Unlock()
	return f.write(p, off)
}

func (f *File) write(p []byte, off int64) (int, error) {
	if off < 0 || off > maxFile-int64(len(p)) {
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: fmt.Errorf("%w: writing a file of more than %d bytes", ErrRefused, maxFile)}
	}
	if end := off + int64(len(p)); end > int64(len(f.data)) {
		f.data = append(f.data, make([]byte, end-int64(len(f.data)))...)
	}
	f.changed = true
	return copy(f.data[off:], p), nil
}

// Truncate sets the length of the file; bytes gained are zeroes.
func (f *File) Truncate(size int64) error {
	if err := f.begin("truncate", f.writable, errReadOnly); err != nil {
		return err
	}
	defer f.mu.Unlock()
	if size < 0 || size > maxFile {
		return &fs.PathError{Op: "truncate", Path: f.name, Err: fs.ErrInvalid}
	}
	f.changed = true
	if size <= int64(len(f.data)) {
		clear(f.data[size:])
		f.data = f.data[:size]
		return nil
	}
	f.data = append(f.data, make([]byte, size-int64(len(f.data)))...)
	return nil
}

func (f *File) Seek(offset int64, whence int) (int64, error) {
	if err := f.begin("seek", !f.isDir(), errIsDir); err != nil {
		return 0, err
	}
	defer f.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += f.pos
	case io.SeekEnd:
		offset += int64(len(f.data))
	}
	if offset < 0 || whence < io.SeekStart || whence > io.SeekEnd {
		return 0, &fs.PathError{Op: "seek", Path: f.name, Err: fs.ErrInvalid}
	}
	f.pos = offset
	return offset, nil
}

// ReadDir lists a directory as [fs.ReadDirFile] says.
func (f *File) ReadDir(n int) ([]fs.DirEntry, error) {
	if err := f.begin("readdir", f.isDir(), errNotDir); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	if n > 0 && len(f.list) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(f.list) {
		n = len(f.list)
	}
	list := f.list[:n:n]
	f.list = f.list[n:]
	return list, nil
}

// Stat describes the file as it would be if it were closed now.
func (f *File) Stat() (fs.FileInfo, error) {
	if err := f.begin("stat", true, nil); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	if f.info != nil {
		return f.info, nil
	}
	return openInfo{name: path.Base(f.name), size: int64(len(f.data)), old: f.old}, nil
}

// Sync writes the file to the volume as it is now.
func (f *File) Sync() error {
	if err := f.begin("sync", true, nil); err != nil {
		return err
	}
	defer f.mu.Unlock()
	return f.commit()
}

// Close writes the file to the volume if it was changed.
func (f *File) Close() error {
	if err := f.begin("close", true, nil); err != nil {
		return err
	}
	defer f.mu.Unlock()
	f.closed = true
	return f.commit()
}

// commit writes what was changed; the lock is held.
func (f *File) commit() error {
	if !f.changed {
		return nil
	}
	w, isNew := f.fs, false
	check := func() error {
		old, err := w.stat(f.name)
		if err != nil {
			return err
		}
		isNew = old == nil
		oldSize, newName := int64(0), path.Base(f.name)
		if old != nil {
			oldSize, newName = old.Size(), ""
		}
		if len(f.data) == 0 {
			return fmt.Errorf("%w: an empty file", ErrRefused)
		}
		return w.fat.room(path.Dir(f.name), newName, int64(len(f.data)), oldSize)
	}
	err := w.change("write", f.name, check, func() error { return w.replace(f.name, f.data, isNew) })
	if err == nil {
		f.changed = false
	}
	return err
}

// replace makes data the contents of a file. Only in one piece does go-diskfs
// write it rightly.
func (w *FS) replace(name string, data []byte, isNew bool) error {
	flag := os.O_RDWR | os.O_TRUNC
	if isNew {
		flag = os.O_RDWR | os.O_CREATE
	}
	f, err := w.engine.OpenFile(name, flag)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

// openInfo describes a file that is being written.
type openInfo struct {
	name string
	size int64
	old  fs.FileInfo
}

func (i openInfo) Name() string { return i.name }
func (i openInfo) Size() int64  { return i.size }
func (i openInfo) IsDir() bool  { return false }
func (i openInfo) Sys() any     { return nil }

func (i openInfo) Mode() fs.FileMode {
	if i.old == nil {
		return 0o644
	}
	return i.old.Mode()
}

func (i openInfo) ModTime() time.Time {
	if i.old == nil {
		return time.Time{}
	}
	return i.old.ModTime()
}
