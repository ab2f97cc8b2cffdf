package btrfs

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"

	"github.com/anchore/go-lzo"
	"github.com/klauspost/compress/zstd"
)

const (
	maxUnpacked = 128 << 10 // BTRFS_MAX_UNCOMPRESSED
	maxExtent   = 128 << 20 // BTRFS_MAX_EXTENT_SIZE
)

// unpack returns the whole of a compressed extent.
func (c *content) unpack(e extent) ([]byte, error) {
	if e.whole > maxUnpacked || e.stored > maxUnpacked {
		return nil, c.damaged("%d bytes compressed to %d at byte %d", e.whole, e.stored, e.start)
	}
	if e.inline != nil {
		return c.unpackInline(e)
	}
	if b := c.v.unpacked.Get(e.logical); b != nil {
		return b, nil
	}
	if err := c.mapped(e, e.logical, e.stored); err != nil {
		return nil, err
	}
	packed := make([]byte, e.stored)
	if _, err := c.v.readData(packed, e.logical, c.sums); err != nil {
		return nil, c.at(e.start, err)
	}
	b, err := c.decompress(e, packed)
	if err == nil {
		c.v.unpacked.Put(e.logical, b)
	}
	return b, err
}

// unpackInline keeps the result with the open file: a file has one inline
// extent.
func (c *content) unpackInline(e extent) ([]byte, error) {
	if b := c.inline.Load(); b != nil {
		return *b, nil
	}
	b, err := c.decompress(e, e.inline)
	if err == nil {
		c.inline.Store(&b)
	}
	return b, err
}

func (c *content) decompress(e extent, packed []byte) ([]byte, error) {
	out := make([]byte, e.whole)
	var err error
	switch e.compression {
	case 1:
		err = unzlib(out, packed)
	case 2:
		err = unlzo(out, packed, int(c.v.sb.sectorSize))
	case 3:
		err = c.v.unzstd(out, packed)
	default:
		return nil, unsupported("compression %d", e.compression)
	}
	if err != nil {
		return nil, c.damaged("the one at byte %d: %v", e.start, err)
	}
	return out, nil
}

// The decompressors fill out; where the data ends early they leave zeroes, as
// the kernel does.

func unzlib(out, packed []byte) error {
	r, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	if _, err = io.ReadFull(r, out); errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// unzstd decodes one frame. The padding that follows it in the last sector
// looks to the decoder like a second frame without its magic number.
func (v *volume) unzstd(out, packed []byte) error {
	r, ok := v.zstd.Get().(*zstd.Decoder)
	if !ok {
		var err error
		r, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(1<<20), zstd.WithDecoderMaxMemory(8<<20))
		if err != nil {
			return err
		}
	}
	defer v.zstd.Put(r)
	if err := r.Reset(bytes.NewReader(packed)); err != nil {
		return err
	}
	n, err := io.ReadFull(r, out)
	if n > 0 && errors.Is(err, zstd.ErrMagicMismatch) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// unlzo decodes btrfs's framing of LZO: the length of everything, then
// segments of one sector each with their length before them. A length never
// lies across the end of a sector (fs/btrfs/lzo.c).
func unlzo(out, packed []byte, sector int) error {
	if len(packed) < 4 {
		return io.ErrUnexpectedEOF
	}
	total := int(min(le.Uint32(packed), maxUnpacked*2))
	if total > len(packed) {
		return fmt.Errorf("%d bytes of LZO in %d", total, len(packed))
	}
	for at := 4; len(out) > 0 && at+4 <= total; {
		n := int(min(le.Uint32(packed[at:]), maxUnpacked*2))
		at += 4
		if n == 0 || n > total-at {
			return fmt.Errorf("a segment of %d bytes of LZO at %d of %d", n, at, total)
		}
		segment := make([]byte, sector)
		got, err := lzo.Decompress(packed[at:at+n], segment)
		if err != nil {
			return err
		}
		out = out[copy(out, segment[:got]):]
		at += n
		if rest := sector - at%sector; rest < 4 {
			at += rest
		}
	}
	return nil
}
