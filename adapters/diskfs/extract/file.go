package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend/newfile"
)

// Files get their names many at a time, as what the disk takes longest for is
// to say that they are on it.
const (
	commitFiles = 256
	commitBytes = 64 << 20
)

// written is a regular file that has all its contents and not yet its name.
type written struct {
	deferred
	file  *newfile.File
	lacks error // what it is without
}

// file copies a regular file. It gets its own name by the next commit.
func (c *copier) file(ctx context.Context, e *fstree.WalkEntry, d *deferred) error {
	opened, err := e.Open()
	if err != nil {
		return err
	}
	defer opened.Close()
	f, err := newfile.CreateIn(c.root, d.name, &newfile.Options{
		Exclusive: !c.Force, ReplaceReadOnly: c.Force, Unsynced: c.Unsynced, Perm: 0o600,
	})
	if errors.Is(err, fs.ErrExist) {
		return ErrExists
	}
	if err != nil {
		return hostError(err)
	}
	before := c.done
	if err := c.contents(ctx, f.OSFile(), opened.(fstree.File)); err != nil {
		return errors.Join(err, f.Close())
	}
	w := written{deferred: *d, file: f}
	w.lacks = errors.Join(c.attributes(f.OSFile(), d), c.times(f.TempName(), d.stat))
	c.written = append(c.written, w)
	if c.unnamed += c.done - before; len(c.written) >= commitFiles || c.unnamed >= commitBytes {
		return c.commit()
	}
	return nil
}

// commit gives the files that have been written their names, and waits until
// they are on the disk. What went wrong with one is told to Problem; only what
// ends the whole copy is returned.
func (c *copier) commit() error {
	if len(c.written) == 0 {
		return nil
	}
	files := make([]*newfile.File, len(c.written))
	for i := range c.written {
		files[i] = c.written[i].file
	}
	why := byPath(newfile.CommitAll(files...))
	var noRoom error
	for i := range c.written {
		w := &c.written[i]
		err := why[w.file.Name()]
		switch {
		case errors.Is(err, fs.ErrExist):
			err = ErrExists
		case w.file.Committed():
			c.copied(&w.deferred)
		}
		if isFull(err) {
			noRoom = full(w.source, err)
			continue
		}
		if err = errors.Join(err, w.lacks); err != nil {
			c.Problem(w.source, err)
		}
	}
	c.written, c.unnamed = c.written[:0], 0
	return noRoom
}

// byPath sorts the errors of several files by the file.
func byPath(err error) map[string]error {
	list := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		list = joined.Unwrap()
	}
	m := make(map[string]error)
	for _, err := range list {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			m[pe.Path] = pe.Err
		}
	}
	return m
}

// hostError leaves the name out of an error of the host: Problem has the path
// of the file in the tree.
func hostError(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) && err == error(pe) {
		return pe.Err
	}
	return err
}

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
	for off < end {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := c.buf[:min(end-off, int64(len(c.buf)))]
		if n, err := src.ReadAt(p, off); n < len(p) {
			return errors.Join(err, fmt.Errorf("%d of %d bytes at %d", n, len(p), off))
		}
		if _, err := dst.WriteAt(p, off); err != nil {
			return err
		}
		off += int64(len(p))
		c.done += int64(len(p))
		if c.Progress != nil {
			c.Progress(c.done)
		}
	}
	return nil
}
