package archive

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// report is what is archived, and what is left out of the archive.
type report struct {
	tree  fstree.Walker
	root  string
	paths []string // what is archived
	tell  func(path string, err error)
	kept  []error // problems, if nobody is told of them

	leftOut     *leftOut // nil where there is to be no list
	leftOutName string
}

func newReport(tree fstree.Walker, root string, opts *Options) report {
	r := report{tree: tree, root: root, paths: []string{root}}
	if opts == nil {
		opts = &Options{}
	}
	if len(opts.Paths) > 0 {
		r.paths = outermost(opts.Paths)
	}
	if opts.LeftOut != "" {
		r.leftOut, r.leftOutName = &leftOut{}, opts.LeftOut
	}
	r.tell = opts.Problem
	return r
}

// maxKept is how many problems are kept for a caller who has no place for them.
const maxKept = 16

// problem is for what is left out.
func (r *report) problem(path string, err error) {
	if r.leftOut != nil {
		r.leftOut.add(path, err)
	}
	switch {
	case r.tell != nil:
		r.tell(path, err)
	case len(r.kept) < maxKept:
		r.kept = append(r.kept, &fs.PathError{Op: "archive", Path: path, Err: fstree.WithoutPath(err)})
	}
}

// join returns what the caller was not told of with the error that ended the
// archive.
func (r *report) join(err error) error {
	if len(r.kept) == 0 {
		return err
	}
	return errors.Join(append(r.kept, err)...)
}

// walk visits all that is archived, and what of it cannot be read. An error of
// visit, or of ctx, ends it.
func (r *report) walk(ctx context.Context, visit func(*fstree.WalkEntry, error) error) error {
	for _, name := range r.paths {
		if err := r.walkBelow(ctx, name, visit); err != nil {
			return err
		}
	}
	return nil
}

// walkBelow visits one of the paths. It is met in the directory that it lies in:
// a walk that begins with a link would follow it.
func (r *report) walkBelow(ctx context.Context, name string, visit func(*fstree.WalkEntry, error) error) error {
	dir := name
	if name != r.root {
		dir = path.Dir(name)
	}
	found := false
	var why error // it may not be found
	for e, err := range r.tree.Walk(ctx, dir, &fstree.WalkOptions{Stat: true}) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !within(e.Path, name) {
			if err != nil {
				why = err
			}
			e.Skip = e.Path != dir
			if found {
				break
			}
			continue
		}
		found = true
		if err := visit(e, err); err != nil {
			return err
		}
	}
	if ctx.Err() != nil || found {
		return ctx.Err()
	}
	return visit(&fstree.WalkEntry{Path: name}, cmp.Or(why, fs.ErrNotExist))
}

// within reports whether a path is dir or below it.
func within(name, dir string) bool {
	rest, ok := strings.CutPrefix(name, dir)
	return dir == "." || ok && (rest == "" || rest[0] == '/' || dir == "/")
}

// outermost leaves out of paths those that lie below others, or are there twice:
// no member replaces another one.
func outermost(paths []string) (list []string) {
	for i, name := range paths {
		if !slices.ContainsFunc(paths[:i], func(p string) bool { return within(name, p) }) &&
			!slices.ContainsFunc(paths[i+1:], func(p string) bool { return p != name && within(name, p) }) {
			list = append(list, name)
		}
	}
	return list
}
