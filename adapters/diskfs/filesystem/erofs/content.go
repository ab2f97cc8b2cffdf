package erofs

import (
	"io"
	"io/fs"
	"iter"

	"github.com/erofs/go-erofs"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// runs is a file in pieces, each stored on the volume as it is or a hole.
type runs struct {
	r    io.ReaderAt
	size int64
	list []erofs.DataRange
}

// newRuns checks that the pieces make up the whole file, on this volume.
func newRuns(r io.ReaderAt, size int64, list []erofs.DataRange) (*runs, bool) {
	total := int64(0)
	for _, x := range list {
		if x.Device != 0 || x.Size <= 0 || x.Size > size-total {
			return nil, false
		}
		total += x.Size
	}
	return &runs{r: r, size: size, list: list}, total == size
}

func (c *runs) Size() int64 { return c.size }

func (c *runs) ReadAt(p []byte, off int64) (n int, err error) {
	for x, err := range c.Extents(off, int64(len(p))) {
		if err != nil {
			return n, err
		}
		part := p[n : n+int(x.Length)]
		if x.Hole {
			clear(part)
		} else if m, err := c.r.ReadAt(part, x.Offset); m < len(part) {
			return n + m, err
		}
		n += len(part)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (c *runs) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		start := int64(0)
		for _, x := range c.list {
			from, to := max(off, start), min(off+n, start+x.Size)
			if from < to {
				e := fstree.Extent{Start: from, Length: to - from, Hole: x.Offset < 0, Offset: -1}
				if !e.Hole {
					e.Offset = x.Offset + from - start
				}
				if !yield(e, nil) {
					return
				}
			}
			start += x.Size
		}
	}
}

// rewinder makes a file that can only be read on one that can be read
// anywhere: by opening it again where it has to go back.
type rewinder struct {
	fsys fs.FS
	path string
	f    fs.File
	pos  int64
}

func (w *rewinder) Read(p []byte) (int, error) {
	n, err := w.f.Read(p)
	w.pos += int64(n)
	return n, err
}

func (w *rewinder) Seek(offset int64, _ int) (int64, error) {
	if offset < w.pos {
		f, err := w.fsys.Open(w.path)
		if err != nil {
			return 0, err
		}
		w.f, w.pos = f, 0
	}
	n, err := io.CopyN(io.Discard, w.f, offset-w.pos)
	w.pos += n
	return w.pos, err
}

// handle is the contents of a file that go-erofs reads, under its lock.
type handle struct {
	engine *engine
	where  string
	file   io.ReadSeeker
	size   int64
}

func (h *handle) Size() int64 { return h.size }

func (h *handle) ReadAt(p []byte, off int64) (n int, err error) {
	if off >= h.size {
		return 0, io.EOF
	}
	h.engine.mu.Lock()
	defer h.engine.mu.Unlock()
	whole := p[:min(int64(len(p)), h.size-off)]
	err = h.engine.call("file "+h.where, func() error {
		if _, err := h.file.Seek(off, io.SeekStart); err != nil {
			return err
		}
		n, err = io.ReadFull(h.file, whole)
		return err
	})
	if err == nil && len(whole) < len(p) {
		err = io.EOF
	}
	return n, err
}

// Extents knows nothing of holes: go-erofs does not say.
func (h *handle) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		if n = min(n, h.size-off); n > 0 {
			yield(fstree.Extent{Start: off, Length: n, Offset: -1}, nil)
		}
	}
}
