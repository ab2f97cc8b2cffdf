package completion

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Quote is a text as it is typed in the middle of what is open: the shell reads
// the text. What would not be seen, or would move the cursor, is written as an
// escape where that is possible.
func Quote(text string, in Quoting) string {
	switch in {
	case Single:
		return strings.ReplaceAll(text, "'", `'\''`)
	case Double:
		return escape(text, "$`\"\\")
	case ANSI:
		return ansi(text)
	}
	var b strings.Builder
	for text != "" {
		n := run(text, false)
		b.WriteString(escape(text[:n], " \"'\\$`&;|()<>*?[]{}~#!"))
		text = text[n:]
		if n = run(text, true); n > 0 {
			b.WriteString("$'" + ansi(text[:n]) + "'")
		}
		text = text[n:]
	}
	return b.String()
}

// run is how many bytes a text begins with that are seen, or unseen.
func run(text string, hidden bool) (n int) {
	for n < len(text) {
		r, size := utf8.DecodeRuneInString(text[n:])
		if unseen(r, size) != hidden {
			break
		}
		n += size
	}
	return n
}

// unseen reports whether a character shows nothing by itself; a byte that is none
// is such a one, too.
func unseen(r rune, size int) bool { return r == utf8.RuneError && size == 1 || !unicode.IsPrint(r) }

func escape(text, special string) string {
	var b strings.Builder
	for i := range len(text) {
		if strings.IndexByte(special, text[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// ansi is a text between $' and '. No escape is longer than two digits: what
// follows could be read as a third.
func ansi(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\'' || r == '\\':
			b.WriteString(`\` + string(r))
		case unseen(r, size):
			for _, c := range []byte(text[i : i+size]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		default:
			b.WriteString(text[i : i+size])
		}
		i += size
	}
	return b.String()
}
