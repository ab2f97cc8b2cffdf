package qedfile

import (
	"context"
	"fmt"
	"iter"
	"sync"
)

// RebaseOptions says how Rebase works. The zero value is right for most.
type RebaseOptions struct {
	// Raw says that the new backing file is raw and not to be probed.
	Raw bool
	// Progress is called with the bytes of the disk that are done, and
	// their number.
	Progress func(done, total int64)
}

// Rebase puts another backing file beneath an image without changing what the
// image shows: where the image stores nothing, and the disk base shows other
// bytes than the present backing file does, these are written to the image
// first. base may be shorter or longer than the image. A nil base with an
// empty name leaves the image without a backing file.
//
// The name, and whether the file is raw, are stored as [Image.SetBacking] does,
// which alone is the unsafe variant (qemu-img rebase -u). They are changed last,
// after a sync: a crash, or an error, leaves the image with its old backing
// file and its content. The open image goes on reading through the old one.
// Nothing else may use the image meanwhile.
func Rebase(ctx context.Context, img *Image, base Disk, name string, opts *RebaseOptions) error {
	if opts == nil {
		opts = &RebaseOptions{}
	}
	if (base == nil) != (name == "") {
		return invalid("a backing file needs both a disk and a name")
	}
	if err := img.checkWritable(); err != nil {
		return failed("rebase", err)
	}
	if err := img.Header().setBacking(name, opts.Raw); err != nil {
		return failed("rebase", err) // before the work, not after
	}
	r := &rebaser{img: img, size: img.Size(), progress: opts.Progress}
	r.old, r.new = padded{img.backing, r.size}, padded{base, r.size}
	r.buffers.New = func() any { b := make([]byte, 2*copyPiece); return &b }
	if err := inOrder(ctx, defaultWorkers(), r.pieces(ctx), stages[*piece]{before: r.compare, inTurn: r.write}); err != nil {
		return failed("rebase", err)
	}
	return img.SetBacking(name, &SetBackingOptions{Raw: opts.Raw})
}

// A rebaser copies to an image what its old backing file shows there and the
// new one would not.
type rebaser struct {
	img      *Image
	old, new padded
	size     int64
	progress func(done, total int64)
	buffers  sync.Pool // of *[]byte, 2*copyPiece long
}

// pieces yields the parts of the disk that the image does not store, and that
// one of the backing files does.
func (r *rebaser) pieces(ctx context.Context) iter.Seq2[*piece, error] {
	stored := join(func(yield func(span, error) bool) {
		for k, err := range bothKinds(ctx, r.old, r.new) {
			if !yield(span{k.off, k.n, k.a == Data || k.b == Data}, err) || err != nil {
				return
			}
		}
	})
	cluster := r.img.Header().ClusterSize
	return func(yield func(*piece, error) bool) {
		for s, err := range cut(r.uncovered(join(aligned(stored, cluster, r.size))), copyPiece) {
			if !yield(&piece{span: s}, err) || err != nil {
				return
			}
		}
	}
}

// aligned widens spans of data to whole clusters.
func aligned(spans iter.Seq2[span, error], cluster, size int64) iter.Seq2[span, error] {
	return func(yield func(span, error) bool) {
		done := int64(0)
		for s, err := range spans {
			if err != nil {
				yield(s, err)
				return
			}
			if !s.data {
				continue
			}
			start, end := max(done, s.off&^(cluster-1)), min(roundUp(s.off+s.n, cluster), size)
			if start < end && !yield(span{start, end - start, true}, nil) {
				return
			}
			done = end
		}
	}
}

// uncovered leaves out what the image stores itself.
func (r *rebaser) uncovered(spans iter.Seq2[span, error]) iter.Seq2[span, error] {
	return func(yield func(span, error) bool) {
		for s, err := range spans {
			for pos, end := s.off, s.off+s.n; err == nil && pos < end; {
				var own run
				if own, err = r.img.run(pos, end-pos); err == nil && own.kind == Unallocated {
					if !yield(span{pos, own.n, true}, nil) {
						return
					}
				}
				pos += own.n
			}
			if err != nil {
				yield(s, err)
				return
			}
		}
	}
}

// compare finds the clusters in which the backing files differ.
func (r *rebaser) compare(p *piece) error {
	p.buf = r.buffers.Get().(*[]byte)
	was, is := (*p.buf)[:p.n], (*p.buf)[copyPiece:][:p.n]
	if _, err := readDisk(r.old, was, p.off); err != nil {
		return fmt.Errorf("read old backing file at %d: %w", p.off, err)
	}
	if _, err := readDisk(r.new, is, p.off); err != nil {
		return fmt.Errorf("read new backing file at %d: %w", p.off, err)
	}
	cluster := r.img.Header().ClusterSize
	for at := int64(0); at < p.n; {
		n := min(p.n-at, cluster) // a piece begins with a cluster, or lies in one
		if firstDifference(was[at:at+n], is[at:at+n]) >= 0 {
			// A zero marker is for whole clusters. A piece of a larger one
			// is written, which fills the rest with what was there.
			zero := cluster <= copyPiece && isZero(was[at:at+n])
			if k := len(p.runs) - 1; k >= 0 && p.runs[k].data == !zero && p.runs[k].off+p.runs[k].n == p.off+at {
				p.runs[k].n += n
			} else {
				p.runs = append(p.runs, span{p.off + at, n, !zero})
			}
		}
		at += n
	}
	return nil
}

// write gives the image what only the old backing file shows.
func (r *rebaser) write(p *piece) error {
	for _, run := range p.runs {
		var err error
		if run.data {
			_, err = r.img.WriteAt((*p.buf)[run.off-p.off:][:run.n], run.off)
		} else {
			err = r.img.WriteZeroes(run.off, run.n)
		}
		if err != nil {
			return fmt.Errorf("write %d bytes at %d: %w", run.n, run.off, err)
		}
	}
	r.buffers.Put(p.buf)
	if r.progress != nil {
		r.progress(p.off+p.n, r.size)
	}
	return nil
}
