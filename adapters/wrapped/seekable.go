package wrapped

import (
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/qedfs/qedfs/backend"
)

// The seekable format of zstd (contrib/seekable_format in its source): frames
// that are independent, then a skippable frame with a table of them:
//
//	magic 0x184D2A5E, length | for each frame: packed size, size, [checksum] | footer
//	footer: number of frames, descriptor, magic 0x8F92EAB1
const (
	skippableMagic   = 0x184D2A5E
	seekableMagic    = 0x8F92EAB1
	seekFooter       = 9
	seekHasChecksum  = 0x80
	seekReservedBits = 0x7c
)

// readSeekable returns a zstd file with a seek table, or nil for one without,
// and for one whose frames are too large.
func readSeekable(r backend.Reader, size int64) (backend.Reader, error) {
	if size < seekFooter+8 {
		return nil, nil
	}
	footer, err := readExactly(r, size-seekFooter, seekFooter)
	if err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(footer[5:]) != seekableMagic || footer[4]&seekReservedBits != 0 {
		return nil, nil
	}
	frames := int64(binary.LittleEndian.Uint32(footer))
	entry := int64(8)
	if footer[4]&seekHasChecksum != 0 {
		entry = 12
	}
	start := size - seekFooter - frames*entry
	if frames > maxBlocks || start < 8 {
		return nil, fmt.Errorf("%w: a seek table of %d frames in %d bytes", ErrDamaged, frames, size)
	}
	table, err := readExactly(r, start-8, size-seekFooter-start+8)
	if err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(table) != skippableMagic || int64(binary.LittleEndian.Uint32(table[4:])) != frames*entry+seekFooter {
		return nil, fmt.Errorf("%w: no frame around the seek table", ErrDamaged)
	}
	index, err := seekIndex(table[8:], entry, start-8)
	if err != nil || largest(index) > maxBlockSize {
		return nil, err
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxBlockSize))
	if err != nil {
		return nil, err
	}
	return &seekable{newBlocks(r, index, func(b block) ([]byte, error) { return decodeFrame(d, r, b) }), d}, nil
}

// seekIndex adds the sizes of a seek table up. The frames end where the table
// begins.
func seekIndex(table []byte, entry, end int64) ([]block, error) {
	var index []block
	var packed, off int64
	for ; len(table) > 0; table = table[entry:] {
		b := block{packed, int64(binary.LittleEndian.Uint32(table)), off, int64(binary.LittleEndian.Uint32(table[4:]))}
		packed, off = packed+b.packedSize, off+b.size
		if packed > end {
			break
		}
		if b.size > 0 {
			index = append(index, b)
		}
	}
	if packed != end {
		return nil, fmt.Errorf("%w: the seek table is not about the %d bytes before it", ErrDamaged, end)
	}
	return index, nil
}

func decodeFrame(d *zstd.Decoder, r backend.Reader, b block) ([]byte, error) {
	packed, err := readExactly(r, b.packed, b.packedSize)
	if err != nil {
		return nil, err
	}
	data, err := d.DecodeAll(packed, nil)
	if err != nil {
		return nil, damaged(err)
	}
	if int64(len(data)) != b.size {
		return nil, fmt.Errorf("%w: a frame of %d bytes has %d in the seek table", ErrDamaged, len(data), b.size)
	}
	return data, nil
}

// seekable gives the decoder back with the blocks.
type seekable struct {
	*blocks
	decoder *zstd.Decoder
}

func (s *seekable) Close() error {
	err := s.blocks.Close()
	if err == nil {
		s.decoder.Close()
	}
	return err
}
