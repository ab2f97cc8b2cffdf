// Package show makes what comes from an image fit for people: for a terminal,
// which obeys control characters, and for a page, on which characters that
// change the direction of writing make a name look like another one. Every
// name, label, target, note and error of the command and of its pages goes
// through it.
package show

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Name is a name or path of a tree for a terminal: itself where all of it can
// be seen and is ASCII or a letter that prints, else quoted in the way of bash,
// $'...', which can be pasted back.
func Name(name string) string {
	for i := 0; i < len(name); i++ {
		if c := name[i]; c < 0x20 || c >= 0x7f {
			return quote(name)
		}
	}
	return name
}

func quote(name string) string {
	quoted := strconv.Quote(name)
	body := quoted[1 : len(quoted)-1]
	if strings.ReplaceAll(strings.ReplaceAll(body, `\"`, `"`), `\\`, `\`) == name {
		return name // no more than backslashes and double quotes
	}
	body = strings.ReplaceAll(strings.ReplaceAll(body, `\"`, `"`), `'`, `\'`)
	return "$'" + body + "'"
}

// Text is a line of text with something of an image in it: what a terminal or
// a page would obey is shown as an escape.
func Text(s string) string { return escape(s, hidden) }

// Lines is [Text] for text of several lines.
func Lines(s string) string {
	return escape(s, func(r rune) bool { return r != '\n' && r != '\t' && hidden(r) })
}

// FileName is a name for a file that others are to keep on their own machine:
// without what is hidden or not valid, and without what separates paths there.
func FileName(s string) string {
	return strings.Map(func(r rune) rune {
		if hidden(r) || r == utf8.RuneError || strings.ContainsRune(`/\:`, r) {
			return '_'
		}
		return r
	}, s)
}

func escape(s string, hidden func(rune) bool) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, r < utf8.RuneSelf && hidden(r):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case hidden(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// hidden reports whether a character shows nothing by itself but changes what
// is shown: controls, formats (the bidirectional ones among them), separators
// of lines.
func hidden(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }
