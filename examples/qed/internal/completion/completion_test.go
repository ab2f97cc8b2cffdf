package completion_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/examples/qed/internal/completion"
)

func value(name string) (string, bool) {
	v, ok := map[string]string{"HOME": "/home/me", "V": "a b"}[name]
	return v, ok
}

func TestLinesAreSplitAsBashDoes(t *testing.T) {
	for line, want := range map[string][]string{
		"":                         {""},
		"a b ":                     {"a", "b", ""},
		"  a\tb":                   {"a", "b"},
		`a\ b 'c d' "e\"f"`:        {"a b", "c d", `e"f`},
		`"a\b"`:                    {`a\b`},
		`'a\'`:                     {`a\`},
		`'' b`:                     {"", "b"},
		`$'a\n\x41\101\u00e9\'' x`: {"a\nAA\u00e9'", "x"},
		`~/x ~y a~`:                {"/home/me/x", "~y", "a~"},
		`$V "${V}c" '$V' $W \$V`:   {"a b", "a bc", "$V", "$W", "$V"},
		`a\`:                       {"a"},
		`$1 ${V ${V:-x} "$"`:       {"$1", "${V", "${V:-x}", "$"},
		`$'\x411\1019\8\xg'`:       {"A1A9\\8\\xg"},
		`a "" b`:                   {"a", "", "b"},
		`"a b`:                     {"a b"},
	} {
		words, _ := completion.Split(line, value)
		var got []string
		for _, w := range words {
			got = append(got, w.Text)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func FuzzWhatIsQuotedIsReadAsItWas(f *testing.F) {
	for _, s := range []string{"plain", "a b", "it's", `"`, `\`, "$HOME", "\n\t\x1b", "\xff\xfe", "é\u202e", "~#!", "*?[]{}", "\uFFFD"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Contains(s, "\x00") {
			return // no name has one
		}
		for open, in := range map[string]completion.Quoting{"": completion.Bare, "'": completion.Single, `"`: completion.Double, "$'": completion.ANSI} {
			line := open + completion.Quote(s, in)
			words, _ := completion.Split(line, value)
			if len(words) != 1 || words[0].Text != s {
				t.Fatalf("%q is typed as %q, which is read as %+v", s, line, words)
			}
			if in == completion.Bare && strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Fatalf("%q is typed as %q, with a control character", s, line)
			}
		}
	})
}

// Bash takes the answer by eval: whatever a name holds, nothing of it is run.
func TestTheAnswerForBash(t *testing.T) {
	paths := &completion.Answer{Kind: completion.Words, Candidates: []completion.Candidate{
		{Word: "p1/it's $(x)/", Open: true, Path: true}, {Word: "p1/itself", Path: true},
	}}
	one := &completion.Answer{Kind: completion.Words, Candidates: paths.Candidates[1:]}
	dir := &completion.Answer{Kind: completion.Words, Candidates: paths.Candidates[:1]}
	value := func(string) (string, bool) { return "", false }
	for _, test := range []struct {
		before, replaced, kind string
		answer                 *completion.Answer
		want                   string
	}{
		{"qed ls d p1/i", "p1/i", "9", paths, "COMPREPLY=('p1/it' )\n"},
		{"qed ls d p1/it", "p1/it", "9", paths, `COMPREPLY=('p1/it\'\''s\ \$\(x\)/' 'p1/itself' )` + "\n"},
		{"qed ls d p1/it", "p1/it", "63", paths, `COMPREPLY=('it'\''s $(x)/' 'itself' )` + "\n"},
		{"qed ls d p1/it", "p1/it", "", paths, `COMPREPLY=('p1/it\'\''s\ \$\(x\)/' 'p1/itself' )` + "\n"},
		{"qed ls d p1/its", "p1/its", "9", one, "COMPREPLY=('p1/itself' )\ncompopt +o nospace 2>/dev/null\n"},
		{"qed ls d p1/it\\'", "p1/it\\'", "9", dir, `COMPREPLY=('p1/it\'\''s\ \$\(x\)/' )` + "\n"},
		{`qed ls d "p1/it'`, "p1/it'", "9", dir, `COMPREPLY=('p1/it'\''s \$(x)/' 'p1/it'\''s \$(x)/*' )` + "\n"},
		{`qed ls d "p1/it'`, "p1/it'", "33", dir, `COMPREPLY=('p1/it'\''s \$(x)/' )` + "\n"},
		{"qed ls d p1/i", "p1/i", "33", paths, `COMPREPLY=('p1/it\'\''s\ \$\(x\)/' 'p1/itself' )` + "\n"},
		{`qed ls d "p1/i`, "p1/i", "9", paths, `COMPREPLY=('p1/it'\''s \$(x)/' 'p1/itself' )` + "\n"},
		{"qed ls d p1/it", "other", "9", paths, ""},
		{"qed ls d p1/it", "d p1/it", "9", paths, ""},
		{"qed ls d ", "", "9", &completion.Answer{Kind: completion.None}, ""},
	} {
		l := &completion.BashLine{Command: "qed", Before: test.before, Replaced: test.replaced, Type: test.kind, Value: value}
		if got := l.Reply(test.answer); got != test.want {
			t.Errorf("%q, type %s:\n%s, want\n%s", test.before, test.kind, got, test.want)
		}
	}
}

func TestTheWordsAroundTheCursor(t *testing.T) {
	for _, test := range []struct{ before, after, want string }{
		{"qed ls di", "", `["ls"] "di" []`},
		{"A=1 qed ls ", " disk.qed -l", `["ls"] "" ["disk.qed" "-l"]`},
		{"qed ls di", "sk.qed p1", `["ls"] "di" ["p1"]`},
		{"./qed ls di", "", `["ls"] "di" []`},
	} {
		l := &completion.BashLine{Command: "qed", Before: test.before, After: test.after, Value: value}
		before, word, after := l.Words()
		if got := fmt.Sprintf("%q %q %q", before, word, after); got != test.want {
			t.Errorf("%q|%q: %s, want %s", test.before, test.after, got, test.want)
		}
	}
}

func TestTheAnswerForZshAndFish(t *testing.T) {
	a := &completion.Answer{Kind: completion.Words, Lead: "--directory=", Candidates: []completion.Candidate{
		{Word: "p1/x", Path: true}, {Word: "p1/y/", Open: true, Path: true},
	}}
	if got := a.Fields(true); got != "paths\x001\x00y/\x00x\x00" {
		t.Errorf("%q", got)
	}
	if got := a.Fields(false); got != "paths\x001\x00--directory=p1/y/\x00--directory=p1/x\x00" {
		t.Errorf("%q", got)
	}
	words := &completion.Answer{Kind: completion.Words, Candidates: []completion.Candidate{{Word: "json", Note: "for programs"}}}
	if got := words.Fields(true); got != "words\x000\x00json\tfor programs\x00" {
		t.Errorf("%q", got)
	}
}
