package qedfile

import (
	"context"
	"errors"
	"fmt"
)

// CommitOptions says how Commit works. The zero value does what qemu-img
// commit does.
type CommitOptions struct {
	// Empty removes everything from the top image, which must be writable,
	// once the base has it. qemu cannot do that to a QED image.
	Empty bool
	// Progress is called with the bytes of the disk that are done, and
	// their number.
	Progress func(done, total int64)
}

// Commit writes what the image top stores, data and zeroes, to the disk
// beneath it, so that base shows what top does. A base that is shorter than
// top is made as long; one that is longer keeps its rest.
//
// base is the backing file of top, or one that shows the same, opened for
// writing. It is best opened by top's [Options.Backing] and then found by
// [Image.Backing]: a file opened twice is locked against itself, and another
// handle would not see what is written.
//
// base is synced before top is touched. A crash, or an error, leaves top as it
// was, and showing what it did. Nothing else may use the two meanwhile.
func Commit(ctx context.Context, base WritableDisk, top *Image, opts *CommitOptions) error {
	if opts == nil {
		opts = &CommitOptions{}
	}
	if err := commit(ctx, base, top, opts); err != nil {
		return failed("commit", err)
	}
	return nil
}

func commit(ctx context.Context, base WritableDisk, top *Image, opts *CommitOptions) error {
	if top.backing == nil {
		return errors.New("the image has no backing file")
	}
	if opts.Empty {
		if err := top.checkWritable(); err != nil {
			return err
		}
	}
	if base.Size() < top.Size() {
		if err := base.Resize(top.Size()); err != nil {
			return fmt.Errorf("grow the base: %w", err)
		}
	}
	c := newCopier(base, top, &ConvertOptions{Progress: opts.Progress})
	c.clearTo = top.Size()
	if err := c.run(ctx, ownSpans(ctx, top), top.Size()); err != nil {
		return err
	}
	if err := base.Sync(); err != nil {
		return err
	}
	if top.backing == Disk(base) {
		top.backingSize = roundUp(base.Size(), sectorSize)
	}
	if opts.Empty {
		return top.empty()
	}
	return nil
}

// empty removes all that the image stores itself: first the L1 table, then what
// it referred to. After a crash any part of the L1 table may still be there.
func (m *Image) empty() error {
	w := &m.write
	w.cut.Lock()
	defer w.cut.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := m.settleFile(); err != nil {
		return err
	}
	h := m.header.Load()
	zeroes := make([]byte, min(copyPiece, h.tableBytes()))
	for p, err := range newTableWalker(m.r, h).pieces(h.L1TableOffset) {
		if err != nil {
			return err
		}
		if err := m.writeFile(zeroes[:len(p.b)], h.L1TableOffset+p.first*entrySize); err != nil {
			return err
		}
	}
	if err := m.syncStorage(); err != nil {
		return err
	}
	if err := m.fail("truncate", m.w.Truncate(h.L1TableOffset+h.tableBytes())); err != nil {
		return err
	}
	if err := m.syncStorage(); err != nil {
		return err
	}
	return m.reload()
}
