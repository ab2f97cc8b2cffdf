package wof

const (
	maxLength = 16 // bits of the longest codeword
	fastBits  = 10 // of those that one look into a table decodes
)

// code is a canonical Huffman code.
type code struct {
	fast    [1 << fastBits]uint16 // symbol<<4 | length; 0 for what is longer, or no codeword
	count   [maxLength + 1]uint16 // codewords of a length
	symbols [mainSymbols]uint16   // in the order of their codewords
}

// build makes the code whose codewords have these lengths, 0 for symbols that do
// not occur. Either no symbol has a codeword, or all sequences of bits begin with
// one.
func (c *code) build(lengths []byte) error {
	clear(c.fast[:])
	c.count = [maxLength + 1]uint16{}
	for _, n := range lengths {
		c.count[n]++
	}
	unused := int(c.count[0]) == len(lengths)
	c.count[0] = 0
	var next [maxLength + 2]uint16 // place in symbols of the next one with a length
	left := 1 << maxLength
	for n := 1; n <= maxLength; n++ {
		next[n+1] = next[n] + c.count[n]
		if left -= int(c.count[n]) << (maxLength - n); left < 0 {
			return ErrCorrupt
		}
	}
	if left > 0 && !unused {
		return ErrCorrupt
	}
	for s, n := range lengths {
		if n > 0 {
			c.symbols[next[n]] = uint16(s)
			next[n]++
		}
	}
	at, i := 0, 0 // the next entry of fast, and symbol
	for n := 1; n <= fastBits; n++ {
		for range c.count[n] {
			e := c.symbols[i]<<4 | uint16(n)
			i++
			for range 1 << (fastBits - n) {
				c.fast[at] = e
				at++
			}
		}
	}
	return nil
}

// next takes a symbol from the input. ok is false where no codeword follows.
func (c *code) next(in *input) (symbol uint, ok bool) {
	in.need(maxLength)
	bits := in.peek()
	if e := c.fast[bits>>(maxLength-fastBits)]; e != 0 {
		in.skip(uint(e & 15))
		return uint(e >> 4), true
	}
	first, index := uint(0), uint(0) // codeword and place of the first symbol of a length
	for n := uint(1); n <= maxLength; n++ {
		count := uint(c.count[n])
		if word := bits >> (maxLength - n); word < first+count {
			in.skip(n)
			return uint(c.symbols[index+word-first]), true
		}
		first, index = (first+count)<<1, index+count
	}
	return 0, false
}
