package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/find"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

// paths are the paths of the tree for all the arguments that follow the image;
// none stands for the root, or for the directory of a shell. An argument that is a pattern stands for all that it
// matches. A file whose name is the pattern itself comes first. That nothing
// matches is a failure.
func (f *files) paths(ctx context.Context, args []string) []string {
	if len(args) == 0 {
		return []string{f.literal(".")}
	}
	var out []string
	for _, arg := range args {
		out = append(out, f.expand(ctx, arg)...)
	}
	return out
}

// expand is paths for one argument.
func (f *files) expand(ctx context.Context, arg string) []string {
	name := f.literal(arg)
	if f.isLiteral(name) {
		return []string{name}
	}
	var out []string
	failed := false
	for match, err := range find.Expand(ctx, f.tree, name) {
		switch {
		case errors.Is(err, find.ErrPattern):
			f.fail(err)
		case err != nil:
			f.fail(atPath(match, err))
		default:
			out = append(out, match)
		}
		failed = failed || err != nil
	}
	if len(out) == 0 && !failed {
		f.fail(f.noMatch(name))
	}
	return out
}

// path is paths for an argument that is to name one file or directory.
func (f *files) path(ctx context.Context, arg string) (string, error) {
	name := f.literal(arg)
	if f.isLiteral(name) {
		return name, nil
	}
	found := ""
	for match, err := range find.Expand(ctx, f.tree, name) {
		switch {
		case err != nil:
			return "", pathError(err)
		case found != "":
			return "", fmt.Errorf("%s: several files match, as %s and %s", show.Name(name), show.Name(found), show.Name(match))
		}
		found = match
	}
	if found == "" {
		return "", f.noMatch(name)
	}
	return found, nil
}

// isLiteral reports whether a path is no pattern, or names a file as it is.
func (f *files) isLiteral(name string) bool {
	if !strings.ContainsAny(name, `*?[\`) {
		return true
	}
	_, err := f.tree.Lstat(name)
	return err == nil
}

// noMatch says that a pattern matches nothing.
func (f *files) noMatch(name string) error {
	err := f.explain(name, fs.ErrNotExist)
	if find.HasMeta(name) && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: no file matches", show.Name(name))
	}
	return err
}
