package erofs

import "errors"

var errLZMA = errors.New("its LZMA is corrupt")

// unlzma decodes n bytes of MicroLZMA: an LZMA stream without a header and without
// a marker at its end. Its first byte, which is 0 in every LZMA stream, is the
// complement of lc, lp and pb (liblzma's microlzma.h). The stream may go on after
// the n bytes.
func unlzma(src []byte, n int) ([]byte, error) {
	if len(src) < 5 {
		return nil, errLZMA
	}
	props := int(^src[0])
	d := lzmaDecoder{src: src[5:], code: be.Uint32(src[1:]), span: 1<<32 - 1, lc: uint(props % 9), lp: uint(props / 9 % 5), pb: uint(props / 45)}
	if props >= 9*5*5 || d.lc+d.lp > 4 { // as in Linux; more takes memory that nobody needs
		return nil, errLZMA
	}
	d.literals = make([]prob, 0x300<<(d.lc+d.lp))
	d.begin()
	return d.decode(n)
}

// prob is how likely a bit is 0, of 2048.
type prob uint16

const (
	half      = 1 << 10
	lzmaState = 12 // states
	// A state below this one comes after a literal.
	afterLiteral = 7
	posStates    = 16
	lenStates    = 4 // of a distance, by the length of its match
)

// lzmaDecoder is the decoder of the LZMA specification (LZMA SDK), which writes to
// memory that is its dictionary, too.
type lzmaDecoder struct {
	src        []byte
	code, span uint32
	short      bool // more was wanted than there is
	lc, lp, pb uint

	match, rep0Long  [lzmaState][posStates]prob
	rep, rep0        [lzmaState]prob
	rep1, rep2       [lzmaState]prob
	slots            [lenStates][64]prob
	far              [128]prob // of distances from 4 to 127
	align            [16]prob
	matchLen, repLen lzmaLength
	literals         []prob
	back             [4]uint32 // the last distances, less 1
	state            int
}

// lzmaLength is how a length is coded.
type lzmaLength struct {
	long, longer prob
	low, mid     [posStates][8]prob
	high         [256]prob
}

func even(p []prob) {
	for i := range p {
		p[i] = half
	}
}

func (d *lzmaDecoder) begin() {
	for i := range lzmaState {
		even(d.match[i][:])
		even(d.rep0Long[i][:])
	}
	for _, p := range [][]prob{d.rep[:], d.rep0[:], d.rep1[:], d.rep2[:], d.far[:], d.align[:], d.literals} {
		even(p)
	}
	for i := range d.slots {
		even(d.slots[i][:])
	}
	for _, l := range []*lzmaLength{&d.matchLen, &d.repLen} {
		l.long, l.longer = half, half
		for i := range posStates {
			even(l.low[i][:])
			even(l.mid[i][:])
		}
		even(l.high[:])
	}
}

// more takes a byte in if there is room for one.
func (d *lzmaDecoder) more() {
	if d.span >= 1<<24 {
		return
	}
	d.span <<= 8
	d.code <<= 8
	if len(d.src) == 0 {
		d.short = true
		return
	}
	d.code |= uint32(d.src[0])
	d.src = d.src[1:]
}

func (d *lzmaDecoder) bit(p *prob) int {
	d.more()
	bound := d.span >> 11 * uint32(*p)
	if d.code < bound {
		d.span = bound
		*p += (1<<11 - *p) >> 5
		return 0
	}
	d.span -= bound
	d.code -= bound
	*p -= *p >> 5
	return 1
}

// tree reads bits, the highest first, each by what came before it.
func (d *lzmaDecoder) tree(p []prob, bits int) int {
	m := 1
	for range bits {
		m = m<<1 | d.bit(&p[m])
	}
	return m - 1<<bits
}

// reverse reads bits, the lowest first.
func (d *lzmaDecoder) reverse(p []prob, bits int) (v uint32) {
	m := 1
	for i := range bits {
		b := d.bit(&p[m])
		m = m<<1 | b
		v |= uint32(b) << i
	}
	return v
}

// direct reads bits that are as often 0 as 1.
func (d *lzmaDecoder) direct(bits int) (v uint32) {
	for range bits {
		d.more()
		d.span >>= 1
		v <<= 1
		if d.code >= d.span {
			d.code -= d.span
			v |= 1
		}
	}
	return v
}

func (d *lzmaDecoder) length(l *lzmaLength, pos int) int {
	const least = 2
	if d.bit(&l.long) == 0 {
		return least + d.tree(l.low[pos][:], 3)
	}
	if d.bit(&l.longer) == 0 {
		return least + 8 + d.tree(l.mid[pos][:], 3)
	}
	return least + 16 + d.tree(l.high[:], 8)
}

// distance reads a distance, less 1, of a match of a length.
func (d *lzmaDecoder) distance(length int) uint32 {
	slot := d.tree(d.slots[min(length-2, lenStates-1)][:], 6)
	if slot < 4 {
		return uint32(slot)
	}
	bits := slot>>1 - 1
	base := uint32(2|slot&1) << bits
	if slot < 14 {
		return base + d.reverse(d.far[int(base)-slot:], bits)
	}
	return base + d.direct(bits-4)<<4 + d.reverse(d.align[:], 4)
}

// literal reads a byte. After a match it is likely to differ from the one that
// would have followed there.
func (d *lzmaDecoder) literal(dst []byte) byte {
	var last byte
	if len(dst) > 0 {
		last = dst[len(dst)-1]
	}
	which := (len(dst)&(1<<d.lp-1))<<d.lc | int(last)>>(8-d.lc)
	p := d.literals[0x300*which:][:0x300]
	m := 1
	if d.state >= afterLiteral {
		like := int(dst[len(dst)-1-int(d.back[0])])
		for m < 0x100 {
			like <<= 1
			expected := like >> 8 & 1
			b := d.bit(&p[(1+expected)<<8|m])
			m = m<<1 | b
			if b != expected {
				break
			}
		}
	}
	for m < 0x100 {
		m = m<<1 | d.bit(&p[m])
	}
	return byte(m)
}

// repeat reads which of the last distances comes again, and how long the match is.
func (d *lzmaDecoder) repeat(pos int) int {
	s := d.state
	after := func(literal, match int) {
		if s < afterLiteral {
			d.state = literal
		} else {
			d.state = match
		}
	}
	if d.bit(&d.rep0[s]) == 0 {
		if d.bit(&d.rep0Long[s][pos]) == 0 {
			after(9, 11)
			return 1
		}
	} else {
		which := 1
		if d.bit(&d.rep1[s]) != 0 {
			which = 2 + d.bit(&d.rep2[s])
		}
		chosen := d.back[which]
		copy(d.back[1:which+1], d.back[:which])
		d.back[0] = chosen
	}
	after(8, 11)
	return d.length(&d.repLen, pos)
}

func (d *lzmaDecoder) decode(n int) ([]byte, error) {
	var dst []byte
	for len(dst) < n {
		pos := len(dst) & (1<<d.pb - 1)
		if d.bit(&d.match[d.state][pos]) == 0 {
			dst = append(dst, d.literal(dst))
			switch {
			case d.state < 4:
				d.state = 0
			case d.state < 10:
				d.state -= 3
			default:
				d.state -= 6
			}
		} else {
			var length int
			if d.bit(&d.rep[d.state]) != 0 {
				length = d.repeat(pos)
			} else {
				copy(d.back[1:], d.back[:3])
				length = d.length(&d.matchLen, pos)
				d.back[0] = d.distance(length)
				if d.state < afterLiteral {
					d.state = 7
				} else {
					d.state = 10
				}
			}
			back := int64(d.back[0]) + 1
			if back > int64(len(dst)) {
				return nil, errLZMA
			}
			dst = repeatBytes(dst, int(back), min(length, n-len(dst)))
		}
		if d.short {
			return nil, errLZMA
		}
	}
	return dst, nil
}

// repeatBytes appends n bytes that lie so far back, which may overlap themselves.
func repeatBytes(dst []byte, back, n int) []byte {
	for n > 0 {
		part := dst[len(dst)-back:]
		part = part[:min(len(part), n)]
		dst = append(dst, part...)
		n -= len(part)
	}
	return dst
}
