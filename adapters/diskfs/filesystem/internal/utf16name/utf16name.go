// Package utf16name turns names that are stored in UTF-16 into UTF-8 and back,
// without loss. Half a surrogate pair, which UTF-8 does not have, becomes the
// three bytes that its number would have (the form that is known as WTF-8), so
// that two names that differ stay two names.
package utf16name

import (
	"unicode/utf16"
	"unicode/utf8"
)

// Append appends units in UTF-8.
func Append(b []byte, units []uint16) []byte {
	for i := 0; i < len(units); i++ {
		r := rune(units[i])
		switch {
		case r < utf8.RuneSelf:
			b = append(b, byte(r))
		case !utf16.IsSurrogate(r):
			b = utf8.AppendRune(b, r)
		default:
			if i+1 < len(units) {
				if pair := utf16.DecodeRune(r, rune(units[i+1])); pair != utf8.RuneError {
					b = utf8.AppendRune(b, pair)
					i++
					continue
				}
			}
			b = append(b, 0xE0|byte(r>>12), 0x80|byte(r>>6&0x3F), 0x80|byte(r&0x3F))
		}
	}
	return b
}

// Encode is the inverse of [Append]. Bytes that Append does not make become
// U+FFFD.
func Encode(name string) []uint16 {
	units := make([]uint16, 0, len(name))
	for i := 0; i < len(name); {
		if half, ok := half(name[i:]); ok {
			units = append(units, half)
			i += 3
			continue
		}
		r, n := utf8.DecodeRuneInString(name[i:])
		units = utf16.AppendRune(units, r)
		i += n
	}
	return units
}

// half decodes half a surrogate pair.
func half(s string) (uint16, bool) {
	if len(s) < 3 || s[0] != 0xED || s[1] < 0xA0 || s[1] > 0xBF || s[2] < 0x80 || s[2] > 0xBF {
		return 0, false
	}
	return 0xD000 | uint16(s[1]&0x3F)<<6 | uint16(s[2]&0x3F), true
}
