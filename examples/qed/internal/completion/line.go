package completion

import (
	"strings"
	"unicode/utf8"
)

// Quoting is what a shell's line is in the middle of.
type Quoting byte

const (
	Bare   Quoting = 0
	Single Quoting = '\''
	Double Quoting = '"'
	ANSI   Quoting = '$' // $'...'
)

// Word is a word of a line.
type Word struct {
	Text  string // without quotes
	Start int    // in the line, in bytes
}

// Split splits a line of bash into words. Quotes may be open at its end. value
// gives variables; those that there are not stand for themselves. The last word
// is the one that the line ends in, empty after a space.
func Split(line string, value func(name string) (string, bool)) (words []Word, end Quoting) {
	s := splitter{line: line, value: value}
	for s.at < len(line) {
		s.step()
	}
	return append(s.words, Word{s.text.String(), s.start}), s.quoting
}

type splitter struct {
	line    string
	at      int
	value   func(string) (string, bool)
	words   []Word
	text    strings.Builder
	start   int
	quoting Quoting
}

// step reads what has a meaning together.
func (s *splitter) step() {
	c := s.line[s.at]
	rest := s.line[s.at+1:]
	s.at++
	switch {
	case s.quoting == Single:
		if c == '\'' {
			s.quoting = Bare
			return
		}
	case s.quoting == ANSI:
		if c == '\'' {
			s.quoting = Bare
			return
		}
		if c == '\\' {
			text, n := unescape(rest)
			s.text.WriteString(text)
			s.at += n
			return
		}
	case c == '\\':
		s.backslash(rest)
		return
	case c == '"' && s.quoting == Double:
		s.quoting = Bare
		return
	case c == '$' && s.variable(rest):
		return
	case s.quoting == Double:
	case c == ' ' || c == '\t' || c == '\n':
		if s.at-1 > s.start {
			s.words = append(s.words, Word{s.text.String(), s.start})
		}
		s.text.Reset()
		s.start = s.at
		return
	case c == '\'' || c == '"':
		s.quoting = Quoting(c)
		return
	case c == '$' && strings.HasPrefix(rest, "'"):
		s.quoting = ANSI
		s.at++
		return
	case c == '~' && s.at-1 == s.start && (rest == "" || rest[0] == '/'):
		if home, ok := s.value("HOME"); ok {
			s.text.WriteString(home)
			return
		}
	}
	s.text.WriteByte(c)
}

// backslash reads what follows one.
func (s *splitter) backslash(rest string) {
	if rest == "" {
		return // what it is for is not typed yet
	}
	if s.quoting == Double && strings.IndexByte("$`\"\\\n", rest[0]) < 0 {
		s.text.WriteByte('\\')
	}
	if rest[0] != '\n' {
		s.text.WriteByte(rest[0])
	}
	s.at++
}

// variable reads $NAME or ${NAME}, if that is what follows.
func (s *splitter) variable(rest string) bool {
	name, braces := strings.CutPrefix(rest, "{")
	n := 0
	for n < len(name) && (name[n] == '_' || name[n]|0x20 >= 'a' && name[n]|0x20 <= 'z' || n > 0 && name[n] >= '0' && name[n] <= '9') {
		n++
	}
	after := name[n:]
	if n == 0 || braces && !strings.HasPrefix(after, "}") {
		return false
	}
	value, ok := s.value(name[:n])
	if !ok {
		return false
	}
	s.text.WriteString(value)
	s.at += n
	if braces {
		s.at += len("{}")
	}
	return true
}

// escapes are those of $'...' that are one character.
var escapes = map[byte]string{
	'a': "\a", 'b': "\b", 'e': "\x1b", 'E': "\x1b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v",
	'\\': "\\", '\'': "'", '"': `"`, '?': "?",
}

// unescape resolves what follows a backslash in $'...', and says how long it is.
func unescape(rest string) (text string, n int) {
	if rest == "" {
		return "", 0
	}
	if text, ok := escapes[rest[0]]; ok {
		return text, 1
	}
	number := func(skip, most, base int) (rune, int) {
		v, n := 0, skip
		for n < len(rest) && n < skip+most {
			d := strings.IndexByte("0123456789abcdef", rest[n]|0x20)
			if rest[n] < 'A' {
				d = int(rest[n]) - '0'
			}
			if d < 0 || d >= base {
				break
			}
			v, n = v*base+d, n+1
		}
		return rune(v), n
	}
	switch rest[0] {
	case 'x':
		if v, n := number(1, 2, 16); n > 1 {
			return string([]byte{byte(v)}), n
		}
	case 'u', 'U':
		if v, n := number(1, map[byte]int{'u': 4, 'U': 8}[rest[0]], 16); n > 1 {
			return string(utf8.AppendRune(nil, v)), n
		}
	}
	if v, n := number(0, 3, 8); n > 0 {
		return string([]byte{byte(v)}), n
	}
	return `\`, 0
}
