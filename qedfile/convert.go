package qedfile

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"runtime"
	"sync"
)

// ConvertOptions says how Convert copies. The zero value is right for most.
type ConvertOptions struct {
	// SparseSize is how many zero bytes at least, aligned to as many, are
	// left out of the target: qemu-img's -S. 0 means 4096 bytes, and more
	// than 1 MiB means 1 MiB.
	SparseSize int64
	// CopyAll copies every byte that the source stores, zeroes too, between
	// files by the host where it can. SparseSize must be 0 then.
	CopyAll bool
	// SameBacking says that dst is an image over the same backing file as
	// the image src: only what src itself stores is copied. It is qemu-img's
	// -B.
	SameBacking bool
	// Workers is how many pieces are read at once, and to a raw disk
	// written; 0 means one for each processor, 2 to 4.
	Workers int
	// Progress is called with the bytes of the disk that are done, and
	// their number.
	Progress func(done, total int64)
}

const (
	defaultSparseSize = 4 << 10
	maxSparseSize     = 1 << 20
)

// defaultWorkers is one for each processor, and no more than keep a disk busy
// that has others to serve.
func defaultWorkers() int { return min(max(2, runtime.GOMAXPROCS(0)), 4) }

// Convert copies what the disk src shows, through its backing files, to dst.
// A smaller dst is made as large as src; of a larger one the rest is left as
// it is.
//
// What src does not store, and zeroes that it does, are not written to a dst
// that reads as zeroes there already (a new one), else by WriteZeroes. The
// time taken depends on what is stored, not on the size of the disk. Convert
// does not call dst.Sync; see [backend.Unsynced] for an image that is only
// worth something when all of it is there. If it fails dst holds a part of the
// copy.
func Convert(ctx context.Context, dst WritableDisk, src Disk, opts *ConvertOptions) error {
	if opts == nil {
		opts = &ConvertOptions{}
	}
	if opts.SparseSize < 0 || opts.CopyAll && opts.SparseSize != 0 {
		return failed("convert", invalid("a sparse size of %d bytes", opts.SparseSize))
	}
	size := src.Size()
	if dst.Size() < size {
		if err := dst.Resize(size); err != nil {
			return failed("convert", fmt.Errorf("resize target: %w", err))
		}
	}
	c := newCopier(dst, src, opts)
	if img, ok := src.(Layer); ok && opts.SameBacking {
		c.clearTo = size
		if err := c.run(ctx, ownSpans(ctx, img), size); err != nil {
			return failed("convert", err)
		}
		return nil
	}
	blank, err := readsAsZeroes(ctx, dst, size)
	if err != nil {
		return failed("convert", fmt.Errorf("look at target: %w", err))
	}
	if !blank {
		c.clearTo = size
	}
	if raw, ok := dst.(*Raw); ok && opts.CopyAll && raw.s != nil {
		r := rangeCopier{dst: raw, src: src, clearTo: c.clearTo, progress: opts.Progress}
		err = r.run(ctx, size)
	} else {
		err = c.run(ctx, spans(ctx, src, 0, size), size)
	}
	if err != nil {
		return failed("convert", err)
	}
	return nil
}

// readsAsZeroes reports whether the first size bytes of a disk are known to
// be zeroes without reading them.
func readsAsZeroes(ctx context.Context, d Disk, size int64) (bool, error) {
	for s, err := range spans(ctx, d, 0, min(size, d.Size())) {
		if err != nil || s.data {
			return false, err
		}
	}
	return true, nil
}

// A copier copies parts of src to the same places of dst. Several goroutines
// read and look for zeroes, and each writes what it read, while that is in its
// processor's cache: the kernel lets one write to a file at a time, and the
// others read meanwhile. In an image the clusters get their places in the order
// of the disk before.
type copier struct {
	dst      WritableDisk
	image    *Image // dst, if it is one
	src      Disk
	grain    int64 // bytes; aligned blocks of zeroes this long are not data; 0: none are
	piece    int64 // bytes that are read at once, a multiple of grain
	clearTo  int64 // zeroes are written up to here: dst reads as zeroes from there on
	workers  int
	progress func(done, total int64)
	total    int64     // bytes, for progress
	buffers  sync.Pool // of *[]byte, as long as a piece
}

func newCopier(dst WritableDisk, src Disk, opts *ConvertOptions) *copier {
	c := &copier{dst: dst, src: src, workers: opts.Workers, progress: opts.Progress}
	if c.workers <= 0 {
		c.workers = defaultWorkers()
	}
	c.image, _ = dst.(*Image)
	if !opts.CopyAll {
		c.grain = max(cmp.Or(opts.SparseSize, defaultSparseSize), sectorSize) / sectorSize * sectorSize
	}
	if c.image != nil && c.grain > 0 {
		// A cluster is written as a whole or not at all.
		c.grain = max(c.grain, c.image.Header().ClusterSize)
	}
	c.grain = min(c.grain, maxSparseSize)
	c.piece = copyPiece
	if c.grain > 0 {
		c.piece = (copyPiece + c.grain - 1) / c.grain * c.grain
	}
	c.buffers.New = func() any { b := make([]byte, c.piece); return &b }
	return c
}

// A piece is a part of the disk on its way from src to dst.
type piece struct {
	span
	buf    *[]byte
	runs   []span         // of the bytes in buf, with offsets on the disk
	placed []*placedWrite // those of data that have a place in an image
}

// abandon gives up the places of what is not written.
func (p *piece) abandon() {
	for _, w := range p.placed {
		w.abandon()
	}
	p.placed = nil
}

// run copies the spans of a disk of total bytes: data as such, the others as
// zeroes.
func (c *copier) run(ctx context.Context, parts iter.Seq2[span, error], total int64) error {
	c.total = total
	pieces := func(yield func(*piece, error) bool) {
		for s, err := range cut(parts, c.piece) {
			if !yield(&piece{span: s}, err) || err != nil {
				return
			}
		}
	}
	var s stages[*piece]
	switch c.dst.(type) {
	case *Image:
		s = stages[*piece]{before: c.read, inTurn: c.place, after: c.store}
	case *Raw:
		s = stages[*piece]{before: c.copy, inTurn: c.finish}
	default: // it is not known whether several may write to it at once
		s = stages[*piece]{before: c.read, inTurn: c.write}
	}
	if err := inOrder(ctx, c.workers, pieces, s); err != nil {
		return err
	}
	c.done(total)
	return nil
}

func (c *copier) done(n int64) {
	if c.progress != nil {
		c.progress(n, c.total)
	}
}

// copy is read and store.
func (c *copier) copy(p *piece) error {
	if err := c.read(p); err != nil {
		return err
	}
	return c.store(p)
}

// place finds the places of a piece's data in an image.
func (c *copier) place(p *piece) error {
	for _, r := range p.runs {
		if !r.data {
			continue
		}
		w, err := c.image.place(r.off, r.n)
		if err != nil {
			p.abandon()
			return fmt.Errorf("write %d bytes at %d: %w", r.n, r.off, err)
		}
		p.placed = append(p.placed, w)
	}
	return c.finish(p)
}

// write is store and finish.
func (c *copier) write(p *piece) error {
	if err := c.store(p); err != nil {
		return err
	}
	return c.finish(p)
}

// finish tells the progress.
func (c *copier) finish(p *piece) error {
	c.done(p.off + p.n)
	return nil
}

func (c *copier) read(p *piece) error {
	if !p.data {
		p.runs = append(p.runs, p.span)
		return nil
	}
	p.buf = c.buffers.Get().(*[]byte)
	b := (*p.buf)[:p.n]
	if _, err := readDisk(c.src, b, p.off); err != nil {
		return fmt.Errorf("read %d bytes at %d: %w", p.n, p.off, err)
	}
	p.runs = dataRuns(p.runs, b, p.off, c.grain)
	return nil
}

// dataRuns appends to runs the parts of b, whose first byte is at off: those
// of zeroes, in blocks of grain bytes aligned on the disk, and the others.
func dataRuns(runs []span, b []byte, off, grain int64) []span {
	if grain == 0 {
		return append(runs, span{off, int64(len(b)), true})
	}
	for len(b) > 0 {
		n := min(int64(len(b)), grain-off%grain)
		data := !isZero(b[:n])
		if k := len(runs) - 1; k >= 0 && runs[k].data == data {
			runs[k].n += n
		} else {
			runs = append(runs, span{off, n, data})
		}
		b, off = b[n:], off+n
	}
	return runs
}

func (c *copier) store(p *piece) error {
	defer p.abandon()
	for _, r := range p.runs {
		var err error
		switch {
		case r.data && c.image != nil:
			err = p.placed[0].write((*p.buf)[r.off-p.off:][:r.n])
			p.placed = p.placed[1:]
		case r.data:
			_, err = c.dst.WriteAt((*p.buf)[r.off-p.off:][:r.n], r.off)
		case r.off < c.clearTo:
			err = c.dst.WriteZeroes(r.off, min(r.n, c.clearTo-r.off))
		}
		if err != nil {
			return fmt.Errorf("write %d bytes at %d: %w", r.n, r.off, err)
		}
	}
	if p.buf != nil {
		c.buffers.Put(p.buf)
	}
	return nil
}
