package wof

import "encoding/binary"

const (
	offsetSlots   = 30                       // for a window of 32 KiB
	mainSymbols   = 256 + 8*offsetSlots + 16 // room for XPRESS's 512
	lzxMain       = 256 + 8*offsetSlots
	lengthSymbols = 249
	firstSymbols  = 20 // of the code in which lengths of codewords are written
	minMatch      = 2
)

// Kinds of blocks.
const (
	verbatim     = 1
	aligned      = 2
	uncompressed = 3
)

// lzx decompresses a chunk: blocks, each with codes of its own.
func (d *Decoder) lzx(dst, src []byte) error {
	in := &d.in
	in.reset(src)
	clear(d.lengths[:]) // a block's lengths are differences to those before
	recent := [3]int{1, 1, 1}
	for at := 0; at < len(dst); {
		kind := in.take(3)
		size := 32 << 10
		if in.take(1) == 0 {
			size = int(in.take(16))
		}
		if in.exhausted() || size == 0 || size > len(dst)-at {
			return ErrCorrupt
		}
		block := dst[:at+size]
		var err error
		switch kind {
		case verbatim, aligned:
			err = d.lzxBlock(block, at, kind == aligned, &recent)
		case uncompressed:
			err = in.lzxStored(block[at:], &recent)
		default:
			err = ErrCorrupt
		}
		if err != nil {
			return err
		}
		at += size
	}
	undoCalls(dst)
	return nil
}

// lzxStored reads a block that is not compressed. It brings the distances of
// recent matches with it.
func (in *input) lzxStored(dst []byte, recent *[3]int) error {
	in.align()
	if in.pos+12+len(dst) > len(in.src) {
		return ErrCorrupt
	}
	for i := range recent {
		v := binary.LittleEndian.Uint32(in.src[in.pos+4*i:])
		if v == 0 || v > 32<<10 {
			return ErrCorrupt
		}
		recent[i] = int(v)
	}
	in.pos += 12
	in.pos += copy(dst, in.src[in.pos:])
	in.pos += len(dst) & 1
	return nil
}

// lzxBlock decodes a compressed block, which begins at dst[at].
func (d *Decoder) lzxBlock(dst []byte, at int, isAligned bool, recent *[3]int) error {
	if err := d.lzxCodes(isAligned); err != nil {
		return err
	}
	in := &d.in
	for at < len(dst) {
		symbol, ok := d.main.next(in)
		if !ok || in.exhausted() {
			return ErrCorrupt
		}
		if symbol < 256 {
			dst[at] = byte(symbol)
			at++
			continue
		}
		length := int(symbol & 7)
		if length == 7 {
			more, ok := d.length.next(in)
			if !ok {
				return ErrCorrupt
			}
			length += int(more)
		}
		length += minMatch
		distance, err := d.lzxDistance((symbol-256)>>3, isAligned, recent)
		if err == nil {
			err = copyMatch(dst, at, distance, length)
		}
		if err != nil {
			return err
		}
		at += length
	}
	if in.exhausted() {
		return ErrCorrupt
	}
	return nil
}

// lzxDistance reads the distance of a match. The first three slots are those of
// the latest matches.
func (d *Decoder) lzxDistance(slot uint, isAligned bool, recent *[3]int) (int, error) {
	if slot < 3 {
		recent[0], recent[slot] = recent[slot], recent[0]
		return recent[0], nil
	}
	in := &d.in
	distance, extra := slot, uint(0)
	if slot >= 4 {
		extra = slot/2 - 1
		distance = (2 + slot&1) << extra
	}
	if isAligned && extra >= 3 {
		distance += in.take(extra-3) << 3
		low, ok := d.aligned.next(in)
		if !ok {
			return 0, ErrCorrupt
		}
		distance += low
	} else {
		distance += in.take(extra)
	}
	recent[2], recent[1], recent[0] = recent[1], recent[0], int(distance)-2
	return recent[0], nil
}

// lzxCodes reads the codes of a block.
func (d *Decoder) lzxCodes(isAligned bool) error {
	in := &d.in
	if isAligned {
		var lengths [8]byte
		for i := range lengths {
			lengths[i] = byte(in.take(3))
		}
		if err := d.aligned.build(lengths[:]); err != nil {
			return err
		}
	}
	main, length := d.lengths[:lzxMain], d.lengths[mainSymbols:]
	for _, part := range [][]byte{main[:256], main[256:], length} {
		if err := d.lzxLengths(part); err != nil {
			return err
		}
	}
	if err := d.main.build(main); err != nil {
		return err
	}
	return d.length.build(length)
}

// lzxLengths reads lengths of codewords, as differences to those of the block
// before and with runs.
func (d *Decoder) lzxLengths(lengths []byte) error {
	in := &d.in
	var first [firstSymbols]byte
	for i := range first {
		first[i] = byte(in.take(4))
	}
	if err := d.first.build(first[:]); err != nil {
		return err
	}
	for i := 0; i < len(lengths); {
		symbol, ok := d.first.next(in)
		if !ok || in.exhausted() {
			return ErrCorrupt
		}
		run, value := 1, byte(0)
		switch symbol {
		case 17:
			run = 4 + int(in.take(4))
		case 18:
			run = 20 + int(in.take(5))
		case 19:
			run = 4 + int(in.take(1))
			if symbol, ok = d.first.next(in); !ok || symbol > 16 {
				return ErrCorrupt
			}
			value = (lengths[i] + 17 - byte(symbol)) % 17
		default:
			value = (lengths[i] + 17 - byte(symbol)) % 17
		}
		if run > len(lengths)-i {
			return ErrCorrupt
		}
		for range run {
			lengths[i] = value
			i++
		}
	}
	return nil
}

// undoCalls turns the targets of x86 call instructions, which were made absolute
// so that they repeat, into relative ones again. The last bytes of a chunk are
// left alone.
func undoCalls(b []byte) {
	const fileSize = 12_000_000
	for i := 0; i < len(b)-10; i++ {
		if b[i] != 0xE8 {
			continue
		}
		to := int(int32(binary.LittleEndian.Uint32(b[i+1:])))
		switch {
		case to >= 0 && to < fileSize:
			to -= i
		case to < 0 && to >= -i:
			to += fileSize
		}
		binary.LittleEndian.PutUint32(b[i+1:], uint32(to))
		i += 4
	}
}
