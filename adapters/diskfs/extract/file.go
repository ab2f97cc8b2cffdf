package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// file copies a regular file. It has its own name only when it is complete.
func (c *copier) file(ctx context.Context, e *fstree.WalkEntry, d *deferred) (err error) {
	if _, err := c.root.Lstat(d.name); err == nil && !c.Force {
		return ErrExists
	}
	opened, err := e.Open()
	if err != nil {
		return err
	}
	defer opened.Close()
	dst, temp, err := c.temporary(filepath.Dir(d.name))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = c.root.Remove(temp) // the error that led here says more
		}
	}()
	err = c.contents(ctx, dst, opened.(fstree.File))
	var lacks error
	if err == nil {
		lacks = c.attributes(dst, d)
	}
	if err = errors.Join(err, dst.Close()); err != nil {
		return err
	}
	lacks = errors.Join(lacks, c.times(temp, d.stat))
	if err := c.root.Rename(temp, d.name); err != nil {
		return err
	}
	if lacks != nil {
		c.Problem(d.source, lacks)
	}
	return nil
}

// temporary makes a file beside the one that it will become. Its name is
// short: the other may be as long as names can be.
func (c *copier) temporary(dir string) (*os.File, string, error) {
	for range 100 {
		name := filepath.Join(dir, fmt.Sprintf(".qed-%08x.partial", rand.Uint32()))
		f, err := c.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return f, name, err
		}
	}
	return nil, "", errors.New("no free temporary name")
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
