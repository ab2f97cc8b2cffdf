package wrapped

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/ulikunitz/xz"

	"github.com/qedfs/qedfs/backend"
)

// An xz file (https://tukaani.org/xz/xz-file-format.txt) is streams, each with
// an index of its blocks:
//
//	header (12 bytes) | block ... | index | footer (12 bytes)
//	footer: CRC32, size of the index, flags, "YZ"
//
// Any block can be unpacked alone, so that the file is read from its end to
// find them all; unpacking then has no other path than through single blocks.
const (
	xzMagic     = "\xfd7zXZ\x00"
	xzFooter    = 12
	maxXZIndex  = 64 << 20
	maxXZStream = 1 << 16 // streams of a file
)

// An xzBlock is a block and the flags of its stream, which name its checksum.
type xzBlock struct {
	block
	unpadded int64
	flags    [2]byte
}

// unpackXZ reads a file of small blocks in place, and unpacks others.
func unpackXZ(ctx context.Context, r backend.Reader, size int64, opts *Options) (backend.Reader, error) {
	found, err := xzIndex(ctx, r, size)
	if err != nil {
		return nil, err
	}
	index := make([]block, len(found))
	for i, b := range found {
		index[i] = b.block
	}
	if largest(index) <= maxBlockSize {
		return newBlocks(r, index, func(b block) ([]byte, error) { return decodeXZ(r, found[blockAt(index, b.off)]) }), nil
	}
	in := &counterAt{r: r}
	return toTemp(ctx, stream{&xzStream{r: in, blocks: found}, size, in.n.Load}, opts)
}

// blockAt is the number of the block that begins at off.
func blockAt(index []block, off int64) int {
	lo, hi := 0, len(index)-1
	for lo < hi {
		mid := (lo + hi) / 2
		if index[mid].off < off {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// xzIndex finds the blocks of all streams. Empty ones are left out.
func xzIndex(ctx context.Context, r backend.Reader, size int64) ([]xzBlock, error) {
	var streams [][]xzBlock
	for end := size; end > 0; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(streams) == maxXZStream {
			return nil, fmt.Errorf("%w: more than %d streams", ErrLimit, maxXZStream)
		}
		blocks, start, err := xzStreamBefore(r, end)
		if err != nil {
			return nil, err
		}
		if start < end-4 { // else it was padding
			streams = append(streams, blocks)
		}
		end = start
	}
	var all []xzBlock
	off := int64(0)
	for i := len(streams) - 1; i >= 0; i-- {
		for _, b := range streams[i] {
			b.off = off
			if off += b.size; off < 0 {
				return nil, fmt.Errorf("%w: it unpacks to more than %d bytes", ErrLimit, int64(1<<62))
			}
			if b.size > 0 {
				all = append(all, b)
			}
		}
	}
	return all, nil
}

// xzStreamBefore returns the blocks of the stream that ends at end, and where
// it begins. Four bytes of padding count as a stream without blocks.
func xzStreamBefore(r io.ReaderAt, end int64) ([]xzBlock, int64, error) {
	bad := func(why string) ([]xzBlock, int64, error) {
		return nil, 0, fmt.Errorf("%w: xz stream before byte %d: %s", ErrDamaged, end, why)
	}
	if end%4 != 0 || end < 4 {
		return bad("not a multiple of four bytes")
	}
	if last, err := readExactly(r, end-4, 4); err != nil {
		return nil, 0, err
	} else if allZero(last) {
		return nil, end - 4, nil
	}
	if end < 2*xzFooter {
		return bad("too short")
	}
	footer, err := readExactly(r, end-xzFooter, xzFooter)
	if err != nil {
		return nil, 0, err
	}
	if string(footer[10:]) != "YZ" || crc32.ChecksumIEEE(footer[4:10]) != binary.LittleEndian.Uint32(footer) {
		return bad("no footer")
	}
	length := (int64(binary.LittleEndian.Uint32(footer[4:])) + 1) * 4
	if length > end-2*xzFooter || length > maxXZIndex {
		return bad("an index that is too large")
	}
	index, err := readExactly(r, end-xzFooter-length, length)
	if err != nil {
		return nil, 0, err
	}
	if crc32.ChecksumIEEE(index[:length-4]) != binary.LittleEndian.Uint32(index[length-4:]) {
		return bad("the checksum of the index is wrong")
	}
	blocks, stored, ok := xzRecords(index[:length-4], [2]byte(footer[8:10]))
	start := end - xzFooter - length - stored - xzFooter
	if !ok || start < 0 {
		return bad("the index is wrong")
	}
	for i := range blocks {
		blocks[i].packed += start + xzFooter
	}
	head, err := readExactly(r, start, xzFooter)
	if err != nil {
		return nil, 0, err
	}
	if string(head[:6]) != xzMagic || !bytes.Equal(head[6:8], footer[8:10]) {
		return bad("no header where the index says")
	}
	return blocks, start, nil
}

// xzRecords reads the records of an index. Places are from the first block on;
// stored is where the last one ends.
func xzRecords(b []byte, flags [2]byte) (blocks []xzBlock, stored int64, ok bool) {
	if len(b) == 0 || b[0] != 0 {
		return nil, 0, false
	}
	count, n := binary.Uvarint(b[1:])
	if n <= 0 || count > uint64(len(b))/2 {
		return nil, 0, false
	}
	b = b[1+n:]
	for range count {
		unpadded, n := binary.Uvarint(b)
		if n <= 0 || unpadded == 0 || unpadded > 1<<60 {
			return nil, 0, false
		}
		b = b[n:]
		size, n := binary.Uvarint(b)
		if n <= 0 || size > 1<<60 {
			return nil, 0, false
		}
		b = b[n:]
		padded := int64(unpadded+3) &^ 3
		blocks = append(blocks, xzBlock{block{packed: stored, packedSize: padded, size: int64(size)}, int64(unpadded), flags})
		if stored += padded; stored < 0 || stored > 1<<61 {
			return nil, 0, false
		}
	}
	return blocks, stored, allZero(b) && len(b) < 4
}

// newXZBlock returns a decoder of one block, as if it were a stream of its own.
func newXZBlock(r io.ReaderAt, b xzBlock) (io.Reader, error) {
	if err := checkXZDictionary(r, b); err != nil {
		return nil, err
	}
	head := append([]byte(xzMagic), b.flags[:]...)
	head = binary.LittleEndian.AppendUint32(head, crc32.ChecksumIEEE(b.flags[:]))
	index := binary.AppendUvarint([]byte{0, 1}, uint64(b.unpadded))
	index = binary.AppendUvarint(index, uint64(b.size))
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(index))
	end := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	end = append(end, b.flags[:]...)
	tail := binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(end))
	tail = append(append(tail, end...), "YZ"...)
	return xz.ReaderConfig{SingleStream: true}.NewReader(bufio.NewReaderSize(io.MultiReader(
		bytes.NewReader(head), io.NewSectionReader(r, b.packed, b.packedSize), bytes.NewReader(tail)), 64<<10))
}

// checkXZDictionary refuses a block whose decoder would allocate too much: it
// does so by what the header claims.
func checkXZDictionary(r io.ReaderAt, b xzBlock) error {
	head, err := readExactly(r, b.packed, min(b.packedSize, 64))
	if err != nil {
		return err
	}
	length := (int(head[0]) + 1) * 4
	if len(head) < 8 || length > len(head) || head[1]&0x3f != 0 {
		return fmt.Errorf("%w: filters other than LZMA2, or a header that is too long", ErrDamaged)
	}
	rest := head[2:length]
	for _, bit := range []byte{0x40, 0x80} { // the sizes of the block
		if head[1]&bit != 0 {
			_, n := binary.Uvarint(rest)
			if n <= 0 {
				return fmt.Errorf("%w: a block's header", ErrDamaged)
			}
			rest = rest[n:]
		}
	}
	const lzma2 = 0x21
	if len(rest) < 3 || rest[0] != lzma2 || rest[1] != 1 {
		return fmt.Errorf("%w: a filter other than LZMA2", ErrDamaged)
	}
	bits := rest[2]
	if dictionary := uint64(2|bits&1) << (bits/2 + 11); bits > 40 || dictionary > maxWindow {
		return fmt.Errorf("%w: a dictionary of more than %d bytes", ErrLimit, maxWindow)
	}
	return nil
}

func decodeXZ(r io.ReaderAt, b xzBlock) ([]byte, error) {
	z, err := newXZBlock(r, b)
	if err != nil {
		return nil, damaged(err)
	}
	data, err := io.ReadAll(io.LimitReader(z, b.size+1))
	if err != nil {
		return nil, damaged(err)
	}
	if int64(len(data)) != b.size {
		return nil, fmt.Errorf("%w: a block has %d bytes and the index says %d", ErrDamaged, len(data), b.size)
	}
	return data, nil
}

// xzStream reads all blocks one after the other.
type xzStream struct {
	r      io.ReaderAt
	blocks []xzBlock
	now    io.Reader // decodes the first of blocks, or nil
}

func (s *xzStream) Read(p []byte) (int, error) {
	for len(s.blocks) > 0 {
		if s.now == nil {
			var err error
			if s.now, err = newXZBlock(s.r, s.blocks[0]); err != nil {
				return 0, err
			}
		}
		n, err := s.now.Read(p)
		if err == io.EOF {
			s.now, s.blocks = nil, s.blocks[1:]
			err = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.EOF
}
