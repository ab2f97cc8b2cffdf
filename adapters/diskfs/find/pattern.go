package find

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// ErrPattern is returned for a pattern that has no meaning, as one with a bracket
// that is not closed.
var ErrPattern = errors.New("find: malformed pattern")

// Pattern is a shell's pattern for names, as fnmatch(3) has it without flags:
// * stands for any text, slashes included, ? for one character, [a-z] and [!a-z]
// for one of a set, with classes such as [:digit:] in it, and a backslash takes
// the meaning from what follows. Bytes that are not UTF-8 are a character each.
type Pattern struct {
	parts   []part
	fold    bool
	escaped bool // it speaks of the form that trees show
}

type part struct {
	kind partKind
	char rune // of one
	set  set
}

type partKind int

const (
	one partKind = iota // a given character
	any1
	some // any text
	among
)

type set struct {
	not     bool
	ranges  [][2]rune
	classes []func(rune) bool
}

// invalid is the first of 256 numbers, which are no characters, for bytes that
// are not UTF-8.
const invalid = utf8.MaxRune + 1

// CompilePattern reads a pattern. foldCase has it match whatever the case of
// letters is.
func CompilePattern(text string, foldCase bool) (*Pattern, error) {
	p := &Pattern{fold: foldCase, escaped: speaksOfEscapes(text)}
	for rest := text; rest != ""; {
		r, n := decode(rest)
		rest = rest[n:]
		switch {
		case r == '*':
			if len(p.parts) == 0 || p.parts[len(p.parts)-1].kind != some {
				p.parts = append(p.parts, part{kind: some})
			}
			continue
		case r == '?':
			p.parts = append(p.parts, part{kind: any1})
			continue
		case r == '[':
			s, n, err := parseSet(rest)
			if err != nil {
				return nil, fmt.Errorf("%w: %q: %w", ErrPattern, text, err)
			}
			if n > 0 {
				p.parts = append(p.parts, part{kind: among, set: s})
				rest = rest[n:]
				continue
			}
		case r == '\\':
			if rest == "" {
				return nil, fmt.Errorf("%w: %q: nothing follows the backslash", ErrPattern, text)
			}
			r, n = decode(rest)
			rest = rest[n:]
		}
		p.parts = append(p.parts, part{kind: one, char: p.folded(r)})
	}
	return p, nil
}

// parseSet reads what follows an opening bracket. One that is not closed stands
// for itself: n is 0 then.
func parseSet(text string) (s set, n int, err error) {
	rest := text
	if strings.HasPrefix(rest, "!") || strings.HasPrefix(rest, "^") {
		s.not, rest = true, rest[1:]
	}
	for first := true; ; first = false {
		switch {
		case rest == "":
			return set{}, 0, nil
		case rest[0] == ']' && !first:
			return s, len(text) - len(rest) + 1, nil
		case strings.HasPrefix(rest, "[:"):
			name, after, ok := strings.Cut(rest[2:], ":]")
			if ok {
				class := classOf(name)
				if class == nil {
					return set{}, 0, fmt.Errorf("there is no class [:%s:]", name)
				}
				s.classes, rest = append(s.classes, class), after
				continue
			}
		}
		var from, to rune
		if from, rest = setChar(rest); rest == "" {
			return set{}, 0, nil
		}
		to = from
		if rest[0] == '-' && len(rest) > 1 && rest[1] != ']' {
			to, rest = setChar(rest[1:])
		}
		s.ranges = append(s.ranges, [2]rune{from, to})
	}
}

func setChar(text string) (rune, string) {
	if text[0] == '\\' && len(text) > 1 {
		text = text[1:]
	}
	r, n := decode(text)
	return r, text[n:]
}

func classOf(name string) func(rune) bool {
	switch name {
	case "alpha":
		return unicode.IsLetter
	case "digit":
		return func(r rune) bool { return '0' <= r && r <= '9' }
	case "alnum":
		return func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	case "upper":
		return unicode.IsUpper
	case "lower":
		return unicode.IsLower
	case "space":
		return unicode.IsSpace
	case "blank":
		return func(r rune) bool { return r == ' ' || r == '\t' }
	case "punct":
		return func(r rune) bool { return unicode.IsPunct(r) || unicode.IsSymbol(r) }
	case "print":
		return unicode.IsPrint
	case "graph":
		return unicode.IsGraphic
	case "cntrl":
		return unicode.IsControl
	case "xdigit":
		return func(r rune) bool { return strings.ContainsRune("0123456789abcdefABCDEF", r) }
	}
	return nil
}

func decode(s string) (rune, int) {
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n == 1 {
		return invalid + rune(s[0]), 1
	}
	return r, n
}

func (p *Pattern) folded(r rune) rune {
	if !p.fold || r >= invalid {
		return r
	}
	return unicode.ToLower(r)
}

// Match reports whether all of the text matches.
func (p *Pattern) Match(text string) bool {
	// Only the last * seen is tried again: whatever an earlier one would take
	// more, the later one can take too. The work is bounded by the product of
	// the lengths.
	at, retry, retryText := 0, -1, ""
	for rest := text; ; {
		if at < len(p.parts) && p.parts[at].kind == some {
			at++
			retry, retryText = at, rest
			continue
		}
		if rest == "" && at == len(p.parts) {
			return true
		}
		if rest != "" && at < len(p.parts) {
			r, n := decode(rest)
			if p.matchOne(&p.parts[at], r) {
				rest = rest[n:]
				at++
				continue
			}
		}
		if retry < 0 || retryText == "" {
			return false
		}
		_, n := decode(retryText)
		retryText = retryText[n:]
		at, rest = retry, retryText
	}
}

func (p *Pattern) matchOne(want *part, r rune) bool {
	switch want.kind {
	case one:
		return p.folded(r) == want.char
	case among:
		return want.set.has(r, p.folded) != want.set.not
	}
	return true
}

// has folds the ends of ranges, as the C library does.
func (s *set) has(r rune, fold func(rune) rune) bool {
	for _, x := range s.ranges {
		if fold(x[0]) <= fold(r) && fold(r) <= fold(x[1]) {
			return true
		}
	}
	for _, in := range s.classes {
		if r < invalid && in(r) {
			return true
		}
	}
	return false
}

// matchShown matches a name or path of a tree: the bytes that are stored or, if the
// pattern has an escape as trees show them, the form that is shown.
func (p *Pattern) matchShown(shown string) bool {
	return p.Match(fstree.UnescapeName(shown)) || p.escaped && p.Match(shown)
}

// speaksOfEscapes reports whether a text has an escape of fstree.
func speaksOfEscapes(text string) bool { return fstree.UnescapeName(text) != text }

// HasMeta reports whether a text is a pattern and no plain name: whether one of
// the characters *, ? and [ stands in it without a backslash.
func HasMeta(text string) bool {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '*', '?', '[':
			return true
		case '\\':
			i++
		}
	}
	return false
}

// Unquote takes the backslashes out of a text that is no pattern.
func Unquote(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var b bytes.Buffer
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String()
}
