package fstree

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// escape begins an escaped byte in a name: the replacement character, which
// every terminal shows as a mark of something that cannot be shown, followed
// by the byte as two upper-case hexadecimal digits.
const escape = "\uFFFD"

// EscapeName returns the form under which a tree shows a stored name. It is
// the name itself, unless io/fs cannot carry it: bytes that are not valid
// UTF-8 and slashes become U+FFFD and two hexadecimal digits, and so do "."
// and "..", which only a damaged directory holds. A stored U+FFFD is escaped
// too, so that the form is unambiguous.
func EscapeName(stored string) string {
	if stored != "." && stored != ".." && utf8.ValidString(stored) && !strings.ContainsAny(stored, "/"+escape) {
		return stored
	}
	var b strings.Builder
	for i := 0; i < len(stored); {
		r, n := utf8.DecodeRuneInString(stored[i:])
		if r == utf8.RuneError || r == '/' || stored == "." || stored == ".." {
			for _, c := range []byte(stored[i : i+n]) {
				b.WriteString(escape)
				b.WriteString(strings.ToUpper(hex.EncodeToString([]byte{c})))
			}
		} else {
			b.WriteString(stored[i : i+n])
		}
		i += n
	}
	return b.String()
}

// UnescapeName is the inverse of [EscapeName]. What is not an escape stands
// for itself.
func UnescapeName(name string) string {
	if !strings.Contains(name, escape) {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); {
		if rest, ok := strings.CutPrefix(name[i:], escape); ok && len(rest) >= 2 {
			if c, err := hex.DecodeString(rest[:2]); err == nil {
				b.WriteByte(c[0])
				i += len(escape) + 2
				continue
			}
		}
		b.WriteByte(name[i])
		i++
	}
	return b.String()
}
