// Package lscolors colours names as GNU ls does, by the environment's LS_COLORS
// (dircolors(1), and src/ls.c of coreutils).
package lscolors

import (
	"io/fs"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Colors are the sequences that LS_COLORS has, by what a file is.
type Colors struct {
	kinds      map[string]string
	extensions []extension // what comes first wins
}

type extension struct{ suffix, sequence string }

// defaults are those of ls.
func defaults() map[string]string {
	return map[string]string{
		"lc": "\x1b[", "rc": "m", "rs": "0", "di": "01;34", "ln": "01;36", "pi": "33", "so": "01;35", "bd": "01;33", "cd": "01;33",
		"ex": "01;32", "do": "01;35", "su": "37;41", "sg": "30;43", "st": "37;44", "ow": "34;42", "tw": "30;42",
	}
}

// Parse reads LS_COLORS. Settings of what is not known are ignored.
func Parse(text string) *Colors {
	c := &Colors{kinds: defaults()}
	for _, setting := range strings.Split(text, ":") {
		name, sequence, ok := strings.Cut(setting, "=")
		if !ok {
			continue
		}
		sequence = unescape(sequence)
		if suffix, ok := strings.CutPrefix(name, "*"); ok {
			c.extensions = append([]extension{{unescape(suffix), sequence}}, c.extensions...)
			continue
		}
		c.kinds[name] = sequence
	}
	return c
}

// unescape resolves the escapes of LS_COLORS: \e, ^[, \033 and the like.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '^' && i+1 < len(s):
			i++
			b.WriteByte(s[i] & 0x1f)
		case s[i] != '\\' || i+1 == len(s):
			b.WriteByte(s[i])
		default:
			i++
			if c := strings.IndexByte("abefnrtv_", s[i]); c >= 0 {
				b.WriteByte("\a\b\x1b\f\n\r\t\v "[c])
				break
			}
			n, v := i, 0
			for n < len(s) && n < i+3 && s[n] >= '0' && s[n] <= '7' {
				v, n = v*8+int(s[n]-'0'), n+1
			}
			if n == i {
				b.WriteByte(s[i])
				break
			}
			b.WriteByte(byte(v))
			i = n - 1
		}
	}
	return b.String()
}

// has reports whether a kind has a colour: 0 is none.
func (c *Colors) has(kind string) bool {
	s := c.kinds[kind]
	return s != "" && s != "0" && s != "00"
}

// asTarget reports whether a symbolic link has the colour of what it leads to.
func (c *Colors) asTarget() bool { return c.kinds["ln"] == "target" }

// Follows reports whether it matters where a symbolic link leads. long is of a
// listing that shows targets.
func (c *Colors) Follows(long bool) bool {
	return c.has("or") || c.asTarget() && c.has("ex") || long && c.has("mi")
}

// Link is where a symbolic link leads.
type Link struct {
	Lost bool         // nowhere
	Stat *fstree.Stat // what is there
}

// Sequence is the colour of a file, "" for none. link is of symbolic links.
func (c *Colors) Sequence(name string, st *fstree.Stat, link Link) string {
	kind := c.kind(st)
	if kind == "ln" {
		switch {
		case link.Lost && (c.asTarget() || c.has("or")):
			return c.kinds["or"]
		case c.asTarget() && link.Stat != nil:
			return c.Sequence(name, link.Stat, Link{})
		}
	}
	if kind == "fi" {
		if s, ok := c.byExtension(name); ok {
			return s
		}
	}
	return c.kinds[kind]
}

// Missing is the colour of a link's target that is not there.
func (c *Colors) Missing() string {
	if c.has("mi") {
		return c.kinds["mi"]
	}
	return c.kinds["or"]
}

// kind is what LS_COLORS calls a file.
func (c *Colors) kind(st *fstree.Stat) string {
	m := st.Mode
	first := func(kinds ...string) string {
		for _, k := range kinds[:len(kinds)-1] {
			if k != "" && c.has(k) {
				return k
			}
		}
		return kinds[len(kinds)-1]
	}
	when := func(is bool, kind string) string {
		if is {
			return kind
		}
		return ""
	}
	switch m.Type() {
	case 0:
		return first(when(m&fs.ModeSetuid != 0, "su"), when(m&fs.ModeSetgid != 0, "sg"),
			when(m&0o111 != 0, "ex"), when(st.Nlink > 1, "mh"), "fi")
	case fs.ModeDir:
		sticky, others := m&fs.ModeSticky != 0, m&0o002 != 0
		return first(when(sticky && others, "tw"), when(others, "ow"), when(sticky, "st"), "di")
	case fs.ModeSymlink:
		return "ln"
	case fs.ModeNamedPipe:
		return "pi"
	case fs.ModeSocket:
		return "so"
	case fs.ModeDevice:
		return "bd"
	case fs.ModeDevice | fs.ModeCharDevice:
		return "cd"
	}
	return "or"
}

// byExtension looks for the end of a name: as it is written first, in any case
// then.
func (c *Colors) byExtension(name string) (string, bool) {
	folded, found := "", false
	for _, x := range c.extensions {
		if strings.HasSuffix(name, x.suffix) {
			return x.sequence, true
		}
		if !found && len(name) >= len(x.suffix) && strings.EqualFold(name[len(name)-len(x.suffix):], x.suffix) {
			folded, found = x.sequence, true
		}
	}
	return folded, found
}

// Paint puts a colour around a text.
func (c *Colors) Paint(sequence, text string) string {
	if sequence == "" {
		return text
	}
	return c.kinds["lc"] + sequence + c.kinds["rc"] + text + c.Reset()
}

// Reset ends a colour. ls prints it before the first one, too.
func (c *Colors) Reset() string {
	if ec, ok := c.kinds["ec"]; ok {
		return ec
	}
	return c.kinds["lc"] + c.kinds["rs"] + c.kinds["rc"]
}
