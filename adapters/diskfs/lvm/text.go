package lvm

import (
	"errors"
	"fmt"
	"strconv"
)

// A section is a block of LVM's configuration text: "name { ... }" and
// "name = value", where a value is a string, an integer or a list of those.
type section struct {
	names    []string // of its sections, in the order of the text
	sections map[string]*section
	values   map[string][]any // string or int64; a single value is a list of one
}

// maxDepth bounds the nesting of sections; real metadata has four levels.
const maxDepth = 16

func parseText(text []byte) (*section, error) {
	p := parser{text: text}
	s, err := p.section(0)
	if err != nil {
		return nil, fmt.Errorf("lvm: metadata text, byte %d: %w", p.pos, err)
	}
	return s, nil
}

// section returns a subsection, an empty one if there is none.
func (s *section) section(name string) *section {
	if sub := s.sections[name]; sub != nil {
		return sub
	}
	return &section{}
}

// str returns a string value, "" if there is none.
func (s *section) str(name string) string {
	if v := s.values[name]; len(v) == 1 {
		str, _ := v[0].(string)
		return str
	}
	return ""
}

// number returns a value from 0 to limit.
func (s *section) number(name string, limit int64) (int64, error) {
	v := s.values[name]
	if len(v) != 1 {
		return 0, fmt.Errorf("no %s", name)
	}
	n, ok := v[0].(int64)
	if !ok || n < 0 || n > limit {
		return 0, fmt.Errorf("%s is %v, not a number up to %d", name, v[0], limit)
	}
	return n, nil
}

// has reports whether a list of strings holds one of them.
func (s *section) has(list, member string) bool {
	for _, v := range s.values[list] {
		if v == member {
			return true
		}
	}
	return false
}

type parser struct {
	text []byte
	pos  int
}

var errEnd = errors.New("unexpected end")

// section reads up to the closing brace, or at depth 0 to the end.
func (p *parser) section(depth int) (*section, error) {
	if depth > maxDepth {
		return nil, errors.New("sections nested too deeply")
	}
	s := &section{sections: map[string]*section{}, values: map[string][]any{}}
	for {
		switch c := p.next(); {
		case c == 0 && depth == 0:
			return s, nil
		case c == 0:
			return nil, errEnd
		case c == '}' && depth > 0:
			p.pos++
			return s, nil
		}
		name, err := p.word()
		if err != nil {
			return nil, err
		}
		switch p.next() {
		case '{':
			p.pos++
			sub, err := p.section(depth + 1)
			if err != nil {
				return nil, err
			}
			if s.sections[name] == nil {
				s.names = append(s.names, name)
			}
			s.sections[name] = sub
		case '=':
			p.pos++
			if s.values[name], err = p.value(); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("%q is neither a section nor a value", name)
		}
	}
}

// next skips space and comments and returns the byte that follows, 0 at the
// end. A NUL ends the text: LVM pads with it.
func (p *parser) next() byte {
	for p.pos < len(p.text) {
		switch c := p.text[p.pos]; c {
		case ' ', '\t', '\n', '\r':
			p.pos++
		case '#':
			for p.pos < len(p.text) && p.text[p.pos] != '\n' {
				p.pos++
			}
		default:
			return c
		}
	}
	return 0
}

func (p *parser) word() (string, error) {
	start := p.pos
	for p.pos < len(p.text) && isWord(p.text[p.pos]) {
		p.pos++
	}
	if p.pos == start {
		return "", fmt.Errorf("unexpected %q", p.text[p.pos:min(p.pos+1, len(p.text))])
	}
	return string(p.text[start:p.pos]), nil
}

func isWord(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return c == '_' || c == '-' || c == '+' || c == '.' || c == '/'
}

func (p *parser) value() ([]any, error) {
	if p.next() != '[' {
		v, err := p.scalar()
		return []any{v}, err
	}
	p.pos++
	var list []any
	for {
		switch p.next() {
		case ']':
			p.pos++
			return list, nil
		case ',':
			p.pos++
		default:
			v, err := p.scalar()
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
	}
}

// scalar reads a quoted string or a number. A number that is not an integer
// (LVM writes none that matter here) is kept as its text.
func (p *parser) scalar() (any, error) {
	if p.next() == '"' {
		return p.quoted()
	}
	w, err := p.word()
	if err != nil {
		return nil, err
	}
	if n, err := strconv.ParseInt(w, 10, 64); err == nil {
		return n, nil
	}
	return w, nil
}

func (p *parser) quoted() (string, error) {
	var out []byte
	for p.pos++; p.pos < len(p.text); p.pos++ {
		switch c := p.text[p.pos]; c {
		case '"':
			p.pos++
			return string(out), nil
		case '\\':
			if p.pos++; p.pos == len(p.text) {
				return "", errEnd
			}
			out = append(out, p.text[p.pos])
		default:
			out = append(out, c)
		}
	}
	return "", errEnd
}
