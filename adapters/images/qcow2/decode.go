package qcow2

import (
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/qedfs/qedfs/adapters/images/internal/inflate"
)

var errShort = errors.New("it ends before the cluster is full")

// A decoder decompresses clusters: it fills dst from src, which may go on after
// the compressed data.
type decoder interface {
	decode(dst, src []byte) error
}

func newDecoder(compression uint8) decoder {
	if compression == compressionZstd {
		return new(zstdDecoder)
	}
	return new(deflateDecoder)
}

// deflateDecoder reads raw deflate streams (RFC 1951): compression type "zlib"
// has no zlib header.
type deflateDecoder struct{ pool sync.Pool }

func (d *deflateDecoder) decode(dst, src []byte) error {
	z, _ := d.pool.Get().(*inflate.Decoder)
	if z == nil {
		z = new(inflate.Decoder)
	}
	defer d.pool.Put(z)
	return z.Decode(dst, src)
}

// zstdDecoder reads zstd frames (RFC 8878). Several of them may make up a
// cluster, as in QEMU.
type zstdDecoder struct{ pool sync.Pool }

type zstdState struct {
	*zstd.Decoder
	out []byte
}

// zstdRoom is how much longer than a cluster a buffer is, for the decoder to
// copy without looking where it ends.
const zstdRoom = 1 << 10

func (d *zstdDecoder) decode(dst, src []byte) error {
	s, _ := d.pool.Get().(*zstdState)
	if s == nil {
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<maxClusterBits))
		if err != nil {
			return err
		}
		s = &zstdState{Decoder: z, out: make([]byte, 0, len(dst)+zstdRoom)}
	}
	defer d.pool.Put(s)
	for len(dst) > 0 {
		n, err := frameLen(src)
		if err != nil {
			return err
		}
		out, err := s.DecodeAll(src[:n], s.out[:0])
		if err != nil {
			return err
		}
		if len(out) > len(dst) {
			return fmt.Errorf("a frame of %d bytes where %d are left of the cluster", len(out), len(dst))
		}
		dst, src = dst[copy(dst, out):], src[n:]
	}
	return nil
}

// frameLen returns the length of the frame, or skippable frame, that src
// begins with.
func frameLen(src []byte) (int, error) {
	var h zstd.Header
	if err := h.Decode(src); err != nil {
		return 0, errors.Join(errShort, err)
	}
	if h.Skippable {
		if n := int64(h.HeaderSize) + int64(h.SkippableSize); n <= int64(len(src)) {
			return int(n), nil
		}
		return 0, errShort
	}
	const rle = 1 // a block of one byte, which is repeated
	for at := h.HeaderSize; at+3 <= len(src); {
		b := uint32(src[at]) | uint32(src[at+1])<<8 | uint32(src[at+2])<<16
		n := int(b >> 3)
		if b>>1&3 == rle {
			n = 1
		}
		at += 3 + n
		if b&1 == 0 { // not the last
			continue
		}
		if h.HasCheckSum {
			at += 4
		}
		if at > len(src) {
			break
		}
		return at, nil
	}
	return 0, errShort
}
