package inflate

import "math/bits"

// An entry of a table of codes: the bits of the code to take, what it is, and
// its value.
//
//	bits 0-4: length of the code   5-6: kind   8-12: extra bits   16-31: value
type entry uint32

const (
	kindLiteral = iota
	kindLength  // a base of a length or a distance, with extra bits
	kindEnd
	kindTable // the value is where a table for longer codes begins, extra its bits

	kindMask = 3 << 5
)

func makeEntry(kind, extra, value int) entry { return entry(kind<<5 | extra<<8 | value<<16) }

func (e entry) length() uint { return uint(e & 31) }
func (e entry) kind() int    { return int(e >> 5 & 3) }
func (e entry) extra() uint  { return uint(e >> 8 & 31) }
func (e entry) value() int   { return int(e >> 16) }

const (
	litlenBits = 11 // looked up at once
	distBits   = 9
	maxBits    = 15 // of a code
	maxLitlen  = 288
	maxDist    = 32

	// Longer codes need a table of their own for each of their beginnings: at
	// most one for each code.
	litlenEntries = 1<<litlenBits + maxLitlen<<(maxBits-litlenBits)
	distEntries   = 1<<distBits + maxDist<<(maxBits-distBits)
)

// litlenSymbol is the entry of a literal or a length (RFC 1951, 3.2.5).
func litlenSymbol(s int) entry {
	switch {
	case s < 256:
		return makeEntry(kindLiteral, 0, s)
	case s == 256:
		return makeEntry(kindEnd, 0, 0)
	case s < 265:
		return makeEntry(kindLength, 0, s-254)
	case s < 285:
		extra := (s - 261) / 4
		return makeEntry(kindLength, extra, 3+(4+(s-265)%4)<<extra)
	case s == 285:
		return makeEntry(kindLength, 0, 258)
	}
	return 0
}

// distSymbol is the entry of a distance.
func distSymbol(s int) entry {
	switch {
	case s < 4:
		return makeEntry(kindLength, 0, s+1)
	case s < 30:
		extra := (s - 2) / 2
		return makeEntry(kindLength, extra, 1+(2+s%2)<<extra)
	}
	return 0
}

// build fills a table for codes of these lengths. The first 1<<wide entries are
// looked up by the next bits of the stream. A symbol whose entry is 0 has no
// meaning.
func build(table []entry, wide uint, lengths []byte, symbol func(int) entry) error {
	var count [maxBits + 1]int
	for _, n := range lengths {
		count[n]++
	}
	if count[0] == len(lengths) {
		clear(table[:1<<wide]) // no codes: fine unless one is met
		return nil
	}
	count[0] = 0
	var next [maxBits + 2]int
	code := 0
	for n := 1; n <= maxBits; n++ {
		code = (code + count[n-1]) << 1
		next[n] = code
		if code+count[n] > 1<<n {
			return ErrCorrupt // more codes than there are
		}
	}
	if left := 1<<maxBits - (next[maxBits] + count[maxBits]); left > 0 && (count[1] != 1 || len(lengths)-zeroes(lengths) != 1) {
		return ErrCorrupt // only a single code may leave some unused
	}
	clear(table[:1<<wide])
	free := 1 << wide
	for s, n := range lengths {
		if n == 0 {
			continue
		}
		code := int(bits.Reverse16(uint16(next[n])) >> (16 - n))
		next[n]++
		e := symbol(s)
		if e == 0 && s != 0 {
			continue // it has a code, but no meaning
		}
		e |= entry(n)
		if uint(n) <= wide {
			for i := code; i < 1<<wide; i += 1 << n {
				table[i] = e
			}
			continue
		}
		low := code & (1<<wide - 1)
		if table[low] == 0 {
			table[low] = makeEntry(kindTable, int(maxBits-wide), free)
			clear(table[free : free+1<<(maxBits-wide)])
			free += 1 << (maxBits - wide)
		}
		sub := table[low].value()
		for i := code >> wide; i < 1<<(maxBits-wide); i += 1 << (uint(n) - wide) {
			table[sub+i] = e
		}
	}
	return nil
}

func zeroes(lengths []byte) int {
	k := 0
	for _, n := range lengths {
		if n == 0 {
			k++
		}
	}
	return k
}

// fixedTables sets the tables of blocks of type 1.
func (d *Decoder) fixedTables() {
	var lengths [maxLitlen]byte
	for s := range lengths {
		switch {
		case s < 144:
			lengths[s] = 8
		case s < 256:
			lengths[s] = 9
		case s < 280:
			lengths[s] = 7
		default:
			lengths[s] = 8
		}
	}
	_ = build(d.litlen[:], litlenBits, lengths[:], litlenSymbol) // complete, and so without an error
	var dist [maxDist]byte
	for s := range dist {
		dist[s] = 5
	}
	_ = build(d.dist[:], distBits, dist[:], distSymbol)
}

// order is the order in which the lengths of the code lengths' own codes come.
const order = "\x10\x11\x12\x00\x08\x07\x09\x06\x0a\x05\x0b\x04\x0c\x03\x0d\x02\x0e\x01\x0f"

// dynamicTables reads the tables of a block of type 2.
func (d *Decoder) dynamicTables() error {
	d.refill()
	litlens, dists, codes := int(d.take(5))+257, int(d.take(5))+1, int(d.take(4))+4
	if litlens > 286 || dists > 30 {
		return ErrCorrupt
	}
	var own [19]byte
	for i := range codes {
		d.refill()
		own[order[i]] = byte(d.take(3))
	}
	const ownBits = 7
	var table [1 << ownBits]entry
	if err := build(table[:], ownBits, own[:], func(s int) entry { return makeEntry(kindLength, 0, s) }); err != nil {
		return err
	}
	var lengths [286 + 30]byte
	for i := 0; i < litlens+dists; {
		d.refill()
		if d.over > 8 {
			return ErrShort
		}
		e := table[d.bits&(1<<ownBits-1)]
		if e == 0 {
			return ErrCorrupt
		}
		d.take(e.length())
		var n byte
		repeat := 1
		switch s := e.value(); s {
		case 16:
			if i == 0 {
				return ErrCorrupt
			}
			n, repeat = lengths[i-1], 3+int(d.take(2))
		case 17:
			repeat = 3 + int(d.take(3))
		case 18:
			repeat = 11 + int(d.take(7))
		default:
			n = byte(s)
		}
		if i+repeat > litlens+dists {
			return ErrCorrupt
		}
		for range repeat {
			lengths[i] = n
			i++
		}
	}
	if lengths[256] == 0 {
		return errNoEnd
	}
	if err := build(d.litlen[:], litlenBits, lengths[:litlens], litlenSymbol); err != nil {
		return err
	}
	return build(d.dist[:], distBits, lengths[litlens:litlens+dists], distSymbol)
}
