package extract

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"syscall"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/newfile"
)

// Files get their names many at a time, as what the disk takes longest for is
// to say that they are on it.
const (
	commitFiles = 256
	commitBytes = 64 << 20

	copySize = 1 << 20 // bytes that are read at a time
)

// written is a regular file that has its contents, or is getting them, and not
// yet its name.
type written struct {
	deferred
	file   *newfile.File // nil where there is none
	failed error         // why it is not to have its name
	lacks  error         // what it is without
}

// file copies a regular file, while the walk goes on. It gets its own name by
// the next commit, which also tells what went wrong.
func (c *copier) file(ctx context.Context, e *fstree.WalkEntry, d *deferred) error {
	opened, err := e.Open()
	if err != nil {
		return err
	}
	dir, base, err := c.parent(d.name)
	if err != nil {
		return errors.Join(fstree.WithoutPath(err), opened.Close())
	}
	w := &written{deferred: *d}
	c.written = append(c.written, w)
	c.unnamed += max(0, min(d.stat.Size, d.stat.Blocks*512))
	c.writers.Go(func() error {
		if c.noRoom.Load() {
			w.failed = syscall.ENOSPC // as it was for another one
		} else {
			w.failed = c.write(ctx, w, opened.(fstree.File), dir, base)
		}
		c.noRoom.CompareAndSwap(false, isFull(w.failed))
		opened.Close() // it was only read
		return nil
	})
	if len(c.written) >= commitFiles || c.unnamed >= commitBytes {
		return c.commit()
	}
	return nil
}

// parent opens the directory that a name lies in, so that each call for the file
// need not go all the way from the root. It stays open until the next commit.
func (c *copier) parent(name string) (dir *os.Root, base string, err error) {
	above, base := filepath.Split(name)
	if above = filepath.Clean(above); above == "." {
		return c.root, base, nil
	}
	if dir = c.parents[above]; dir == nil {
		if dir, err = c.root.OpenRoot(above); err != nil {
			return nil, "", err
		}
		c.parents[above] = dir
	}
	return dir, base, nil
}

// write makes a file with its contents. It is called for several at a time.
func (c *copier) write(ctx context.Context, w *written, src fstree.File, dir *os.Root, base string) error {
	f, err := newfile.CreateIn(dir, base, &newfile.Options{
		Exclusive: !c.Force, ReplaceReadOnly: c.Force, Unsynced: c.Unsynced, Perm: 0o600,
		Above: filepath.Dir(w.name),
	})
	if errors.Is(err, fs.ErrExist) {
		return ErrExists
	}
	if err != nil {
		return fstree.WithoutPath(err)
	}
	if err := c.contents(ctx, f.OSFile(), src); err != nil {
		return errors.Join(err, f.Close())
	}
	w.file = f
	w.lacks = errors.Join(c.attributes(f.OSFile(), &w.deferred), c.times(dir, f.TempName(), w.stat))
	return nil
}

// commit gives the files that have been written their names, and waits until
// they are on the disk. What went wrong with one is told to Problem; only what
// ends the whole copy is returned.
func (c *copier) commit() error {
	_ = c.writers.Wait() // each has its error
	var files []*newfile.File
	for _, w := range c.written {
		if w.file != nil {
			files = append(files, w.file)
		}
	}
	errs := newfile.CommitEach(files...)
	var ends error
	for _, w := range c.written {
		err := w.failed
		if w.file != nil {
			err, errs = fstree.WithoutPath(errs[0]), errs[1:]
		}
		switch {
		case errors.Is(err, fs.ErrExist):
			err = ErrExists
		case w.file != nil && w.file.Committed():
			c.copied(&w.deferred)
		}
		switch {
		case isFull(err):
			if ends == nil {
				ends = full(w.source, err)
			}
		case errors.Is(err, errInterrupted):
			ends = err
		case err != nil || w.lacks != nil:
			c.Problem(w.source, errors.Join(err, w.lacks))
		}
	}
	c.written, c.unnamed = nil, 0
	for _, dir := range c.parents {
		ends = errors.Join(ends, dir.Close())
	}
	clear(c.parents)
	return ends
}

// errInterrupted is of a file whose copy ended because the caller wants no more.
var errInterrupted = errors.New("interrupted")

// contents copies what is stored of a file, and leaves its holes out.
func (c *copier) contents(ctx context.Context, dst *os.File, src fstree.File) error {
	var end, written int64
	for x, err := range src.Extents(0, math.MaxInt64) {
		if err != nil {
			return err
		}
		end = x.Start + x.Length
		if x.Hole {
			continue
		}
		if err := c.run(ctx, dst, src, x.Start, end); err != nil {
			return err
		}
		written = end
	}
	if written < end {
		return dst.Truncate(end)
	}
	return nil
}

// run copies the bytes from off to end.
func (c *copier) run(ctx context.Context, dst *os.File, src io.ReaderAt, off, end int64) error {
	buf := c.buffers.Get().(*[copySize]byte)
	defer c.buffers.Put(buf)
	for off < end {
		if err := ctx.Err(); err != nil {
			return errors.Join(errInterrupted, err)
		}
		p := buf[:min(end-off, int64(len(buf)))]
		if _, err := backend.ReadFull(src, p, off); err != nil {
			return fstree.WithoutPath(err)
		}
		if _, err := dst.WriteAt(p, off); err != nil {
			return err
		}
		off += int64(len(p))
		c.wrote(int64(len(p)))
	}
	return nil
}

// wrote counts bytes and tells of them.
func (c *copier) wrote(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done += n
	if c.Progress != nil {
		c.Progress(c.done)
	}
}
