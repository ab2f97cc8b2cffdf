package show_test

import (
	"testing"

	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

func TestNothingThatATerminalObeysIsShown(t *testing.T) {
	for _, c := range []struct{ in, name, text, lines string }{
		{"etc/passwd", "etc/passwd", "etc/passwd", "etc/passwd"},
		{"größe", "größe", "größe", "größe"},
		{"a b\\c\"d", "a b\\c\"d", "a b\\c\"d", "a b\\c\"d"},
		{"\x1b[31mred", `$'\x1b[31mred'`, `\x1b[31mred`, `\x1b[31mred`},
		{"two\nlines", `$'two\nlines'`, `two\x0alines`, "two\nlines"},
		{"gpj.\u202eexe", `$'gpj.\u202eexe'`, `gpj.\u202eexe`, `gpj.\u202eexe`},
		{"it's\u2066", `$'it\'s\u2066'`, `it's\u2066`, `it's\u2066`},
		{"\u009b31m", `$'\u009b31m'`, `\u009b31m`, `\u009b31m`},
		{"caf\xe9", `$'caf\xe9'`, `caf\xe9`, `caf\xe9`},
		{"line\u2028", `$'line\u2028'`, `line\u2028`, `line\u2028`},
	} {
		if got := show.Name(c.in); got != c.name {
			t.Errorf("Name(%q) = %s, want %s", c.in, got, c.name)
		}
		if got := show.Text(c.in); got != c.text {
			t.Errorf("Text(%q) = %s, want %s", c.in, got, c.text)
		}
		if got := show.Lines(c.in); got != c.lines {
			t.Errorf("Lines(%q) = %s, want %s", c.in, got, c.lines)
		}
	}
}

func TestAFileNameIsOneOnEveryHost(t *testing.T) {
	for in, want := range map[string]string{
		"hostname":                   "hostname",
		"gr\u00f6\u00dfe":            "gr\u00f6\u00dfe",
		"gpj.\u202eexe":              "gpj._exe",
		"a\\b:c/d\n\xff\ufffd2F.txt": "a_b_c_d___2F.txt",
	} {
		if got := show.FileName(in); got != want {
			t.Errorf("FileName(%q) = %q, want %q", in, got, want)
		}
	}
}
