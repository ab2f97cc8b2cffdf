package backend

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// FileOptions change how a file is opened. The zero value, and nil, take the
// locks that qemu takes.
type FileOptions struct {
	// ForceShare reads a file without locks, even while another process
	// writes it: what is read may then be half changed. It is qemu-img's
	// --force-share, and is refused for a file that is opened for writing.
	ForceShare bool
}

// File is a file or a block device of the host.
//
// While it is open it holds the locks that qemu would hold on it (see
// [OpenFile]). It is safe for concurrent use.
type File struct {
	f        *os.File
	writable bool
	locked   bool
}

var (
	_ Storage    = (*File)(nil)
	_ DataFinder = (*File)(nil)
)

// OpenFile opens a regular file or a block device. The flag is os.O_RDONLY or
// os.O_RDWR, the latter with any of os.O_CREATE, os.O_EXCL and os.O_TRUNC; a
// file that is created gets mode 0666 before the umask.
//
// On Linux the file is locked by the bytes that qemu locks, so that a file
// that another process writes is refused with an error matching [ErrLocked],
// and qemu refuses one that is written here; any number of readers go
// together. A file that O_TRUNC empties is locked first. On the BSDs and macOS
// flock(2) does the same among programs that use it; other systems, and
// filesystems without locks, go on without.
func OpenFile(name string, flag int, opts *FileOptions) (*File, error) {
	// Opening a pipe would wait for its other end.
	if fi, err := os.Stat(name); err == nil {
		if err := checkKind(name, fi); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(name, flag&^os.O_TRUNC, 0o666)
	if err != nil {
		return nil, err
	}
	file, err := NewFile(f, flag, opts)
	if err != nil {
		f.Close()
		return nil, err
	}
	if flag&os.O_TRUNC != 0 {
		if err := file.Truncate(0); err != nil {
			file.Close()
			return nil, err
		}
	}
	return file, nil
}

// NewFile is [OpenFile] for a file that is open already, by [os.Root] for
// example. The flag says how it was opened. The File owns f from then on; if
// an error is returned f stays the caller's and holds no lock.
func NewFile(f *os.File, flag int, opts *FileOptions) (*File, error) {
	if opts == nil {
		opts = &FileOptions{}
	}
	const access = os.O_RDONLY | os.O_WRONLY | os.O_RDWR
	if flag&access == os.O_WRONLY || flag&os.O_APPEND != 0 {
		return nil, &fs.PathError{Op: "open", Path: f.Name(), Err: invalid("a storage must be readable, and not only appended to")}
	}
	writable := flag&access == os.O_RDWR
	if flag&os.O_TRUNC != 0 && !writable {
		return nil, &fs.PathError{Op: "open", Path: f.Name(), Err: invalid("only a file opened for writing can be truncated")}
	}
	if opts.ForceShare && writable {
		return nil, &fs.PathError{Op: "open", Path: f.Name(), Err: invalid("ForceShare is for reading only")}
	}
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkKind(f.Name(), fi); err != nil {
		return nil, err
	}
	file := &File{f: f, writable: writable}
	if !opts.ForceShare {
		if file.locked, err = lockFile(f, writable); err != nil {
			return nil, &fs.PathError{Op: "open", Path: f.Name(), Err: explainLock(err, writable)}
		}
	}
	return file, nil
}

func checkKind(name string, fi fs.FileInfo) error {
	mode := fi.Mode()
	if mode.IsRegular() || isBlockDevice(mode) {
		return nil
	}
	return &fs.PathError{Op: "open", Path: name, Err: invalid("not a regular file or block device (%v)", mode.Type())}
}

func isBlockDevice(mode fs.FileMode) bool {
	return mode&(fs.ModeDevice|fs.ModeCharDevice) == fs.ModeDevice
}

func explainLock(err error, writable bool) error {
	if !errors.Is(err, ErrLocked) || writable {
		return err
	}
	return fmt.Errorf("%w that writes it", err)
}

// OSFile returns the open file, for what only the operating system can do
// with it, such as copying a range between two files. It stays the File's: do
// not close it, and do not rely on its offset.
func (f *File) OSFile() *os.File { return f.f }

// Writable reports whether the file was opened for writing.
func (f *File) Writable() bool { return f.writable }

// Locked reports whether the file is locked: not with ForceShare, nor where the
// system or the filesystem has no locks.
func (f *File) Locked() bool { return f.locked }

// Name returns the name that the file was opened by.
func (f *File) Name() string { return f.f.Name() }

// ReadAt implements [io.ReaderAt].
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.f.ReadAt(p, off) }

// WriteAt implements [io.WriterAt].
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	if !f.writable {
		return 0, f.readOnly("write")
	}
	if err := checkRange("write", off, len(p)); err != nil {
		return 0, err
	}
	return f.f.WriteAt(p, off)
}

// Truncate sets the length in bytes. A block device keeps its own.
func (f *File) Truncate(size int64) error {
	if !f.writable {
		return f.readOnly("truncate")
	}
	if err := checkSize(size); err != nil {
		return err
	}
	return f.f.Truncate(size)
}

// Sync waits until what was written is on the disk. On Linux it is
// fdatasync(2), which leaves out nothing that a later read needs.
func (f *File) Sync() error {
	if !f.writable {
		return nil
	}
	return syncFile(f.f)
}

// Size returns the length in bytes of the file or the block device.
func (f *File) Size() (int64, error) {
	fi, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	if fi.Mode().IsRegular() {
		return fi.Size(), nil
	}
	return f.f.Seek(0, io.SeekEnd)
}

// NextData implements [DataFinder] with SEEK_DATA and SEEK_HOLE. Where the
// system or the filesystem has no such thing all of the file is data.
func (f *File) NextData(off int64) (start, end int64, err error) {
	if err := checkRange("look for data", off, 0); err != nil {
		return 0, 0, err
	}
	size, err := f.Size()
	if err != nil {
		return 0, 0, err
	}
	if off >= size {
		return size, size, nil
	}
	start, end, err = seekData(f.f, off)
	if errors.Is(err, errors.ErrUnsupported) {
		return off, size, nil
	}
	if err != nil {
		return 0, 0, err
	}
	// The file may have changed its size since.
	return min(start, size), min(end, size), nil
}

// Close gives up the locks and closes the file.
func (f *File) Close() error { return f.f.Close() }

func (f *File) readOnly(op string) error {
	return &fs.PathError{Op: op, Path: f.f.Name(), Err: ErrReadOnly}
}
