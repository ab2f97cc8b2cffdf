package treediff

import (
	"bytes"
	"context"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Side is one of the two: a directory of a tree.
type Side struct {
	Tree fstree.Walker
	Root string
}

// Options say what counts as a difference. The zero value compares all but the
// times of directories, which every change of a file in them changes.
type Options struct {
	NoTimes  bool // times of change do not count
	DirTimes bool // those of directories do

	// Progress is told how many files have been looked at. It may be nil.
	Progress func(files int64)
}

// File is one side of a difference.
type File struct {
	Path string // in the tree
	Stat *fstree.Stat
}

// Difference is a file that is on one side alone, or on both and not the same.
type Difference struct {
	Path   string   // below the roots, "." for these
	A, B   *File    // nil where it is not there
	Fields []string // what differs: "type", "mode", "content", ...
}

// SideError is why something could not be compared, and on which side that is.
type SideError struct {
	Second bool // it is the second side, b
	Err    error
}

func (e *SideError) Error() string { return e.Err.Error() }
func (e *SideError) Unwrap() error { return e.Err }

func onFirst(err error) error  { return onSide(false, err) }
func onSecond(err error) error { return onSide(true, err) }

func onSide(second bool, err error) error {
	if err == nil {
		return nil
	}
	return &SideError{second, err}
}

// Compare yields the differences in the order of a walk. A file that cannot
// be read comes with a [*SideError], and the comparison goes on; an error of
// ctx ends it.
func Compare(ctx context.Context, a, b Side, opts *Options) iter.Seq2[*Difference, error] {
	return func(yield func(*Difference, error) bool) {
		x, y := newCursor(ctx, a), newCursor(ctx, b)
		y.second = true
		defer x.stop()
		defer y.stop()
		c := &comparer{a: a.Tree, b: b.Tree, yield: yield}
		if opts != nil {
			c.Options = *opts
		}
		x.next(c)
		y.next(c)
		var files int64
		for !c.over && (x.file != nil || y.file != nil) {
			if ctx.Err() != nil {
				yield(&Difference{}, ctx.Err())
				return
			}
			if files++; c.Progress != nil {
				c.Progress(files)
			}
			switch order := compareCursors(x, y); {
			case order < 0:
				c.report(&Difference{Path: x.path, A: x.file}, nil)
				x.next(c)
			case order > 0:
				c.report(&Difference{Path: y.path, B: y.file}, nil)
				y.next(c)
			default:
				c.pair(x, y)
				x.next(c)
				y.next(c)
			}
		}
	}
}

// comparer is a run of Compare.
type comparer struct {
	Options
	a, b  fstree.Walker
	yield func(*Difference, error) bool
	over  bool
	bufs  [2][]byte
}

func (c *comparer) report(d *Difference, err error) {
	if !c.over {
		c.over = !c.yield(d, err)
	}
}

// cursor is where the walk of one side is.
type cursor struct {
	root   string
	pull   func() (*fstree.WalkEntry, error, bool)
	stop   func()
	second bool
	path   string // below the root
	file   *File  // nil at the end
}

func newCursor(ctx context.Context, s Side) *cursor {
	pull, stop := iter.Pull2(s.Tree.Walk(ctx, s.Root, &fstree.WalkOptions{Stat: true}))
	return &cursor{root: s.Root, pull: pull, stop: stop}
}

// next goes on to the next file that can be described, and reports errors on
// the way.
func (c *cursor) next(to *comparer) {
	for {
		e, err, ok := c.pull()
		if !ok {
			c.file = nil
			return
		}
		path := e.Path
		if c.root != "." {
			path = strings.TrimPrefix(strings.TrimPrefix(path, c.root), "/")
		}
		if path == "" {
			path = "."
		}
		var st *fstree.Stat
		if err == nil {
			st, err = e.Stat()
		}
		if err != nil {
			to.report(&Difference{Path: path}, onSide(c.second, err))
			continue
		}
		c.path, c.file = path, &File{e.Path, st}
		return
	}
}

// compareCursors orders two places as walks do: by the elements of their
// paths.
func compareCursors(x, y *cursor) int {
	switch {
	case x.file == nil:
		return 1
	case y.file == nil:
		return -1
	case x.path == y.path:
		return 0
	case x.path == ".":
		return -1
	case y.path == ".":
		return 1
	}
	return slices.Compare(strings.Split(x.path, "/"), strings.Split(y.path, "/"))
}

// pair compares two files of one path.
func (c *comparer) pair(x, y *cursor) {
	d := &Difference{Path: x.path, A: x.file, B: y.file}
	a, b := x.file.Stat, y.file.Stat
	differ := func(field string, yes bool) {
		if yes {
			d.Fields = append(d.Fields, field)
		}
	}
	dir := a.Mode.IsDir() && b.Mode.IsDir()
	differ("type", a.Mode.Type() != b.Mode.Type())
	differ("mode", a.Mode&^fs.ModeType != b.Mode&^fs.ModeType)
	differ("uid", a.UID != b.UID)
	differ("gid", a.GID != b.GID)
	differ("rdev", a.Major != b.Major || a.Minor != b.Minor)
	differ("mtime", !c.NoTimes && (!dir || c.DirTimes) && !a.Mtime.Equal(b.Mtime))
	same, err := sameXattrs(a, b)
	differ("xattrs", err == nil && !same)
	if err != nil {
		c.report(d, err)
	}
	if a.Mode.Type() == b.Mode.Type() {
		switch a.Mode.Type() {
		case 0:
			differ("size", a.Size != b.Size)
			if same, err = c.sameContent(x.file, y.file); err != nil {
				c.report(d, err)
			}
			differ("content", err == nil && !same)
		case fs.ModeSymlink:
			if same, err = c.sameTarget(x.file, y.file); err != nil {
				c.report(d, err)
			}
			differ("target", err == nil && !same)
		}
	}
	if len(d.Fields) > 0 {
		c.report(d, nil)
	}
}

func sameXattrs(a, b *fstree.Stat) (bool, error) {
	x, err := a.Xattrs()
	if err != nil {
		return false, onFirst(err)
	}
	y, err := b.Xattrs()
	return maps.EqualFunc(x, y, bytes.Equal), onSecond(err)
}

func (c *comparer) sameTarget(x, y *File) (bool, error) {
	a, err := c.a.ReadLink(x.Path)
	if err != nil {
		return false, onFirst(err)
	}
	b, err := c.b.ReadLink(y.Path)
	return a == b, onSecond(err)
}
