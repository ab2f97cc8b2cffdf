package inflate

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var (
	// ErrCorrupt is returned for what is no deflate stream.
	ErrCorrupt = errors.New("not a valid deflate stream")
	// ErrShort is returned where the stream ends, or is cut off, before the
	// output is full.
	ErrShort = errors.New("the deflate stream ends too early")

	// errNoEnd is the ErrCorrupt of a block that has no code for its end. As
	// zlib does, and unlike compress/flate, such a block is not begun.
	errNoEnd = fmt.Errorf("%w: a block has no code for its end", ErrCorrupt)
)

// A Decoder holds the tables of a stream. The zero value is ready; it is for one
// goroutine at a time.
type Decoder struct {
	src, dst []byte
	pos, out int    // how far src is read, and dst written
	bits     uint64 // from src, the first in the lowest place
	n        uint   // how many of them there are
	over     uint   // bytes of zeroes that were read past the end of src

	litlen [litlenEntries]entry
	dist   [distEntries]entry
}

// Decode fills dst from the stream that src begins with. What follows the last
// byte that is needed does not matter.
func (d *Decoder) Decode(dst, src []byte) error {
	d.src, d.dst = src, dst
	d.pos, d.out, d.bits, d.n, d.over = 0, 0, 0, 0, 0
	defer func() { d.src, d.dst = nil, nil }()
	for last := false; d.out < len(dst); {
		if last {
			return ErrShort
		}
		d.refill()
		last = d.take(1) == 1
		var err error
		switch d.take(2) {
		case 0:
			err = d.stored()
		case 1:
			d.fixedTables()
			err = d.block()
		case 2:
			if err = d.dynamicTables(); err == nil {
				err = d.block()
			}
		default:
			err = ErrCorrupt
		}
		if err != nil {
			return err
		}
		if d.over*8 > d.n {
			return ErrShort
		}
	}
	return nil
}

// refill makes sure of 56 bits at least. Past the end of src they are zeroes,
// which are counted.
func (d *Decoder) refill() {
	if d.pos+8 <= len(d.src) {
		d.bits |= binary.LittleEndian.Uint64(d.src[d.pos:]) << d.n
		d.pos += int(63-d.n) >> 3
		d.n |= 56
		return
	}
	for d.n < 56 {
		if d.pos < len(d.src) {
			d.bits |= uint64(d.src[d.pos]) << d.n
			d.pos++
		} else {
			d.over++
		}
		d.n += 8
	}
}

// take returns the next k bits, which must be there.
func (d *Decoder) take(k uint) uint {
	v := uint(d.bits) & (1<<k - 1)
	d.bits >>= k
	d.n -= k
	return v
}

// stored copies a block that is not compressed.
func (d *Decoder) stored() error {
	d.take(d.n & 7)
	d.refill()
	length := d.take(16)
	if d.take(16) != length^0xffff {
		return ErrCorrupt
	}
	if d.over*8 > d.n {
		return ErrShort
	}
	d.pos -= int(d.n/8 - d.over) // bytes that were read ahead
	d.bits, d.n, d.over = 0, 0, 0
	want := min(int(length), len(d.dst)-d.out)
	k := copy(d.dst[d.out:d.out+want], d.src[d.pos:])
	d.out, d.pos = d.out+k, d.pos+k
	if k < want {
		return ErrShort
	}
	return nil
}

// A round of the inner loop writes two literals and a match at most. A copy of
// 8 bytes at a time may go that far past its end.
const (
	maxMatch = 258
	slop     = 8
	maxRound = 2 + maxMatch + slop
)

// block decodes a block of symbols, up to its end or that of dst.
func (d *Decoder) block() error {
	for d.out < len(d.dst) {
		if d.over > 8 {
			return ErrShort
		}
		done, err := d.run()
		if done || err != nil {
			return err
		}
		// One symbol near an end of src or dst.
		d.refill()
		e := d.symbol()
		switch {
		case e == 0:
			return ErrCorrupt
		case e.kind() == kindLiteral:
			d.dst[d.out] = byte(e.value())
			d.out++
		case e.kind() == kindEnd:
			return nil
		default:
			length, dist, ok := d.match(e)
			if !ok || dist > d.out {
				return ErrCorrupt
			}
			for range min(length, len(d.dst)-d.out) {
				d.dst[d.out] = d.dst[d.out-dist]
				d.out++
			}
		}
	}
	return nil
}

// symbol takes a symbol of the literal and length alphabet.
func (d *Decoder) symbol() entry {
	e := d.litlen[d.bits&(1<<litlenBits-1)]
	if e.kind() == kindTable {
		e = d.litlen[e.value()+int(d.bits>>litlenBits)&(1<<e.extra()-1)]
	}
	d.take(e.length())
	return e
}

// match takes the rest of a match.
func (d *Decoder) match(e entry) (length, dist int, ok bool) {
	length = e.value() + int(d.take(e.extra()))
	f := d.dist[d.bits&(1<<distBits-1)]
	if f.kind() == kindTable {
		f = d.dist[f.value()+int(d.bits>>distBits)&(1<<f.extra()-1)]
	}
	d.take(f.length())
	return length, f.value() + int(d.take(f.extra())), f.kind() == kindLength
}

// run is the inner loop of block, as long as neither src nor dst ends soon. It
// reports whether the block ended.
func (d *Decoder) run() (done bool, err error) {
	src, dst := d.src, d.dst
	pos, out, bits, n := d.pos, d.out, d.bits, d.n
	defer func() { d.pos, d.out, d.bits, d.n = pos, out, bits, n }()
	for pos+8 <= len(src) && out+maxRound <= len(dst) {
		bits |= binary.LittleEndian.Uint64(src[pos:]) << (n & 63)
		pos += int(63-n) >> 3
		n |= 56
		e := d.litlen[bits&(1<<litlenBits-1)]
		for range 2 { // two literals leave enough bits for a match
			if e&kindMask != 0 || e == 0 {
				break
			}
			bits >>= e.length() & 63
			n -= e.length()
			dst[out] = byte(e.value())
			out++
			e = d.litlen[bits&(1<<litlenBits-1)]
		}
		if n < 48 {
			continue
		}
		if e.kind() == kindTable {
			e = d.litlen[e.value()+int(bits>>litlenBits)&(1<<e.extra()-1)]
		}
		bits >>= e.length() & 63
		n -= e.length()
		switch {
		case e == 0:
			return false, ErrCorrupt
		case e.kind() == kindLiteral:
			dst[out] = byte(e.value())
			out++
			continue
		case e.kind() == kindEnd:
			return true, nil
		}
		length := e.value() + int(bits&(1<<e.extra()-1))
		bits >>= e.extra() & 63
		n -= e.extra()
		f := d.dist[bits&(1<<distBits-1)]
		if f.kind() == kindTable {
			f = d.dist[f.value()+int(bits>>distBits)&(1<<f.extra()-1)]
		}
		bits >>= f.length() & 63
		dist := f.value() + int(bits&(1<<f.extra()-1))
		bits >>= f.extra() & 63
		n -= f.length() + f.extra()
		if f.kind() != kindLength || dist > out {
			return false, ErrCorrupt
		}
		copyMatch(dst[:out+length+slop], out, length, dist)
		out += length
	}
	return false, nil
}

// copyMatch copies length bytes from dist before out. It may write up to slop
// bytes more.
func copyMatch(dst []byte, out, length, dist int) {
	if dist >= 8 {
		for end := out + length; out < end; out += 8 {
			binary.LittleEndian.PutUint64(dst[out:], binary.LittleEndian.Uint64(dst[out-dist:]))
		}
		return
	}
	if dist == 1 {
		run := dst[out : out+length]
		c := dst[out-1]
		for i := range run {
			run[i] = c
		}
		return
	}
	for end := out + length; out < end; out++ {
		dst[out] = dst[out-dist]
	}
}
