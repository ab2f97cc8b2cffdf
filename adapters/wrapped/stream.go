package wrapped

import (
	"compress/bzip2"
	"context"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/qedfs/qedfs/backend"
)

// maxWindow bounds what a decoder looks back, and so its memory: zstd --ultra
// --long=27 and xz -9 need no more.
const maxWindow = 128 << 20

// unpack returns what a compressed file holds: in place where it has an index
// of blocks that are small enough, else unpacked once.
func unpack(ctx context.Context, r backend.Reader, k kind, opts *Options) (backend.Reader, error) {
	size, err := r.Size()
	if err != nil {
		return nil, err
	}
	switch k {
	case kindXZ:
		return unpackXZ(ctx, r, size, opts)
	case kindZstd:
		if b, err := readSeekable(r, size); b != nil || err != nil {
			return b, err
		}
	}
	in := &counter{r: io.NewSectionReader(r, 0, size)}
	out, done, err := decoder(in, k)
	if err != nil {
		return nil, damaged(err)
	}
	defer done()
	return toTemp(ctx, stream{out, size, in.n.Load}, opts)
}

// decoder returns what decodes a stream, and what to call when it is done.
func decoder(r io.Reader, k kind) (io.Reader, func(), error) {
	switch k {
	case kindGzip:
		z, err := gzip.NewReader(r)
		return z, func() {}, err
	case kindZstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return bzip2.NewReader(r), func() {}, nil
}
