package qcow2

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

// An encoder compresses clusters: it appends to dst what it makes of src. It is
// safe for concurrent use.
type encoder interface {
	encode(dst, src []byte) ([]byte, error)
}

func newEncoder(c Compression) encoder {
	switch c {
	case Zlib:
		return new(deflateEncoder)
	case Zstd:
		return new(zstdEncoder)
	}
	return nil
}

// deflateLevel is quicker than zlib's usual one and as small.
const deflateLevel = 5

type deflateEncoder struct{ pool sync.Pool }

func (e *deflateEncoder) encode(dst, src []byte) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	z, _ := e.pool.Get().(*flate.Writer)
	if z == nil {
		var err error
		if z, err = flate.NewWriter(out, deflateLevel); err != nil {
			return nil, err
		}
	}
	defer e.pool.Put(z)
	z.Reset(out)
	if _, err := z.Write(src); err != nil {
		return nil, err
	}
	err := z.Close()
	return out.Bytes(), err
}

type zstdEncoder struct{ pool sync.Pool }

func (e *zstdEncoder) encode(dst, src []byte) ([]byte, error) {
	z, _ := e.pool.Get().(*zstd.Encoder)
	if z == nil {
		var err error
		z, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithWindowSize(1<<maxClusterBits), zstd.WithLowerEncoderMem(true))
		if err != nil {
			return nil, err
		}
	}
	defer e.pool.Put(z)
	return z.EncodeAll(src, dst), nil
}
