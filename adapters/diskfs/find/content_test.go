package find_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/find"
)

func TestContentsAreSearchedAsGrepDoes(t *testing.T) {
	long := strings.Repeat("x", 300<<10)
	for _, c := range []struct {
		what, data, expr string
		content          find.Content
		want             []string
	}{
		{what: "lines", data: "a\nb\nab\n", expr: "b", want: []string{"f:2:b", "f:3:ab"}},
		{what: "the last line", data: "b\na", expr: "^a$", want: []string{"f:2:a"}},
		{what: "empty lines", data: "\n\na\n\n", expr: "^$", want: []string{"f:1:", "f:2:", "f:4:"}},
		{what: "an empty file", data: "", expr: ""},
		{what: "no line has its end in it", data: "a\nb\n", expr: `a\sb|\n`},
		{what: "anchors of a text are those of a line", data: "b\na\n", expr: `\Aa\z`, want: []string{"f:2:a"}},
		{what: "a literal beginning", data: "zab\nab\nba\n", expr: "ab.?", want: []string{"f:1:zab", "f:2:ab"}},
		{what: "a literal beginning in a longer word", data: "aab\n\nab\n", expr: "ab$", want: []string{"f:1:aab", "f:3:ab"}},
		{what: "a line over several reads", data: "1\n" + long + "y\n3y\n", expr: "y$", want: []string{"f:2:" + long + "y", "f:3:3y"}},
		{what: "a match over two reads", data: strings.Repeat("-", 128<<10-2) + "needle\nneedle", expr: "needle", want: []string{"f:1:" + strings.Repeat("-", 128<<10-2) + "needle", "f:2:needle"}},
		{what: "a NUL", data: "a\n\x00\na\n", expr: "a", want: []string{"f is binary"}},
		{what: "a NUL ends a line", data: "ab\x00cd", expr: "^cd$", want: []string{"f is binary"}},
		{what: "a NUL and no match", data: "a\x00b", expr: "a.b|a$b|^$x"},
		{what: "a NUL in text", data: "a\nb\x00a\na", expr: "a", content: find.Content{Text: true}, want: []string{"f:1:a", "f:2:a", "f:3:a"}},
		{what: "a line that is no text", data: "a\na\xff\nxa\nb\xff\n", expr: "a", want: []string{"f:1:a", "f is binary", "f:3:xa"}},
		{what: "a line that is none in text", data: "a\xff\n", expr: "a", content: find.Content{Text: true}, want: []string{"f:1:a\xff"}},
		{what: "files", data: "a\na\n", expr: "a", content: find.Content{FilesOnly: true}, want: []string{"f"}},
		{what: "binary files", data: "\x00a", expr: "a", content: find.Content{FilesOnly: true}, want: []string{"f"}},
		{what: "without", data: "b", expr: "a", content: find.Content{Without: true}, want: []string{"f"}},
		{what: "not without", data: "b\na\n", expr: "a", content: find.Content{Without: true}},
		{what: "an empty file is without", data: "", expr: "a", content: find.Content{Without: true}, want: []string{"f"}},
	} {
		c.content.Expr = regexp.MustCompile(c.expr)
		got := search(t, newVolume(map[string]string{"f": c.data}), "f", &find.Options{Content: &c.content})
		want(t, c.what, got, c.want...)
	}
}

func TestHolesAreNotReadAndAreNoText(t *testing.T) {
	v := newVolume(map[string]string{"f": "needle"})
	v.file("f").holes = 1 << 50
	want(t, "a hole", search(t, v, "f", &find.Options{Content: &find.Content{Expr: regexp.MustCompile("^needle$")}}), "f is binary")
	if n := v.reads.Load(); n != 6 {
		t.Errorf("%d bytes were read", n)
	}
}

func TestAFileThatIsFoundIsReadNoFurther(t *testing.T) {
	v := newVolume(map[string]string{"f": strings.Repeat("needle\n", 1<<20)})
	want(t, "files", search(t, v, "f", &find.Options{Content: &find.Content{Expr: regexp.MustCompile("needle"), FilesOnly: true}}), "f")
	if n := v.reads.Load(); n > 1<<20 {
		t.Errorf("%d bytes were read", n)
	}
}

func TestContentsThatCannotBeReadAreSaid(t *testing.T) {
	v := newVolume(map[string]string{"f": "one\ntwo\nthree\nfour", "g": "one"})
	v.broken["f:"] = errors.New("damaged")
	expr := regexp.MustCompile("o")
	want(t, "lines", search(t, v, ".", &find.Options{Content: &find.Content{Expr: expr}}), "f:1:one", "f:2:two", "!f", "g:1:one")
	want(t, "files", search(t, v, ".", &find.Options{Content: &find.Content{Expr: expr, FilesOnly: true}}), "f", "g")
	want(t, "without", search(t, v, ".", &find.Options{Content: &find.Content{Expr: regexp.MustCompile("x"), Without: true}}), "!f", "g")
}

func TestAVeryLongLineIsSaid(t *testing.T) {
	v := newVolume(map[string]string{"f": strings.Repeat("-", 17<<20) + "needle\nneedle", "g": "needle"})
	var got []string
	for m, err := range find.Files(t.Context(), fstree.New(v), ".", &find.Options{Content: &find.Content{Expr: regexp.MustCompile("needle")}}) {
		if err != nil && !errors.Is(err, find.ErrLongLine) {
			t.Error(err)
		}
		line := int64(0)
		if m.Line != nil {
			line = m.Line.Number
		}
		got = append(got, fmt.Sprintf("%s %d %v", m.Path, line, err != nil))
	}
	want(t, "matches", got, "f 1 false", "f 2 false", "f 0 true", "g 1 false")
}

func TestContentsComeInTheOrderOfTheWalk(t *testing.T) {
	files := make(map[string]string)
	var list []string
	for i := range 300 {
		name := fmt.Sprintf("%03d", i)
		files[name] = strings.Repeat("line\n", 1+i%100*3)
		for j := range 1 + i%100*3 {
			list = append(list, fmt.Sprintf("%s:%d:line", name, j+1))
		}
	}
	want(t, "lines", search(t, newVolume(files), ".", &find.Options{Content: &find.Content{Expr: regexp.MustCompile("line")}}), list...)
}

// FuzzContent compares with a search of each line alone.
func FuzzContent(f *testing.F) {
	f.Add("a\nb\x00a\n\xffa", "a|^b", false)
	f.Add("one\ntwo\n\n", "^$", true)
	f.Fuzz(func(t *testing.T, data, expr string, text bool) {
		re, err := regexp.Compile(expr)
		if err != nil || len(data) > 1<<16 {
			t.Skip()
		}
		got := search(t, newVolume(map[string]string{"f": data}), "f", &find.Options{Content: &find.Content{Expr: re, Text: true}})
		var list []string
		for i, line := range strings.SplitAfter(data, "\n") {
			end := strings.TrimSuffix(line, "\n")
			parts := []string{end}
			if strings.Contains(data, "\x00") {
				parts = strings.Split(end, "\x00")
				if last := len(parts) - 1; end == line && parts[last] == "" {
					parts = parts[:last] // a NUL at the end of the file ends a line
				}
			}
			for _, part := range parts {
				if (line != "" || part != "") && re.MatchString(part) {
					list = append(list, fmt.Sprintf("f:%d:%s", i+1, part))
				}
			}
		}
		want(t, fmt.Sprintf("%q in %q", expr, data), got, list...)
	})
}

func BenchmarkContent(b *testing.B) {
	data := strings.Repeat("May 17 12:00:00 host service[123]: a line as logs have them, with an error now and then\n", 200_000)
	tree := fstree.New(newVolume(map[string]string{"f": data}))
	for _, expr := range []string{"needle", "(?i)needle", "[0-9]+ needle"} {
		b.Run(expr, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				for m, err := range find.Files(b.Context(), tree, "f", &find.Options{Content: &find.Content{Expr: regexp.MustCompile(expr)}}) {
					b.Fatal(m.Path, err)
				}
			}
		})
	}
}
