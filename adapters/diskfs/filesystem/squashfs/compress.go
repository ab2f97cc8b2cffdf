package squashfs

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/anchore/go-lzo"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// decompressor unpacks a block that holds at most so many bytes; more is an
// error. It is safe for concurrent use.
type decompressor func(b []byte, most int) ([]byte, error)

var errTooLong = errors.New("holds more than a block may")

// newDecompressor knows the numbers of squashfs_fs.h.
func newDecompressor(n uint16) (decompressor, error) {
	switch n {
	case 1:
		return stream(func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }), nil
	case 2:
		return checked(lzmaDictionary, stream(func(r io.Reader) (io.Reader, error) { return lzma.NewReader(r) })), nil
	case 3:
		return unpackLZO, nil
	case 4:
		return checked(xzDictionary, stream(func(r io.Reader) (io.Reader, error) { return xz.NewReader(r) })), nil
	case 5:
		return unpackLZ4, nil
	case 6:
		return newZstd()
	}
	return nil, fmt.Errorf("compression %d: %w", n, fstree.ErrUnsupported)
}

// stream makes a decompressor of a reader's constructor.
func stream(open func(io.Reader) (io.Reader, error)) decompressor {
	return func(b []byte, most int) ([]byte, error) {
		r, err := open(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		var out bytes.Buffer
		if _, err := io.Copy(&out, io.LimitReader(r, int64(most)+1)); err != nil {
			return nil, err
		}
		if out.Len() > most {
			return nil, errTooLong
		}
		return out.Bytes(), nil
	}
}

// maxDictionary is what a block may ask for to be unpacked; mksquashfs uses a
// dictionary as long as a block.
const maxDictionary = 8 << 20

var errDictionary = errors.New("asks for a dictionary that no block needs, or for an unknown filter")

// checked looks at the dictionary that a block asks for before the library
// allocates it.
func checked(dictionary func(b []byte) (size uint64, ok bool), unpack decompressor) decompressor {
	return func(b []byte, most int) ([]byte, error) {
		if size, ok := dictionary(b); !ok || size > maxDictionary {
			return nil, errDictionary
		}
		return unpack(b, most)
	}
}

// lzmaDictionary reads the size out of an LZMA header: properties, size.
func lzmaDictionary(b []byte) (uint64, bool) {
	if len(b) < 13 {
		return 0, false
	}
	return uint64(binary.LittleEndian.Uint32(b[1:])), true
}

// xzDictionary reads the size out of the header of the first block of an xz
// stream (The .xz File Format, 3.1 and 5.3.1). The one filter is LZMA2: xz's
// filters for machine code are not in the library.
func xzDictionary(b []byte) (uint64, bool) {
	const streamHeader, lzma2 = 12, 0x21
	if len(b) < streamHeader+8 {
		return 0, false
	}
	flags, rest := b[streamHeader+1], b[streamHeader+2:]
	if flags&0x3 != 0 {
		return 0, false
	}
	for _, present := range [...]byte{0x40, 0x80} { // compressed and uncompressed size
		if flags&present != 0 {
			_, n := binary.Uvarint(rest)
			if n <= 0 {
				return 0, false
			}
			rest = rest[n:]
		}
	}
	if len(rest) < 3 || rest[0] != lzma2 || rest[1] != 1 || rest[2] > 40 {
		return 0, false
	}
	return (2 | uint64(rest[2]&1)) << (rest[2]/2 + 11), true
}

func unpackLZ4(b []byte, most int) ([]byte, error) {
	out := make([]byte, most)
	n, err := lz4.UncompressBlock(b, out)
	if err != nil {
		return nil, err
	}
	return out[:n], nil
}

func unpackLZO(b []byte, most int) ([]byte, error) {
	out := make([]byte, most)
	n, err := lzo.Decompress(b, out)
	if err != nil {
		return nil, err
	}
	return out[:n], nil
}

func newZstd() (decompressor, error) {
	// A frame may ask for a window of gigabytes; no block needs more than itself.
	const most = 8 << 20
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(most), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	return func(b []byte, most int) ([]byte, error) {
		out, err := d.DecodeAll(b, nil)
		if err == nil && len(out) > most {
			err = errTooLong
		}
		return out, err
	}, nil
}
