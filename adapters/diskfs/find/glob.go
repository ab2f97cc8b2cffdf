package find

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Expand yields the paths that a pattern matches, sorted within each directory. Each
// element of the pattern is a [Pattern] for a name, and ** is any number of
// directories, or at the end everything below. A pattern whose first character is
// a slash gives paths that begin with one, for trees that take those. As in a
// shell, links to directories are followed, but not by **; other than there, names
// with a leading dot match like all others.
//
// An error comes with the path that it concerns, and what can be read is gone
// through nevertheless.
func Expand(ctx context.Context, tree fstree.Walker, pattern string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		e := &expansion{ctx: ctx, tree: tree, yield: yield}
		base := "."
		if strings.HasPrefix(pattern, "/") {
			base = "/"
		}
		var elems []element
		for text := range strings.SplitSeq(pattern, "/") {
			elem := element{text: text}
			switch {
			case text == "" || text == ".":
				continue
			case text == "**" && len(elems) > 0 && elems[len(elems)-1].below:
				continue
			case text == "**":
				if elem.below = true; e.twice {
					e.seen = make(map[string]bool)
				}
				e.twice = true
			case HasMeta(text):
				p, err := CompilePattern(text, false)
				if err != nil {
					yield(pattern, err)
					return
				}
				elem.names = p
			default:
				elem.text = Unquote(text)
			}
			elems = append(elems, elem)
		}
		e.expand(base, elems)
	}
}

// element is one of a pattern.
type element struct {
	text  string
	names *Pattern // nil for a plain name
	below bool     // it is **
}

// isName reports whether a name in a directory matches.
func (e *element) isName(shown string) bool {
	if e.names != nil {
		return e.names.matchShown(shown)
	}
	return shown == e.text || fstree.UnescapeName(shown) == e.text
}

type expansion struct {
	ctx   context.Context
	tree  fstree.Walker
	yield func(string, error) bool
	twice bool            // there is a **
	seen  map[string]bool // where several of them lead to one path on several ways
}

// found yields a path once.
func (e *expansion) found(name string) bool {
	if e.seen != nil {
		if e.seen[name] {
			return true
		}
		e.seen[name] = true
	}
	return e.yield(name, nil)
}

// expand yields what the elements match below a directory. It returns false when
// the expansion is over.
func (e *expansion) expand(base string, elems []element) bool {
	if err := e.ctx.Err(); err != nil {
		e.yield(base, err)
		return false
	}
	if len(elems) == 0 {
		return e.found(base)
	}
	switch elem := &elems[0]; {
	case elem.below:
		return e.below(base, elems[1:])
	case elem.names == nil:
		name := path.Join(base, elem.text)
		if len(elems) > 1 {
			return e.expand(name, elems[1:])
		}
		_, err := e.tree.Lstat(name)
		if err == nil {
			return e.found(name)
		}
		return absent(err) || e.yield(name, err)
	}
	list, err := e.readDir(base)
	if err != nil && !e.yield(base, err) {
		return false
	}
	for _, d := range list {
		if elems[0].isName(d.Name()) && !e.expand(path.Join(base, d.Name()), elems[1:]) {
			return false
		}
	}
	return true
}

// readDir lists what may be a directory.
func (e *expansion) readDir(name string) ([]fs.DirEntry, error) {
	info, err := e.tree.Stat(name)
	if err == nil && info.IsDir() {
		return fs.ReadDir(e.tree, name)
	}
	if absent(err) {
		err = nil
	}
	return nil, err
}

// absent reports whether an error says that there is no such file.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fstree.ErrNotDir)
}

// below yields what the elements that follow a ** match.
func (e *expansion) below(base string, rest []element) bool {
	if info, err := e.tree.Stat(base); err != nil || !info.IsDir() {
		return err == nil || absent(err) || e.yield(base, err)
	}
	for entry, err := range e.tree.Walk(e.ctx, base, nil) {
		name := entry.Path
		switch {
		case err != nil:
			if !e.yield(name, err) || e.ctx.Err() != nil {
				return false
			}
		case len(rest) == 1 && !rest[0].below:
			if name != base && rest[0].isName(entry.Name()) && !e.found(name) {
				return false
			}
		case len(rest) > 0 && !entry.IsDir():
		case len(rest) == 0 && name == base && base == ".":
		default:
			if !e.expand(name, rest) {
				return false
			}
		}
	}
	return true
}
