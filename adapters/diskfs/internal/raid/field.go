package raid

import "crypto/subtle"

// The field is that of polynomials modulo x^8 + x^4 + x^3 + x^2 + 1, and its
// generator is x.

func product(a, b byte) byte {
	var c byte
	for ; b != 0; b >>= 1 {
		if b&1 != 0 {
			c ^= a
		}
		carry := a&0x80 != 0
		if a <<= 1; carry {
			a ^= 0x1d
		}
	}
	return c
}

// power is the generator to the power of n.
func power(n int) byte {
	c := byte(1)
	for range n % 255 {
		c = product(c, 2)
	}
	return c
}

// inverse is c to the power of 254.
func inverse(c byte) byte {
	result := byte(1)
	for range 254 {
		result = product(result, c)
	}
	return result
}

// addTo adds c times src to dst.
func addTo(dst, src []byte, c byte) {
	if c == 1 {
		subtle.XORBytes(dst, dst, src)
		return
	}
	var table [256]byte
	for i := range table {
		table[i] = product(byte(i), c)
	}
	for i, b := range src {
		dst[i] ^= table[b]
	}
}
