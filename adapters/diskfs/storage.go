package qeddiskfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/diskfs/go-diskfs/backend"

	"github.com/qedfs/qedfs/qedfile"
)

// StorageOptions say how go-diskfs may use a disk. The zero value reads.
type StorageOptions struct {
	// Writable lets go-diskfs change the disk, where the disk is a
	// [qedfile.WritableDisk].
	Writable bool

	// Name is what the storage calls itself: its path where it has one.
	Name string
}

// NewStorage makes a disk the storage of go-diskfs: give it to
// diskfs.OpenBackend, and partition tables, filesystems and partition
// contents work as they do on a raw file.
//
// Closing the storage, or the go-diskfs disk over it, closes d. The storage
// is safe for concurrent use; Read and Seek share one offset, as go-diskfs
// expects of a file.
func NewStorage(d qedfile.Disk, opts *StorageOptions) backend.Storage {
	if opts == nil {
		opts = &StorageOptions{}
	}
	s := &storage{disk: d, name: opts.Name}
	if w, ok := d.(qedfile.WritableDisk); ok && opts.Writable {
		s.writer = w
	}
	return s
}

// storage is a disk with the face of a file.
type storage struct {
	disk   qedfile.Disk
	writer qedfile.WritableDisk // nil for reading alone
	name   string

	mu  sync.Mutex // guards pos
	pos int64      // of Read and Seek, bytes
}

// writableStorage is a storage that go-diskfs may write.
type writableStorage struct{ *storage }

var (
	_ backend.Storage      = (*storage)(nil)
	_ backend.WritableFile = writableStorage{}
)

var errNegativeOffset = errors.New("qeddiskfs: negative offset")

// ReadAt reads as [io.ReaderAt] says, with one promise more: a read that got
// all its bytes carries no error, not even at the end of the disk. go-diskfs
// takes any error for a failure.
func (s *storage) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errNegativeOffset
	}
	n, err := s.disk.ReadAt(p, off)
	if n == len(p) {
		err = nil
	}
	return n, err
}

func (s *storage) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.ReadAt(p, s.pos)
	s.pos += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func (s *storage) Seek(offset int64, whence int) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += s.pos
	case io.SeekEnd:
		offset += s.disk.Size()
	default:
		return 0, fmt.Errorf("qeddiskfs: seek from %d: %w", whence, fs.ErrInvalid)
	}
	if offset < 0 {
		return 0, errNegativeOffset
	}
	s.pos = offset
	return offset, nil
}

func (s *storage) Stat() (fs.FileInfo, error) {
	mode := fs.FileMode(0o444)
	if s.writer != nil {
		mode = 0o644
	}
	return storageInfo{name: s.name, size: s.disk.Size(), mode: mode}, nil
}

func (s *storage) Close() error { return s.disk.Close() }

// Path is where the disk lies on the host, as far as the caller has said.
func (s *storage) Path() string { return s.name }

// Sys has no file to give: what go-diskfs would ask of it are the ioctls of
// a block device.
func (s *storage) Sys() (*os.File, error) { return nil, backend.ErrNotSuitable }

func (s *storage) Writable() (backend.WritableFile, error) {
	if s.writer == nil {
		return nil, backend.ErrIncorrectOpenMode
	}
	return writableStorage{s}, nil
}

// WriteAt writes inside the disk. A disk does not grow by being written.
func (s writableStorage) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errNegativeOffset
	}
	return s.writer.WriteAt(p, off)
}

// Sync is called by go-diskfs between the two copies of a partition table.
func (s writableStorage) Sync() error { return s.writer.Sync() }

// storageInfo describes a disk as a regular file, for which go-diskfs needs
// nothing of the operating system.
type storageInfo struct {
	name string
	size int64
	mode fs.FileMode
}

func (i storageInfo) Name() string       { return i.name }
func (i storageInfo) Size() int64        { return i.size }
func (i storageInfo) Mode() fs.FileMode  { return i.mode }
func (i storageInfo) ModTime() time.Time { return time.Time{} }
func (i storageInfo) IsDir() bool        { return false }
func (i storageInfo) Sys() any           { return nil }
