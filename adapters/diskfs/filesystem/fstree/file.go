package fstree

import (
	"io"
	"io/fs"
	"iter"
	"sync"
	"time"
)

// copySize is how much WriteTo reads at a time, in bytes.
const copySize = 256 << 10

// File is what [FS.Open] returns for everything but directories. ReadAt,
// Extents and Stat may be called by many goroutines at once; Read, Seek and
// WriteTo share one offset, which a lock guards.
type File interface {
	fs.File
	io.ReaderAt
	io.Seeker
	io.WriterTo

	// Extents yields the runs that make up [off, off+n), in order, without
	// gaps, cut at the end of the file, with what is a hole marked.
	Extents(off, n int64) iter.Seq2[Extent, error]
}

type file struct {
	tree    *tree
	name    string
	info    *fileInfo
	content Content

	mu     sync.Mutex
	offset int64
	closed bool
	stream stream
}

var _ File = (*file)(nil)

func (f *file) Stat() (fs.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, pathError("stat", f.name, fs.ErrClosed)
	}
	return f.info, nil
}

func (f *file) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return pathError("close", f.name, fs.ErrClosed)
	}
	f.closed = true
	return nil
}

func (f *file) Read(p []byte) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.tree.closed.Load() {
		return 0, pathError("read", f.name, fs.ErrClosed)
	}
	if len(p) == 0 {
		return 0, nil
	}
	f.readStream(f.offset, int64(len(p)))
	n, err = f.readAt("read", p, f.offset)
	f.offset += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	closed := f.closed
	f.mu.Unlock()
	if closed || f.tree.closed.Load() {
		return 0, pathError("read", f.name, fs.ErrClosed)
	}
	if off < 0 {
		return 0, pathError("read", f.name, fs.ErrInvalid)
	}
	return f.readAt("read", p, off)
}

// readAt reads and gives io.EOF, alone and as it is, where the file ends.
func (f *file) readAt(op string, p []byte, off int64) (n int, err error) {
	defer f.tree.guard(op, f.name, &err)
	size := f.content.Size()
	if off >= size {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	whole := int64(len(p)) <= size-off
	if !whole {
		p = p[:size-off]
	}
	n, err = f.content.ReadAt(p, off)
	switch {
	case n < len(p) && err == nil:
		err = io.ErrUnexpectedEOF
	case n == len(p):
		err = nil
	}
	if err != nil {
		return n, pathError(op, f.name, noEOF(err))
	}
	if !whole {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) Seek(offset int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, pathError("seek", f.name, fs.ErrClosed)
	}
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += f.offset
	case io.SeekEnd:
		offset += f.content.Size()
	default:
		return 0, pathError("seek", f.name, fs.ErrInvalid)
	}
	if offset < 0 {
		return 0, pathError("seek", f.name, fs.ErrInvalid)
	}
	f.offset = offset
	return offset, nil
}

// longHole is how long a hole is that WriteTo writes without reading it. A
// shorter one is read, which takes no longer than a write of its own.
const longHole = 64 << 10 // bytes

// WriteTo writes what is left of the file. Long holes are written as zeroes
// without being read; runs that lie in many pieces are written as one.
func (f *file) WriteTo(w io.Writer) (written int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.tree.closed.Load() {
		return 0, pathError("read", f.name, fs.ErrClosed)
	}
	buf, _ := f.tree.buffers.Get().(*[copySize]byte)
	if buf == nil {
		buf = new([copySize]byte)
	}
	defer f.tree.buffers.Put(buf)
	defer f.tree.guard("read", f.name, &err)
	start, end := f.offset, f.offset // what is known to be there, up to end
	for x, err := range f.content.Extents(start, max(f.content.Size()-start, 0)) {
		if err != nil {
			err = pathError("read", f.name, err)
			if first := f.writeUpTo(w, buf[:], end, f.read); first != nil {
				err = first
			}
			return f.offset - start, err
		}
		if x.Hole && x.Length >= longHole {
			if err := f.writeUpTo(w, buf[:], end, f.read); err != nil {
				return f.offset - start, err
			}
			clear(buf[:])
			end = x.Start + x.Length
			if err := f.writeUpTo(w, buf[:], end, zeroes); err != nil {
				return f.offset - start, err
			}
			continue
		}
		end = x.Start + x.Length
		if whole := (end - f.offset) / copySize * copySize; whole > 0 {
			if err := f.writeUpTo(w, buf[:], f.offset+whole, f.read); err != nil {
				return f.offset - start, err
			}
		}
	}
	err = f.writeUpTo(w, buf[:], end, f.read)
	return f.offset - start, err
}

// writeUpTo writes the bytes from the offset to end, which fill puts into buf.
func (f *file) writeUpTo(w io.Writer, buf []byte, end int64, fill func([]byte) (int, error)) error {
	for f.offset < end {
		p := buf[:min(end-f.offset, copySize)]
		filled, unread := fill(p)
		n, err := w.Write(p[:filled])
		f.offset += int64(max(n, 0))
		if err == nil && n < filled {
			err = io.ErrShortWrite
		}
		if err == nil {
			err = unread
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// read fills p from the offset, as far as that can be read.
func (f *file) read(p []byte) (int, error) {
	f.readStream(f.offset, int64(len(p)))
	n, err := f.readAt("read", p, f.offset)
	if n == len(p) {
		return n, nil
	}
	return n, noEOF(err)
}

// zeroes is for a buffer that has been cleared.
func zeroes(p []byte) (int, error) { return len(p), nil }

func (f *file) Extents(off, n int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		stopped := false
		err := f.extents(off, n, func(x Extent) bool {
			stopped = !yield(x, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(Extent{}, err)
		}
	}
}

func (f *file) extents(off, n int64, yield func(Extent) bool) (err error) {
	if off < 0 || n < 0 {
		return pathError("extents", f.name, fs.ErrInvalid)
	}
	for x, err := range f.content.Extents(off, n) {
		if err != nil {
			return pathError("extents", f.name, err)
		}
		if !yield(x) {
			return nil
		}
	}
	return nil
}

// fileInfo is the fs.FileInfo of every file.
type fileInfo struct {
	name string
	st   Stat
}

func (i *fileInfo) Name() string       { return i.name }
func (i *fileInfo) Size() int64        { return i.st.Size }
func (i *fileInfo) Mode() fs.FileMode  { return i.st.Mode }
func (i *fileInfo) ModTime() time.Time { return i.st.Mtime }
func (i *fileInfo) IsDir() bool        { return i.st.Mode.IsDir() }
func (i *fileInfo) Sys() any           { return &i.st }
func (i *fileInfo) String() string     { return fs.FormatFileInfo(i) }

// emptyContent is the contents of what has none in an image.
type emptyContent struct{}

func (emptyContent) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (emptyContent) Size() int64                       { return 0 }
func (emptyContent) Extents(int64, int64) iter.Seq2[Extent, error] {
	return func(func(Extent, error) bool) {}
}
