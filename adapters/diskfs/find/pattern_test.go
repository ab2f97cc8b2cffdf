package find_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/find"
)

func TestPatternsAreThoseOfFnmatch(t *testing.T) {
	for _, c := range []struct {
		pattern   string
		yes, not  string // names with commas between
		foldsCase bool
	}{
		{pattern: "abc", yes: "abc", not: "ab,abcd,ABC"},
		{pattern: "*", yes: ",a,.a,a/b"},
		{pattern: "*.txt", yes: ".txt,a.txt,a/b.txt", not: "txt,a.txt2"},
		{pattern: "a*b*c", yes: "abc,aXbYc,abbcc,abcbc", not: "ab,acb"},
		{pattern: "?", yes: "a,ö,\xff", not: ",ab"},
		{pattern: "?\xfe?", yes: "a\xfeb,\xff\xfe\xff", not: "a\xffb"},
		{pattern: "[abc]", yes: "a,c", not: "d,,ab"},
		{pattern: "[a-c]x", yes: "ax,cx", not: "dx,-x"},
		{pattern: "[!a-c]", yes: "d,-", not: "a"},
		{pattern: "[^a]", yes: "b", not: "a"},
		{pattern: "[]a]", yes: "],a", not: "["},
		{pattern: "[!]a]", yes: "b", not: "],a"},
		{pattern: "[a-]", yes: "a,-", not: "b"},
		{pattern: "[[:digit:]_]", yes: "5,_", not: "a"},
		{pattern: "[[:alpha:][:space:]]", yes: "a,é, ", not: "5"},
		{pattern: "[![:upper:]]", yes: "a,5", not: "A"},
		{pattern: `[\]]`, yes: "]", not: `\`},
		{pattern: `\*\?\[`, yes: "*?[", not: `\*\?\[,ab[`},
		{pattern: "[", yes: "["},
		{pattern: "a[b", yes: "a[b", not: "ab"},
		{pattern: "[a", yes: "[a", not: "a"},
		{pattern: "[", yes: "[", not: "a"},
		{pattern: "AbÖ[x-z]", yes: "aböX,ABÖy", not: "aböW", foldsCase: true},
		{pattern: "a**b", yes: "ab,axb", not: "a"},
	} {
		p, err := find.CompilePattern(c.pattern, c.foldsCase)
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
			continue
		}
		for _, name := range strings.Split(c.yes, ",") {
			if c.yes != "" && !p.Match(name) {
				t.Errorf("%q does not match %q", c.pattern, name)
			}
		}
		for _, name := range strings.Split(c.not, ",") {
			if c.not != "" && p.Match(name) {
				t.Errorf("%q matches %q", c.pattern, name)
			}
		}
	}
	for _, text := range []string{`a\`, "[[:nothing:]]"} {
		if _, err := find.CompilePattern(text, false); !errors.Is(err, find.ErrPattern) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAPatternTakesNoTimeThatGrowsFast(t *testing.T) {
	p := pattern(t, strings.Repeat("*a", 50)+"b")
	began := time.Now()
	if p.Match(strings.Repeat("a", 20000)) {
		t.Error("it matches")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it takes %v", took)
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("a*[b-d]?", "axxc1")
	f.Add(`[[:digit:]]\`, "5")
	f.Fuzz(func(t *testing.T, text, name string) {
		var quoted strings.Builder
		for i := range len(name) {
			if c := name[i]; c < 0x80 {
				quoted.WriteByte('\\')
			}
			quoted.WriteByte(name[i])
		}
		if !pattern(t, quoted.String()).Match(name) || !pattern(t, "*"+quoted.String()+"*").Match("x"+name+"y") {
			t.Errorf("%q does not match itself", name)
		}
		if !find.HasMeta(quoted.String()) && find.Unquote(quoted.String()) != name {
			t.Errorf("%q is %q without backslashes", quoted.String(), find.Unquote(quoted.String()))
		}
		if p, err := find.CompilePattern(text, true); err == nil {
			p.Match(name)
		}
	})
}

func expanded(t *testing.T, v *volume, pattern string) (got []string) {
	t.Helper()
	for name, err := range find.Expand(t.Context(), fstree.New(v), pattern) {
		if err != nil {
			name = "!" + name
		}
		got = append(got, name)
	}
	return got
}

func TestPatternsOfPathsAreExpanded(t *testing.T) {
	for pattern, paths := range map[string]string{
		"*":             "a.txt b empty link z",
		"b":             "b",
		"b/*":           "b/c.txt b/d",
		"*/*.txt":       "b/c.txt link/c.txt",
		"**/*.txt":      "a.txt b/c.txt b/d/f.txt",
		"b/**":          "b b/c.txt b/d b/d/e.go b/d/f.txt",
		"**":            "a.txt b b/c.txt b/d b/d/e.go b/d/f.txt empty link z",
		"**/d/*":        "b/d/e.go b/d/f.txt",
		"**/d/**":       "b/d b/d/e.go b/d/f.txt",
		"**/**/f.txt":   "b/d/f.txt",
		"link/**/f.txt": "link/d/f.txt",
		"**/f.txt":      "b/d/f.txt",
		"?":             "b z",
		"a.txt/*":       "",
		"nothing/*":     "",
		"*/nothing":     "",
		"*/d":           "b/d link/d",
		"[ab]*":         "a.txt b",
		`\b/c*`:         "b/c.txt",
		"b//./c*":       "b/c.txt",
		"**/nothing":    "",
	} {
		want(t, pattern, expanded(t, house(), pattern), strings.Fields(paths)...)
	}
	odd := newVolume(map[string]string{"a*": "", "ab": "", `a\x2d`: "", "b\xff/x": "", ".dot": ""})
	want(t, "escaped", expanded(t, odd, `a\*`), "a*")
	want(t, "stored bytes", expanded(t, odd, "b\xff*/x"), "b\uFFFDFF/x")
	want(t, "their shown form", expanded(t, odd, "b\uFFFDFF*/*"), "b\uFFFDFF/x")
	want(t, "a dot", expanded(t, odd, "*d*"), ".dot", `a\x2d`)
	want(t, "a bad one", expanded(t, odd, "[[:x:]]"), "![[:x:]]")
}

func TestWhatAPatternCannotSeeIsSaid(t *testing.T) {
	v := house()
	v.broken["d/"] = errors.New("damaged directory")
	want(t, "a directory", expanded(t, v, "b/d/*"), "!b/d", "b/d/e.go", "b/d/f.txt")
	want(t, "all below", expanded(t, v, "**/*.go"), "!b/d", "b/d/e.go")
	v = house()
	v.broken["b"] = errors.New("damaged inode")
	want(t, "an inode", expanded(t, v, "*/c.txt"), "!b/c.txt", "!link/c.txt")
	want(t, "an inode below", expanded(t, v, "b/**"), "!b")
}

func TestAPathIsExpandedOnce(t *testing.T) {
	v := newVolume(map[string]string{"a/x/a/x/f": ""})
	want(t, "twice", expanded(t, v, "**/a/**/f"), "a/x/a/x/f")
}
