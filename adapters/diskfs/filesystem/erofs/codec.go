package erofs

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// How a cluster is stored: an algorithm of erofs_fs.h, or one of ours.
const (
	storedLZ4 = iota
	storedLZMA
	storedDeflate
	storedZstd
)

const (
	storedPlain      = 16 + iota // past the four bits of an algorithm
	storedInterlaced             // plain, with its bytes at their places in the blocks of the file
	storedHole
	storedFragment // in the packed file
)

var algorithms = [...]string{"LZ4", "LZMA", "deflate", "Zstandard"}

func algorithm(n int) string {
	if n < len(algorithms) {
		return algorithms[n]
	}
	return fmt.Sprintf("algorithm %d", n)
}

var errShort = errors.New("holds less than it should")

// unpack decodes the first n bytes that src holds. It may hold more: where files
// share a cluster, one may end within it. Memory is taken as bytes are decoded.
func (e *engine) unpack(how int, src []byte, n int) ([]byte, error) {
	if how != storedLZ4 || e.padded { // the end of the cluster is the end of its data
		src = bytes.TrimLeft(src, "\x00")
	}
	switch how {
	case storedLZ4:
		return unlz4(src, n)
	case storedLZMA:
		return unlzma(src, n)
	case storedDeflate:
		return e.deflate.read(src, n)
	}
	return e.zstd.read(src, n)
}

// streams are decoders that wait to be used again.
type streams struct {
	pool sync.Pool
	open func() (stream, error)
}

type stream interface {
	io.Reader
	reset(r io.Reader) error
}

func (s *streams) read(src []byte, n int) ([]byte, error) {
	d, ok := s.pool.Get().(stream)
	if !ok {
		var err error
		if d, err = s.open(); err != nil {
			return nil, err
		}
	}
	defer s.pool.Put(d)
	if err := d.reset(bytes.NewReader(src)); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if _, err := io.CopyN(&out, d, int64(n)); errors.Is(err, io.EOF) {
		return nil, errShort
	} else if err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

type inflater struct{ io.ReadCloser }

func (i inflater) reset(r io.Reader) error { return i.ReadCloser.(flate.Resetter).Reset(r, nil) }

func newInflater() (stream, error) { return inflater{flate.NewReader(nil)}, nil }

type unzstd struct{ *zstd.Decoder }

func (u unzstd) reset(r io.Reader) error { return u.Reset(r) }

// newZstd takes no window that is longer than what a cluster may hold.
func newZstd() (stream, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxExtent))
	return unzstd{d}, err
}
