package backend

import (
	"io/fs"
	"runtime"
	"runtime/debug"
	"sync/atomic"
)

// MappedOptions change when a file is mapped. The zero value, and nil, map
// files of local filesystems.
type MappedOptions struct {
	// Remote maps files of remote filesystems (NFS, SMB, FUSE, ...) too,
	// where a lost server can stop a thread for as long as it stays away.
	Remote bool
}

// Mapped reads a [File] through a memory mapping, which saves a system call
// for each read: what is in the page cache comes in about half the time.
//
// It shows what the File shows. Where the mapping cannot serve a read, since
// the file was cut meanwhile, its disk fails, or it has grown, the File is
// read instead and its answer, or its error, is returned: the fault never
// reaches the program. There is one difference: of a file that is cut while it
// is mapped, the bytes up to the end of its last page of memory may be read as
// zeroes instead of [io.EOF].
//
// A page that is not in the page cache is fetched while its thread waits,
// which the Go scheduler does not see: many goroutines that read a cold file
// are better off with the File. A Mapped is safe for concurrent use; reading
// takes no lock.
type Mapped struct {
	file   *File
	data   []byte // the mapping; nil where there is none
	closed atomic.Bool
}

var (
	_ Reader     = (*Mapped)(nil)
	_ DataFinder = (*Mapped)(nil)
)

// NewMapped maps all of f, which it owns from then on. Where that is not
// possible (no such system, a remote filesystem, an empty file, one that is
// too large for the address space) it reads f plainly; see [Mapped.IsMapped].
func NewMapped(f *File, opts *MappedOptions) *Mapped {
	if opts == nil {
		opts = &MappedOptions{}
	}
	m := &Mapped{file: f}
	size, err := f.Size()
	if err != nil || size == 0 || size > maxMapping || !opts.Remote && isRemote(f.f) {
		return m
	}
	data, err := mapFile(f.f, int(size))
	if err != nil {
		return m
	}
	m.data = data
	runtime.AddCleanup(m, unmap, data)
	return m
}

// IsMapped reports whether there is a mapping, or the file is read plainly.
func (m *Mapped) IsMapped() bool { return m.data != nil }

// File returns the file beneath, which stays the Mapped's: do not close it.
func (m *Mapped) File() *File { return m.file }

// Size returns the length in bytes that the file has now.
func (m *Mapped) Size() (int64, error) { return m.file.Size() }

// ReadAt implements [io.ReaderAt].
func (m *Mapped) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > int64(len(m.data)-len(p)) {
		return m.file.ReadAt(p, off)
	}
	if m.closed.Load() {
		return 0, fs.ErrClosed
	}
	if !m.copyOut(p, off) {
		return m.file.ReadAt(p, off)
	}
	return len(p), nil
}

// copyOut fills p from the mapping. It returns false if a page of it could not
// be had.
func (m *Mapped) copyOut(p []byte, off int64) (ok bool) {
	defer func(before bool) {
		debug.SetPanicOnFault(before)
		if !ok {
			mustBeFault(recover())
		}
	}(debug.SetPanicOnFault(true))
	copy(p, m.data[off:])
	return true
}

// mustBeFault panics again unless the panic came from the mapping. Only the
// error of a fault has an address.
func mustBeFault(r any) {
	if _, ok := r.(interface {
		runtime.Error
		Addr() uintptr
	}); !ok {
		panic(r)
	}
}

// NextData implements [DataFinder], as [File.NextData] does.
func (m *Mapped) NextData(off int64) (start, end int64, err error) { return m.file.NextData(off) }

// Close gives up the mapping and closes the file.
func (m *Mapped) Close() error {
	if m.closed.Swap(true) {
		return fs.ErrClosed
	}
	if m.data != nil {
		if err := m.disarm(); err != nil {
			m.file.Close()
			return err
		}
	}
	return m.file.Close()
}
