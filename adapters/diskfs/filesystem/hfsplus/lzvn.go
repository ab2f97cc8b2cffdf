package hfsplus

import "encoding/binary"

// lzvnEnd is the opcode that ends a block of LZVN, and what a piece begins with that is
// stored as it is.
const lzvnEnd = 0x06

// lzvn decompresses a block of LZVN to at most size bytes. Its opcodes are those of
// Apple's reference decoder (lzfse, lzvn_decode_base.c): literals L, a match of M bytes at
// a distance D, or the distance of the match before.
func lzvn(in []byte, size int) ([]byte, error) {
	out := make([]byte, 0, size)
	broken := damage("compressed piece", -1, "its LZVN is broken")
	distance := 0
	for len(in) > 0 {
		op := int(in[0])
		length, literals, match := 1, 0, 0
		need := func(n int) bool { length = n; return len(in) >= n }
		switch {
		case op == lzvnEnd:
			return out, nil
		case op == 0x0E || op == 0x16: // nothing
		case op >= 0xE0: // literals or a match alone
			n := op & 0x0F
			if n == 0 {
				if !need(2) {
					return nil, broken
				}
				n = int(in[1]) + 16
			}
			if op < 0xF0 {
				literals = n
			} else {
				match = n
			}
		case op >= 0xA0 && op < 0xC0: // a middle distance: 101LLMMM DDDDDDMM DDDDDDDD
			if !need(3) {
				return nil, broken
			}
			word := int(binary.LittleEndian.Uint16(in[1:]))
			literals, match, distance = op>>3&3, op&7<<2|word&3, word>>2
			match += 3
		case op >= 0x70 && op < 0x80 || op >= 0xD0 && op < 0xE0: // not in use
			return nil, broken
		case op&7 == 7: // a long distance: LLMMM111 DDDDDDDD DDDDDDDD
			if !need(3) {
				return nil, broken
			}
			literals, match, distance = op>>6, op>>3&7+3, int(binary.LittleEndian.Uint16(in[1:]))
		case op&7 == 6: // that of before: LLMMM110
			if op < 0x40 {
				return nil, broken
			}
			literals, match = op>>6, op>>3&7+3
		default: // a short distance: LLMMMDDD DDDDDDDD
			if !need(2) {
				return nil, broken
			}
			literals, match, distance = op>>6, op>>3&7+3, op&7<<8|int(in[1])
		}
		in = in[length:]
		if literals > len(in) {
			return nil, broken
		}
		out = append(out, in[:min(literals, size-len(out))]...)
		in = in[literals:]
		if match > 0 && (distance == 0 || distance > len(out)) {
			return nil, broken
		}
		for range min(match, size-len(out)) {
			out = append(out, out[len(out)-distance])
		}
		if len(out) >= size {
			return out, nil
		}
	}
	return out, nil
}
