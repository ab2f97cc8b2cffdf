package wof

// xpress decompresses a chunk: 512 lengths of codewords of 4 bits each, then
// symbols. One below 256 is a byte, any other a match.
func (d *Decoder) xpress(dst, src []byte) error {
	const symbols = 512
	if len(src) < symbols/2 {
		return ErrCorrupt
	}
	lengths := d.lengths[:symbols]
	for i, b := range src[:symbols/2] {
		lengths[2*i], lengths[2*i+1] = b&15, b>>4
	}
	if err := d.main.build(lengths); err != nil {
		return err
	}
	in := &d.in
	in.reset(src[symbols/2:])
	for at := 0; at < len(dst); {
		symbol, ok := d.main.next(in)
		if !ok || in.exhausted() {
			return ErrCorrupt
		}
		if symbol < 256 {
			dst[at] = byte(symbol)
			at++
			continue
		}
		// The bytes of a long match lie after the words that are read by now.
		in.need(16)
		bits := symbol >> 4 & 15
		distance := 1<<bits | int(in.take(bits))
		length := int(symbol & 15)
		if length == 15 {
			length += int(in.byte())
			if length == 15+255 {
				length = int(in.uint16())
			}
		}
		length += 3
		if err := copyMatch(dst, at, distance, length); err != nil {
			return err
		}
		at += length
	}
	if in.exhausted() {
		return ErrCorrupt
	}
	return nil
}
