package fill

import (
	"context"
	"io"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/qedfile"
)

const (
	// maxPiece is how many bytes are read at once.
	maxPiece = 256 << 10
	// hole is how many zeroes, aligned in a block, are left out.
	hole = 4 << 10
)

// Pieces returns the options for reading a disk in pieces of size bytes.
func Pieces(o *layer.WriteOptions, size int64) *qedfile.PieceOptions {
	return &qedfile.PieceOptions{Size: size, Workers: o.Workers, Progress: o.Progress}
}

// Blocks copies what src holds to a new file in blocks of size bytes, a power
// of two. The function place is called once for each block that holds something,
// in the order of the disk, and returns where the block begins in the file. The
// zeroes in a block are not written: the file has them.
func Blocks(ctx context.Context, dst io.WriterAt, src qedfile.Disk, size int64, place func(i int64) (int64, error), o *layer.WriteOptions) error {
	last, at := int64(-1), int64(0)
	return qedfile.Pieces(ctx, src, qedfile.PieceStages{
		Place: func(p *qedfile.Piece) (err error) {
			if i := p.Offset / size; i != last {
				last = i
				at, err = place(i)
			}
			p.At = at + p.Offset%size
			return err
		},
		Finish: func(p *qedfile.Piece) error {
			for off, b := range p.Runs(hole) {
				if _, err := dst.WriteAt(b, p.At+off); err != nil {
					return err
				}
			}
			return nil
		},
	}, Pieces(o, min(size, maxPiece)))
}
