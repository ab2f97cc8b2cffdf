package guest

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Walk yields a directory and all that is below it, as [fstree.FS.Walk] does,
// through everything that is mounted there. A mount point whose filesystem
// cannot be read is yielded twice: as the directory it is, and then with the
// error.
func (r *Root) Walk(ctx context.Context, root string, opts *fstree.WalkOptions) iter.Seq2[*fstree.WalkEntry, error] {
	return func(yield func(*fstree.WalkEntry, error) bool) {
		at, _, err := r.resolve("walk", root, true)
		if err != nil {
			yield(&fstree.WalkEntry{Path: root}, err)
			return
		}
		w := &walk{ctx, opts, yield}
		w.walk(at, root)
	}
}

type walk struct {
	ctx   context.Context
	opts  *fstree.WalkOptions
	yield func(*fstree.WalkEntry, error) bool
}

// walk walks one mount from a place in it that the guest calls shown. It
// returns false when the walk is over.
func (w *walk) walk(at place, shown string) bool {
	for e, err := range at.m.fsys.Walk(w.ctx, at.rel, w.opts) {
		inMount, entry := e.Path, e.DirEntry
		name := shownPath(at.rel, shown, e.Path)
		isRoot := e.Path == at.rel
		if e.DirEntry != nil && !isRoot && len(at.m.on) > 0 {
			if on := at.m.on[coverOf(e.IsDir(), e.FileID(), e.Path)]; on != nil {
				if err == nil && !w.enter(e, on, name) {
					return false
				}
				e.Path, e.DirEntry, e.Skip = inMount, entry, true
				continue
			}
		}
		e.Path = name
		if isRoot && e.DirEntry != nil {
			e.DirEntry = renamedEntry{e.DirEntry, path.Base(name)}
		}
		if !w.yield(e, in(name, err)) {
			return false
		}
		if err == nil && e.DirEntry != nil && e.IsDir() && !e.Skip {
			if lost := at.m.lost[e.FileID()]; len(lost) > 0 {
				if !w.yield(e, &fs.PathError{Op: "readdir", Path: name, Err: errors.Join(lost...)}) {
					return false
				}
			}
		}
		e.Path, e.DirEntry = inMount, entry
	}
	return w.ctx.Err() == nil
}

// enter walks what is mounted on an entry in the entry's place.
func (w *walk) enter(e *fstree.WalkEntry, on *mounted, name string) bool {
	at, _, err := on.top()
	if err == nil {
		return w.walk(at, name)
	}
	e.Path = name
	return w.yield(e, w.ctx.Err()) && w.ctx.Err() == nil && w.yield(e, &fs.PathError{Op: "walk", Path: name, Err: err})
}

// shownPath is the guest's name for a path below rel, which it calls shown.
func shownPath(rel, shown, below string) string {
	if below == rel {
		return shown
	}
	if rel != "." {
		below = strings.TrimPrefix(below, rel+"/")
	}
	if shown == "." {
		return below
	}
	return shown + "/" + below
}

// in gives an error of a mount the path that the guest has for it.
func in(name string, err error) error {
	var pe *fs.PathError
	if !errors.As(err, &pe) || err != error(pe) {
		return err
	}
	return &fs.PathError{Op: pe.Op, Path: name, Err: pe.Err}
}

// renamedEntry is the root of a walk or mount under the name it has there.
type renamedEntry struct {
	fs.DirEntry
	name string
}

func (e renamedEntry) Name() string   { return e.name }
func (e renamedEntry) String() string { return fs.FormatDirEntry(e) }
func (e renamedEntry) Info() (fs.FileInfo, error) {
	info, err := e.DirEntry.Info()
	return renamed(info, e.name), err
}
