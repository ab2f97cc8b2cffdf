package erofs

import "errors"

var errLZ4 = errors.New("its LZ4 is corrupt")

// unlz4 decodes an LZ4 block to n bytes. The block may go on after them: without
// padding only its end is known that way. (Format: LZ4 block format description 1.6.)
func unlz4(src []byte, n int) ([]byte, error) {
	dst := make([]byte, 0, n)
	// length adds to a length of 15 what follows.
	length := func(l int) (int, bool) {
		if l < 15 {
			return l, true
		}
		for len(src) > 0 {
			c := src[0]
			src = src[1:]
			if l += int(c); l > n+15+255 {
				return l, true // too long, whatever follows
			}
			if c < 255 {
				return l, true
			}
		}
		return 0, false
	}
	for len(dst) < n {
		if len(src) == 0 {
			return nil, errLZ4
		}
		token := src[0]
		src = src[1:]
		literals, ok := length(int(token >> 4))
		if !ok {
			return nil, errLZ4
		}
		literals = min(literals, n-len(dst))
		if literals > len(src) {
			return nil, errLZ4
		}
		dst, src = append(dst, src[:literals]...), src[literals:]
		if len(dst) == n {
			break
		}
		if len(src) < 2 {
			return nil, errLZ4
		}
		back := int(le.Uint16(src))
		src = src[2:]
		match, ok := length(int(token & 15))
		if !ok || back == 0 || back > len(dst) {
			return nil, errLZ4
		}
		dst = repeatBytes(dst, back, min(match+4, n-len(dst)))
	}
	return dst, nil
}
