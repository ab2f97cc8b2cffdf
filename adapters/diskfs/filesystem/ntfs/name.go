package ntfs

import (
	"unicode/utf16"
	"unicode/utf8"
)

// decodeUTF16 turns a stored name into UTF-8. A surrogate without its
// partner becomes the three bytes that UTF-8 would have for it, which are not
// valid UTF-8 and so keep the name apart from every other.
func decodeUTF16(b []byte) string {
	out := make([]byte, 0, len(b))
	for i := 0; i+1 < len(b); i += 2 {
		u := rune(le.Uint16(b[i:]))
		if utf16.IsSurrogate(u) {
			if i+3 < len(b) {
				if r := utf16.DecodeRune(u, rune(le.Uint16(b[i+2:]))); r != utf8.RuneError {
					out = utf8.AppendRune(out, r)
					i += 2
					continue
				}
			}
			out = append(out, 0xE0|byte(u>>12), 0x80|byte(u>>6)&0xBF, 0x80|byte(u)&0xBF)
			continue
		}
		out = utf8.AppendRune(out, u)
	}
	return string(out)
}

// encodeUTF16 is the inverse of decodeUTF16; ok is false for what no stored
// name decodes to.
func encodeUTF16(s string) (units []uint16, ok bool) {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n <= 1 {
			if i+2 >= len(s) || s[i] != 0xED || s[i+1] < 0xA0 || s[i+1] > 0xBF || s[i+2]&0xC0 != 0x80 {
				return nil, false
			}
			units = append(units, 0xD000|uint16(s[i+1]&0x3F)<<6|uint16(s[i+2]&0x3F))
			i += 3
			continue
		}
		units = utf16.AppendRune(units, r)
		i += n
	}
	return units, true
}

// upcase is the volume's table of upper-case letters, by which names are
// ordered.
type upcase []uint16

func (u upcase) upper(c uint16) uint16 {
	if int(c) < len(u) {
		return u[c]
	}
	return c
}

// compare orders names as a directory does: by their letters regardless of
// case, then by case.
func (u upcase) compare(a []uint16, b []byte) int {
	order := 0
	for i := 0; i < len(a) && 2*i+1 < len(b); i++ {
		c := le.Uint16(b[2*i:])
		if x, y := u.upper(a[i]), u.upper(c); x != y {
			return int(x) - int(y)
		}
		if order == 0 {
			order = int(a[i]) - int(c)
		}
	}
	if n := len(a) - len(b)/2; n != 0 {
		return n
	}
	return order
}
