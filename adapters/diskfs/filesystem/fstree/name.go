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
// the name itself, unless io/fs or the systems that names go to cannot
// represent it: bytes that are not valid UTF-8, slashes and NULs become U+FFFD
// and two hexadecimal digits, and so do "." and "..", which only a damaged
// directory holds. A stored U+FFFD is escaped too, so that the form is
// unambiguous.
func EscapeName(stored string) string {
	if stored == "." || stored == ".." {
		return escapeName(stored)
	}
	for i := range len(stored) {
		if c := stored[i]; c >= utf8.RuneSelf || c == '/' || c == 0 {
			return escapeName(stored)
		}
	}
	return stored
}

// escapeName is EscapeName for whatever is not plain ASCII.
func escapeName(stored string) string {
	if stored != "." && stored != ".." && utf8.ValidString(stored) && !strings.ContainsAny(stored, unsafe+escape) {
		return stored
	}
	var b strings.Builder
	for i := 0; i < len(stored); {
		r, n := utf8.DecodeRuneInString(stored[i:])
		if r == utf8.RuneError || strings.ContainsRune(unsafe, r) || stored == "." || stored == ".." {
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

// unsafe are the bytes that no system has in a name.
const unsafe = "/\x00"

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

// OutwardPath turns a path of a tree into the one under which its file leaves
// the tree: as a member of an archive, or as a file of the host. Elements have
// their stored bytes, as other programs would write them; those that could
// mean another file there (".", "..", what holds a slash or a NUL) keep the
// escaped form. Different paths stay different, and none has more or fewer
// elements than before.
func OutwardPath(shown string) string {
	if !strings.Contains(shown, escape) {
		return shown
	}
	elems := strings.Split(shown, "/")
	for i, elem := range elems {
		stored := UnescapeName(elem)
		if !strings.ContainsAny(stored, unsafe) && !likeEscaped(stored) && EscapeName(stored) == elem && stored != "." && stored != ".." {
			elems[i] = stored
		}
	}
	return strings.Join(elems, "/")
}

// likeEscaped reports whether a stored name could be taken for the escaped form
// of one that OutwardPath keeps escaped: each of those has the escape of a byte
// that is unsafe, or of the first byte of a stored U+FFFD.
func likeEscaped(stored string) bool {
	for _, part := range strings.Split(stored, escape)[1:] {
		switch part[:min(len(part), 2)] {
		case "2F", "00", "2E", "EF":
			return true
		}
	}
	return false
}
