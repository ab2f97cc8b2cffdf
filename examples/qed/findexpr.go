package main

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/qedfs/qedfs/adapters/diskfs/find"
)

// findExpr is the expression of find: what its flags said, in their order.
type findExpr struct {
	words []word
	depth []word // tests of depth, which are of the whole search
	root  maker
}

// word is one flag of an expression.
type word struct {
	flag, value string
	make        func(value string, x *findContext) (find.Test, error) // nil for an operator
}

// maker makes a test once it is known where it is put.
type maker func(*findContext) (find.Test, error)

// findContext is what tests may have to ask.
type findContext struct {
	files *files
	root  string
	now   time.Time
}

// addFlags gives find the flags of its expression.
func (e *findExpr) addFlags(cmd *cobra.Command) {
	for _, t := range findTests {
		cmd.Flags().VarP(&wordFlag{e, word{flag: t.name, make: t.make}, t.check, t.arg}, t.name, t.short, t.usage)
	}
	for _, o := range findOperators {
		cmd.Flags().Var(&wordFlag{e, word{flag: o.name, make: o.make}, nil, "bool"}, o.name, o.usage)
		f := cmd.Flags().Lookup(o.name)
		f.NoOptDefVal, f.Hidden = "true", o.usage == ""
	}
}

// wordFlag is a flag that adds a word to the expression.
type wordFlag struct {
	expr  *findExpr
	word  word
	check func(string) error // nil takes what make takes
	arg   string
}

var _ pflag.Value = (*wordFlag)(nil)

func (f *wordFlag) String() string { return "" }
func (f *wordFlag) Type() string   { return f.arg }
func (f *wordFlag) Set(s string) error {
	w := f.word
	w.value = s
	if f.check != nil {
		if err := f.check(s); err != nil {
			return err
		}
	} else if w.make != nil {
		if _, err := w.make(s, nil); err != nil {
			return err
		}
	}
	if w.flag == "max-depth" || w.flag == "min-depth" {
		f.expr.depth = append(f.expr.depth, w)
		return nil
	}
	f.expr.words = append(f.expr.words, w)
	return nil
}

// parse makes one test of the words.
func (e *findExpr) parse() error {
	p := &exprParser{rest: e.words}
	root, err := p.alternatives()
	if err == nil && len(p.rest) > 0 {
		err = fmt.Errorf("a %s is too many", spelled(p.rest[0]))
	}
	e.root = root
	return err
}

// test is the expression for the files below a path.
func (e *findExpr) test(f *files, root string) (find.Test, error) {
	x := &findContext{f, root, time.Now()}
	var tests []find.Test
	for _, w := range e.depth {
		t, err := w.make(w.value, x)
		if err != nil {
			return t, err
		}
		tests = append(tests, t)
	}
	t, err := e.root(x)
	if len(tests) == 0 {
		return t, err
	}
	return find.And(append(tests, t)...), err
}

// exprParser parses an expression: "or" binds least, "not" most.
type exprParser struct{ rest []word }

func (p *exprParser) next(flag string) bool {
	if len(p.rest) == 0 || p.rest[0].make != nil || p.rest[0].flag != flag {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *exprParser) alternatives() (maker, error) {
	if len(p.rest) == 0 {
		return func(*findContext) (find.Test, error) { return find.Test{}, nil }, nil
	}
	var list []maker
	for {
		m, err := p.conjunction()
		if err != nil {
			return nil, err
		}
		if list = append(list, m); !p.next("or") {
			return joined(find.Or, list), nil
		}
	}
}

func (p *exprParser) conjunction() (maker, error) {
	var list []maker
	for {
		m, err := p.factor()
		if err != nil {
			return nil, err
		}
		list = append(list, m)
		if p.next("and") {
			continue
		}
		if len(p.rest) == 0 || p.rest[0].make == nil && (p.rest[0].flag == "or" || p.rest[0].flag == "right") {
			return joined(find.And, list), nil
		}
	}
}

func (p *exprParser) factor() (maker, error) {
	switch {
	case p.next("not"):
		m, err := p.factor()
		return func(x *findContext) (find.Test, error) {
			t, err := m(x)
			return find.Not(t), err
		}, err
	case p.next("left"):
		m, err := p.alternatives()
		if err == nil && !p.next("right") {
			err = errors.New("a ) is missing")
		}
		return m, err
	case len(p.rest) == 0:
		return nil, errors.New("a test is missing at the end")
	case p.rest[0].make == nil:
		return nil, fmt.Errorf("a test is missing before %s", spelled(p.rest[0]))
	}
	w := p.rest[0]
	p.rest = p.rest[1:]
	return func(x *findContext) (find.Test, error) {
		t, err := w.make(w.value, x)
		if err != nil {
			err = fmt.Errorf("--%s: %w", w.flag, err)
		}
		return t, err
	}, nil
}

// spelled is a word of an expression as find has it.
func spelled(w word) string {
	switch w.flag {
	case "left":
		return "("
	case "right":
		return ")"
	}
	return "--" + w.flag
}

// joined joins tests; a single test is returned as it is.
func joined(join func(...find.Test) find.Test, list []maker) maker {
	if len(list) == 1 {
		return list[0]
	}
	return func(x *findContext) (find.Test, error) {
		tests := make([]find.Test, len(list))
		for i, m := range list {
			var err error
			if tests[i], err = m(x); err != nil {
				return find.Test{}, err
			}
		}
		return join(tests...), nil
	}
}

// findOperators are the words of an expression without a value. Those without a
// usage are spelled in another way on the command line.
var findOperators = []struct {
	name, usage string
	make        func(string, *findContext) (find.Test, error)
}{
	{"or", "an alternative begins: -o", nil},
	{"and", "", nil},
	{"not", "the next test is not to be true: !", nil},
	{"left", "", nil},
	{"right", "", nil},
	{"empty", "empty files and directories", always(find.Empty)},
	{"prune", "go into no directory for which the tests before are true", always(find.Prune)},
	{"print", "print what the tests before are true for, and nothing else", always(find.Select)},
	{"quit", "end after this file", always(find.Quit)},
	{"true", "", always(func() find.Test { return find.Test{} })},
	{"false", "", always(func() find.Test { return find.Not(find.Test{}) })},
}

func always(test func() find.Test) func(string, *findContext) (find.Test, error) {
	return func(string, *findContext) (find.Test, error) { return test(), nil }
}

// namePattern is a test of a name or path by a pattern.
func namePattern(test func(*find.Pattern) find.Test, fold bool) func(string, *findContext) (find.Test, error) {
	return func(value string, _ *findContext) (find.Test, error) {
		p, err := find.CompilePattern(value, fold)
		if err != nil {
			return find.Test{}, err
		}
		return test(p), nil
	}
}

func pathRegexp(before, after string) func(string, *findContext) (find.Test, error) {
	return func(value string, _ *findContext) (find.Test, error) {
		re, err := regexp.Compile(before + value + after)
		if err != nil {
			return find.Test{}, err
		}
		return find.PathRegexp(re), nil
	}
}

// withExtension is fd's -e: names that end in a dot and this.
func withExtension(value string, _ *findContext) (find.Test, error) {
	p, err := find.CompilePattern("*."+strings.TrimPrefix(value, "."), true)
	if err != nil {
		return find.Test{}, err
	}
	return find.Name(p), nil
}

// excluded is fd's -E: what matches is not found, nor what is below.
func excluded(value string, _ *findContext) (find.Test, error) {
	p, err := find.CompilePattern(value, false)
	if err != nil {
		return find.Test{}, err
	}
	return find.Or(find.And(find.Name(p), find.Prune(), find.Not(find.Test{})), find.Not(find.Name(p))), nil
}

// xattrTest takes NAME or NAME=VALUE.
func xattrTest(value string, _ *findContext) (find.Test, error) {
	name, want, valued := strings.Cut(value, "=")
	p, err := find.CompilePattern(name, false)
	if err != nil || !valued {
		return find.Xattr(p, nil), err
	}
	v, err := find.CompilePattern(want, false)
	return find.Xattr(p, v), err
}

// fileTypes are the types as find has them, and fd.
var fileTypes = map[string]fs.FileMode{
	"f": 0, "d": fs.ModeDir, "l": fs.ModeSymlink, "b": fs.ModeDevice, "c": fs.ModeDevice | fs.ModeCharDevice,
	"p": fs.ModeNamedPipe, "s": fs.ModeSocket,
	"file": 0, "directory": fs.ModeDir, "dir": fs.ModeDir, "symlink": fs.ModeSymlink, "block-device": fs.ModeDevice,
	"char-device": fs.ModeDevice | fs.ModeCharDevice, "pipe": fs.ModeNamedPipe, "socket": fs.ModeSocket,
}

// typeTest takes one or more types with commas between them.
func typeTest(value string, _ *findContext) (find.Test, error) {
	var types []fs.FileMode
	var tests []find.Test
	for name := range strings.SplitSeq(value, ",") {
		switch mode, ok := fileTypes[name]; {
		case ok:
			types = append(types, mode)
		case name == "x" || name == "executable":
			tests = append(tests, find.And(find.Type(0), find.Perm(find.PermAny, 0o111)))
		case name == "e" || name == "empty":
			tests = append(tests, find.Empty())
		default:
			return find.Test{}, fmt.Errorf("%q is no type; there are f, d, l, b, c, p and s", name)
		}
	}
	return find.Or(append(tests, find.Type(types...))...), nil
}

// numberRange reads n, +n or -n.
func numberRange(value string) (find.Range, error) {
	digits := strings.TrimLeft(value, "+-")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || len(value)-len(digits) > 1 {
		return find.Range{}, fmt.Errorf("%q is no number, and no + or - and a number", value)
	}
	switch value[0] {
	case '+':
		return find.MoreThan(n), nil
	case '-':
		return find.LessThan(n), nil
	}
	return find.Exactly(n), nil
}

func numberTest(test func(find.Range) find.Test) func(string, *findContext) (find.Test, error) {
	return func(value string, _ *findContext) (find.Test, error) {
		r, err := numberRange(value)
		return test(r), err
	}
}

// sizeUnits are the letters after a size, as find has them.
var sizeUnits = map[byte]int64{'c': 1, 'w': 2, 'b': 512, 'k': 1 << 10, 'M': 1 << 20, 'G': 1 << 30, 'T': 1 << 40}

// sizeTest takes a number of blocks, or of units that a letter says.
func sizeTest(value string, _ *findContext) (find.Test, error) {
	unit := int64(512)
	if value != "" {
		if u, ok := sizeUnits[value[len(value)-1]]; ok {
			unit, value = u, value[:len(value)-1]
		}
	}
	r, err := numberRange(value)
	if err != nil {
		err = fmt.Errorf("%w; the unit is one of c (bytes), w, b, k, M, G and T (powers of 1024)", err)
	}
	return find.Size(unit, r), err
}

// levels reads a number of levels.
func levels(test func(int) find.Test) func(string, *findContext) (find.Test, error) {
	return func(value string, _ *findContext) (find.Test, error) {
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return find.Test{}, fmt.Errorf("%q is no number of levels", value)
		}
		return test(n), nil
	}
}
