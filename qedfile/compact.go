package qedfile

import (
	"cmp"
	"context"
	"iter"

	"github.com/qedfs/qedfs/backend"
)

// CompactOptions says how Compact works. The zero value is right for most.
type CompactOptions struct {
	// Progress is called with the bytes of the disk that are done, and
	// their number.
	Progress func(done, total int64)
}

// Compact writes the image src anew into dst, which must be empty: with its
// geometry, its backing file and all that its header area holds, but without
// the clusters that nothing refers to, those past the end of the disk, and
// those of zeroes. What is left lies in the order of the disk. Over a backing
// file zeroes become zero markers, where they have something to hide; in
// clusters of more than 1 MiB they stay zeroes.
//
// The source is not changed, and may be dirty or in use for reading. dst stays
// the caller's, and ends synced. Until then it is no valid image.
func Compact(ctx context.Context, dst backend.Storage, src *Image, opts *CompactOptions) error {
	if opts == nil {
		opts = &CompactOptions{}
	}
	if err := compact(ctx, dst, src, opts); err != nil {
		return failed("compact", err)
	}
	return nil
}

func compact(ctx context.Context, dst backend.Storage, src *Image, opts *CompactOptions) error {
	if n, err := dst.Size(); err != nil || n != 0 {
		return notEmpty(n, err)
	}
	h := src.Header()
	h.HeaderSize = max(h.HeaderSize, 1)
	h.L1TableOffset = h.dataStart()
	h.AutoclearFeatures = 0 // whose they are must see that the tables have changed
	h.Features &^= FeatureNeedCheck
	if err := copyHeaderArea(ctx, dst, src, h); err != nil {
		return err
	}
	// The file has no header until it is whole: the image is opened by the one
	// that it will have, and as a dirty one, whose header is left alone.
	dirty := *h
	dirty.Features |= FeatureNeedCheck
	out, err := newImage(backend.Borrowed(dst), &dirty, &Options{
		Writable: true,
		Dirty:    DirtyKeep,
		Backing:  func(BackingRef) (Disk, error) { return borrowed{src.backing}, nil },
	})
	if err != nil {
		return err
	}
	c := newCopier(out, src, &ConvertOptions{Progress: opts.Progress})
	c.clearTo = min(roundUp(src.backingSize, h.ClusterSize), h.ImageSize)
	if err := c.run(ctx, ownSpans(ctx, src), h.ImageSize); err != nil {
		out.Close()
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return writeHeader(dst, h)
}

// copyHeaderArea gives dst an empty L1 table and everything that src has
// before its first cluster but the header.
func copyHeaderArea(ctx context.Context, dst backend.Storage, src *Image, h *Header) error {
	if err := dst.Truncate(h.dataStart() + h.tableBytes()); err != nil {
		return err
	}
	to, err := NewRaw(dst)
	if err != nil {
		return err
	}
	from, err := NewRaw(src.r)
	if err != nil {
		return err
	}
	end := src.Header().dataStart()
	if end == 0 {
		return nil
	}
	c := newCopier(to, from, &ConvertOptions{})
	return c.run(ctx, spans(ctx, from, headerLen, end), end)
}

// ownSpans yields what a layer itself stores, as data and as zero markers.
// What shows the backing file is left out.
func ownSpans(ctx context.Context, d Layer) iter.Seq2[span, error] {
	return join(func(yield func(span, error) bool) {
		for e, err := range d.OwnExtents(0, d.Size()) {
			err = cmp.Or(err, ctx.Err())
			if (err != nil || e.Kind != Unallocated) && !yield(span{e.Start, e.Length, e.Kind == Data}, err) || err != nil {
				return
			}
		}
	})
}

// borrowed is a disk that somebody else closes.
type borrowed struct{ Disk }

func (borrowed) Close() error { return nil }
