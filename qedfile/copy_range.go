package qedfile

import (
	"context"
	"fmt"

	"github.com/qedfs/qedfs/backend"
)

// A rangeCopier copies what a disk stores to a raw disk without looking at
// it, so that the host can do it: a filesystem that shares blocks copies
// nothing at all.
type rangeCopier struct {
	dst      *Raw
	src      Disk
	clearTo  int64 // as a copier's
	progress func(done, total int64)
}

// run copies the first size bytes.
func (c *rangeCopier) run(ctx context.Context, size int64) error {
	for e, err := range extents(c.src, 0, size) {
		switch {
		case err != nil:
		case e.Kind == Data:
			err = c.copy(ctx, e)
		case e.Start < c.clearTo:
			err = c.dst.WriteZeroes(e.Start, min(e.Length, c.clearTo-e.Start))
		}
		if err != nil {
			return fmt.Errorf("copy %d bytes at %d: %w", e.Length, e.Start, err)
		}
		if c.progress != nil {
			c.progress(e.Start+e.Length, size)
		}
	}
	return nil
}

// copy copies a run of data: by the storage that holds it where there is one,
// and the rest, which the storage lacks of a last sector, as the disk shows it.
func (c *rangeCopier) copy(ctx context.Context, e Extent) error {
	if r := layer(c.src, e.Depth); r != nil && e.Offset >= 0 {
		size, err := r.Size()
		if err != nil {
			return err
		}
		n := min(e.Length, max(0, size-e.Offset))
		if err := backend.CopyRange(ctx, c.dst.s, e.Start, r, e.Offset, n); err != nil {
			return err
		}
		e.Start, e.Length = e.Start+n, e.Length-n
	}
	buf := make([]byte, min(e.Length, copyPiece))
	for e.Length > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := buf[:min(e.Length, copyPiece)]
		if _, err := readDisk(c.src, b, e.Start); err != nil {
			return err
		}
		if _, err := c.dst.WriteAt(b, e.Start); err != nil {
			return err
		}
		e.Start, e.Length = e.Start+int64(len(b)), e.Length-int64(len(b))
	}
	return nil
}

// layer returns the storage of a disk at a depth of its backing chain, or nil
// where that is not known.
func layer(d Disk, depth int) backend.Reader {
	switch d := d.(type) {
	case *Raw:
		if depth == 0 {
			return d.r
		}
	case *Image:
		if depth == 0 {
			return d.r
		}
		return layer(d.backing, depth-1)
	}
	return nil
}
