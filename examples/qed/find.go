package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/find"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

func newFind(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "find [flags] IMAGE [PATH]... [TEST]...",
		Short: "Find files inside the image by name, attributes or contents",
		Long: `Find the files below each PATH, or in all volumes, for which all the tests are
true, and print their paths in the order of a walk. Tests are those of find(1),
with one dash or two: -name '*.conf', -type f, -size +10M, -mtime -7, and so are
-o, ! and parentheses, -prune, -print and -quit. What fd has is taken, too: -t
file, -e png, -d 3, -E node_modules, -S +10M, -1, --changed-within 2weeks,
--owner. Numbers n are exact, +n is more and -n is less. A word that find has is
find's: letters of single flags stand apart from each other.

Finding by name alone reads no inode. --iname ignores case. --regex matches
anywhere in the path, and --type asks the inode. --user and --group take numbers
and the names in the guest's /etc/passwd and /etc/group. --newer and --older
take a path inside the image, whose time counts, a time as 2024-05-17 12:00:00,
or how long ago: 90min, 10h, 3d, 2weeks.

--content prints the lines of regular files that the expression matches, as
grep -n does: path:line:text. Several expressions are alternatives. They have
Go's syntax (RE2); (?i) in front ignores case. A file with NULs, holes or lines
that are not UTF-8 is binary: a message on standard error says that it matches,
and --text prints its lines nevertheless. Holes are not read.

-0 ends paths with a NUL in place of a newline, as they are stored. --output
json prints one object a line, as ls does, and with --content path, line, text.

Exit codes: 0 everything was looked at, 1 something could not be read.`,
		Args: cobra.MinimumNArgs(1),
	}
	a.addFileFlags(cmd)
	s := &searching{app: a, expr: &findExpr{}}
	out := addOutputFlag(cmd)
	asked := addProgressFlag(cmd)
	s.expr.addFlags(cmd)
	flags := cmd.Flags()
	flags.StringArrayVar(&s.contents, "content", nil, "find lines that match this `regexp`, as grep does")
	flags.BoolVar(&s.text, "text", false, "with --content, take every file for text")
	flags.BoolVar(&s.filesOnly, "files-with-matches", false, "with --content, print paths alone (grep -l)")
	flags.BoolVar(&s.without, "files-without-match", false, "with --content, print files without such a line (grep -L)")
	flags.BoolVar(&s.long, "long", false, "list what is found as ls -l does")
	flags.BoolVarP(&s.nul, "print0", "0", false, "end paths with a NUL")
	flags.Int64Var(&s.most, "max-results", 0, "end after so many `files` or lines")
	flags.BoolVarP(&s.first, "first", "1", false, "end after the first")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := s.check(cmd); err != nil {
			return err
		}
		f, err := a.openFiles(cmd, args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		s.files = f
		s.w = bufio.NewWriterSize(a.stdout, 64<<10)
		if out.json() {
			s.json = json.NewEncoder(s.w)
			s.json.SetEscapeHTML(false)
		}
		progress := a.newCounter("find", *asked)
		defer progress.finish()
		if err := s.run(cmd.Context(), args[1:], progress); err != nil {
			return err
		}
		progress.finish()
		return f.failed()
	}
	return cmd
}

// searching is a run of find.
type searching struct {
	*app
	*files
	expr     *findExpr
	contents []string
	content  *find.Content // nil where names alone are looked for

	text, filesOnly, without, long, nul, first bool
	most, found                                int64

	w    *bufio.Writer
	json *json.Encoder // nil for people
}

// check looks at the flags before anything is opened.
func (s *searching) check(cmd *cobra.Command) error {
	if s.first {
		s.most = 1
	}
	if len(s.contents) == 0 {
		if s.text || s.filesOnly || s.without {
			return usageError(cmd, errors.New("--text, --files-with-matches and --files-without-match are for use with --content"))
		}
	} else {
		re, err := contentExpr(s.contents)
		if err != nil {
			return usageError(cmd, err)
		}
		s.content = &find.Content{Expr: re, Text: s.text, FilesOnly: s.filesOnly, Without: s.without}
	}
	if err := s.expr.parse(); err != nil {
		return usageError(cmd, err)
	}
	return nil
}

// contentExpr is one expression for several.
func contentExpr(list []string) (*regexp.Regexp, error) {
	for _, text := range list {
		if _, err := regexp.Compile(text); err != nil {
			return nil, err
		}
	}
	if len(list) == 1 {
		return regexp.Compile(list[0])
	}
	return regexp.Compile("(?:" + strings.Join(list, ")|(?:") + ")")
}

// errEnough ends a search that has found what it was to find.
var errEnough = errors.New("enough")

func (s *searching) run(ctx context.Context, args []string, progress *progress) error {
	var before int64
	for _, root := range s.paths(ctx, args) {
		test, err := s.expr.test(s.files, root)
		if err != nil {
			return err
		}
		if root == "." {
			s.requireFiles(root)
		}
		var met int64
		opts := &find.Options{Test: test, Content: s.content, Stat: s.long || s.json != nil}
		if progress.shown() {
			opts.Progress = func(n int64) { met = n; progress.count(before + n) }
		}
		err = s.search(ctx, root, opts)
		if errors.Is(err, errEnough) {
			break
		}
		if err != nil {
			return err
		}
		before += met
	}
	return s.w.Flush()
}

// search prints what is found below one path.
func (s *searching) search(ctx context.Context, root string, opts *find.Options) error {
	for m, err := range find.Files(ctx, s.tree, root, opts) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.fail(s.explain(m.Path, err))
			continue
		}
		if err := s.print(m); err != nil {
			return err
		}
		if s.found++; s.most > 0 && s.found >= s.most {
			return errEnough
		}
	}
	return nil
}

func (s *searching) print(m *find.Match) error {
	switch {
	case s.json != nil:
		return s.printJSON(m)
	case m.Binary:
		s.note(errors.New(show.Name(m.Path) + ": binary file matches"))
		return nil
	case s.long && m.Line == nil:
		st, err := m.Stat()
		if err != nil {
			s.fail(err)
			return nil
		}
		l := &lister{files: s.files, w: s.w}
		return l.printLong(m.Path, m.Path, st)
	}
	end, after := "\n", ":"
	if s.nul {
		end, after = "\x00", "\x00"
	}
	name := s.printable(m.Path, s.nul)
	if m.Line == nil {
		_, err := io.WriteString(s.w, name+end)
		return s.flushed(err)
	}
	text := show.Lines(strings.TrimSuffix(string(m.Line.Text), "\r"))
	_, err := io.WriteString(s.w, name+after+strconv.FormatInt(m.Line.Number, 10)+":"+text+"\n")
	return s.flushed(err)
}

// flushed shows what was printed at once where somebody looks at it.
func (s *searching) flushed(err error) error {
	if err == nil && s.toTerminal() {
		err = s.w.Flush()
	}
	return err
}

// printJSON prints a file as ls does, or a line of one.
func (s *searching) printJSON(m *find.Match) error {
	if m.Line == nil && !m.Binary {
		st, err := m.Stat()
		if err != nil {
			s.fail(err)
			return nil
		}
		e, err := s.newEntry(m.Path, st)
		if err != nil {
			s.fail(err)
		}
		return s.json.Encode(e)
	}
	var line struct {
		Path    string `json:"path"`
		PathHex string `json:"path_hex,omitempty"`
		Line    int64  `json:"line,omitempty"`
		Text    string `json:"text,omitempty"`
		TextHex string `json:"text_hex,omitempty"`
		Binary  bool   `json:"binary,omitempty"`
	}
	line.Path, line.PathHex = jsonPath(m.Path)
	line.Binary = m.Binary
	if m.Line != nil {
		line.Line = m.Line.Number
		if utf8.Valid(m.Line.Text) {
			line.Text = string(m.Line.Text)
		} else {
			line.TextHex = hex.EncodeToString(m.Line.Text)
		}
	}
	return s.json.Encode(line)
}

// printable is a path as it is printed: for people, or as it is stored where a NUL
// ends it.
func (f *files) printable(name string, nul bool) string {
	if nul {
		return fstree.OutwardPath(name)
	}
	return show.Name(name)
}
