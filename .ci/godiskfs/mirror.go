//go:build ignore

package file

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"github.com/diskfs/go-diskfs/backend"

	qed "github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// An image stands beside a file, for all storages that have the file open.
type image struct {
	key  [2]uint64
	file *os.File
	size int64
	ours backend.Storage // over the image
	to   backend.WritableFile
	refs int
}

var (
	imagesMu sync.Mutex
	images   = map[[2]uint64]*image{}
)

// log is where the runs of all packages leave what they did. Without it nothing is
// written, and the script fails as no file was mirrored.
var log, _ = os.OpenFile(os.Getenv("QEDFS_MIRROR_LOG"), os.O_APPEND|os.O_WRONLY, 0)

func logf(format string, args ...any) { fmt.Fprintf(log, format+"\n", args...) }

// mirrored returns the storage with an image beside it, where it is a file that
// has a size.
func mirrored(raw rawBackend) backend.Storage {
	f, ok := raw.storage.(*os.File)
	if !ok {
		return raw
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return raw
	}
	st := info.Sys().(*syscall.Stat_t)
	imagesMu.Lock()
	defer imagesMu.Unlock()
	key := [2]uint64{uint64(st.Dev), st.Ino}
	img := images[key]
	if img == nil || img.size != info.Size() {
		if img, err = newImage(f, info.Size()); err != nil {
			logf("differs: no image of %s: %v", f.Name(), err)
			return raw
		}
		img.key = key
		images[key] = img
	} else {
		img.refill(f) // other programs may have written the file meanwhile
	}
	img.refs++
	logf("opened %d", img.size)
	return &mirror{rawBackend: raw, img: img}
}

func newImage(f *os.File, size int64) (*image, error) {
	img, err := qedfile.CreateIn(qed.NewMemory(nil), size, nil)
	if err != nil {
		return nil, err
	}
	m := &image{file: f, size: size, ours: NewStorage(img, &StorageOptions{Writable: true})}
	if m.to, err = m.ours.Writable(); err != nil {
		return nil, err
	}
	raw, err := qedfile.NewRaw(section{io.NewSectionReader(f, 0, size)})
	if err != nil {
		return nil, err
	}
	return m, qedfile.Convert(context.Background(), img, raw, nil)
}

type section struct{ *io.SectionReader }

func (s section) Size() (int64, error) { return s.SectionReader.Size(), nil }
func (s section) Close() error         { return nil }

// each calls f with the pieces of the file and of the image.
func (m *image) each(file io.ReaderAt, f func(off int64, want, got []byte)) {
	a, b := make([]byte, 1<<20), make([]byte, 1<<20)
	for off := int64(0); off < m.size; off += int64(len(a)) {
		n := min(int64(len(a)), m.size-off)
		if _, err := file.ReadAt(a[:n], off); err != nil && err != io.EOF {
			return // closed, or opened for writing alone
		}
		if _, err := m.ours.ReadAt(b[:n], off); err != nil {
			logf("differs at %d: %v", off, err)
		}
		if !bytes.Equal(a[:n], b[:n]) {
			f(off, a[:n], b[:n])
		}
	}
}

func (m *image) refill(file io.ReaderAt) {
	m.each(file, func(off int64, want, _ []byte) {
		if _, err := m.to.WriteAt(want, off); err != nil {
			logf("differs at %d, cannot be written: %v", off, err)
		}
	})
}

// mirror is a file and its image.
type mirror struct {
	rawBackend
	img    *image
	closed bool
}

func (m *mirror) ReadAt(p []byte, off int64) (int, error) {
	n, err := m.rawBackend.ReadAt(p, off)
	if off < 0 || off+int64(len(p)) > m.img.size {
		return n, err // past the end, where files and disks differ
	}
	got := make([]byte, len(p))
	k, ourErr := m.img.ours.ReadAt(got, off)
	if err == nil && (k != n || ourErr != nil || !bytes.Equal(got[:k], p[:n])) {
		logf("differs %d bytes at %d: %d, %v", len(p), off, k, ourErr)
	}
	logf("read %d", k)
	return copy(p, got[:k]), ourErr
}

func (m *mirror) Read(p []byte) (int, error) {
	off, err := m.rawBackend.Seek(0, io.SeekCurrent)
	if err != nil || off+int64(len(p)) > m.img.size {
		return m.rawBackend.Read(p)
	}
	if _, err := m.img.ours.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := m.rawBackend.Read(p)
	got := make([]byte, len(p))
	k, ourErr := io.ReadFull(m.img.ours, got)
	if err == nil && (k != len(p) || ourErr != nil || !bytes.Equal(got[:n], p[:n])) {
		logf("differs read of %d bytes at %d: %d, %v", len(p), off, k, ourErr)
	}
	logf("read %d", k)
	return copy(p[:n], got), err
}

func (m *mirror) Writable() (backend.WritableFile, error) {
	w, err := m.rawBackend.Writable()
	if err != nil {
		return nil, err
	}
	return mirrorWriter{m, w}, nil
}

func (m *mirror) Close() error {
	imagesMu.Lock()
	defer imagesMu.Unlock()
	if !m.closed {
		m.closed = true
		m.img.each(m.storage.(*os.File), func(off int64, _, _ []byte) {
			logf("differs at the end, in the MiB at %d of %s", off, m.storage.(*os.File).Name())
		})
		if m.img.refs--; m.img.refs == 0 {
			delete(images, m.img.key)
		}
	}
	return m.rawBackend.Close()
}

type mirrorWriter struct {
	*mirror
	raw backend.WritableFile
}

func (w mirrorWriter) WriteAt(p []byte, off int64) (int, error) {
	n, err := w.raw.WriteAt(p, off)
	if n > 0 && off+int64(n) <= w.img.size {
		if _, err := w.img.to.WriteAt(p[:n], off); err != nil {
			logf("differs write of %d bytes at %d: %v", n, off, err)
		}
		logf("wrote %d", n)
	}
	return n, err
}

// Sync syncs both.
func (w mirrorWriter) Sync() error {
	if s, ok := w.img.to.(interface{ Sync() error }); ok {
		if err := s.Sync(); err != nil {
			return err
		}
	}
	return w.storage.(*os.File).Sync()
}
