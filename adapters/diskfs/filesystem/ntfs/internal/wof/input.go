package wof

import "encoding/binary"

// input is a stream of bits in words of 16, low byte first and the highest bit
// first, between which bytes may lie. Words are read when their bits are needed
// and not before: where the bytes lie depends on it.
type input struct {
	src  []byte
	pos  int    // of the next word or byte
	bits uint64 // those that are read, the next one in the highest place
	n    uint   // how many they are
	over uint   // bits that were read past the end of src, as zeroes
}

func (in *input) reset(src []byte) { *in = input{src: src} }

// need reads words until there are n bits.
func (in *input) need(n uint) {
	for in.n < n {
		in.bits |= uint64(in.uint16()) << (48 - in.n)
		in.n += 16
	}
}

// peek returns the next 16 bits, which must have been needed.
func (in *input) peek() uint { return uint(in.bits >> 48) }

func (in *input) skip(n uint) {
	in.bits <<= n
	in.n -= n
}

// take returns the next n bits, at most 32.
func (in *input) take(n uint) uint {
	in.need(n)
	v := uint(in.bits >> 1 >> (63 - n))
	in.skip(n)
	return v
}

// exhausted reports whether bits or bytes were taken that are not there.
func (in *input) exhausted() bool { return in.over > in.n }

func (in *input) byte() byte {
	if in.pos >= len(in.src) {
		in.over += 64 // more than are read ahead
		return 0
	}
	b := in.src[in.pos]
	in.pos++
	return b
}

func (in *input) uint16() uint16 {
	if in.pos+2 > len(in.src) {
		in.over += 16
		return 0
	}
	v := binary.LittleEndian.Uint16(in.src[in.pos:])
	in.pos += 2
	return v
}

// align goes on to the next word that has not been touched. A stream that is at
// the beginning of a word leaves that out.
func (in *input) align() {
	in.pos -= int(in.n / 16 * 2) // words that were read ahead
	if in.n%16 == 0 {
		in.pos += 2
	}
	in.bits, in.n = 0, 0
}
