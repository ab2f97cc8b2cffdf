package fstree

import (
	"context"
	"io/fs"
	"iter"
	"path"
)

// WalkEntry is a file that [FS.Walk] meets.
type WalkEntry struct {
	Path string // in the FS, "." for its root
	ID   ID
	fs.DirEntry

	// Skip is for the body of the loop: set on a directory, it is not
	// entered.
	Skip bool

	file *dirEntry // as the walk found it; DirEntry is the caller's to replace
}

// Stat returns what the inode says.
func (e *WalkEntry) Stat() (*Stat, error) {
	info, err := e.Info()
	if err != nil {
		return nil, err
	}
	return info.Sys().(*Stat), nil
}

// Open opens the file as [FS.Open] does, without looking its path up again.
// A symbolic link is not followed, and has no contents.
func (e *WalkEntry) Open() (_ fs.File, err error) {
	if e.file == nil {
		return nil, pathError("open", e.Path, fs.ErrInvalid)
	}
	defer e.file.tree.guard("open", e.Path, &err)
	info, err := e.file.Info()
	if err != nil {
		return nil, err
	}
	return e.file.tree.open(e.Path, info.(*fileInfo))
}

// ReadLink returns a symbolic link's target as [FS.ReadLink] does.
func (e *WalkEntry) ReadLink() (target string, err error) {
	if e.file == nil || e.file.typ != fs.ModeSymlink {
		return "", pathError("readlink", e.Path, fs.ErrInvalid)
	}
	defer e.file.tree.guard("readlink", e.Path, &err)
	if target, err = e.file.tree.engine.Readlink(e.ID); err != nil {
		return "", pathError("readlink", e.Path, err)
	}
	return target, nil
}

// WalkOptions says how a tree is walked; nil stands for its zero value.
type WalkOptions struct {
	// Stat has the inodes read ahead, for a caller that asks for all of
	// them: ls -l, tar, cp.
	Stat bool
}

// Walk yields a directory and all that is below it: a directory before what
// is in it, names of one directory in lexical order, as [fs.WalkDir] does.
// Symbolic links are yielded and not followed, but for root itself. A
// directory that the walk has been in already, which only a damaged volume
// has, is an error and not entered again: the walk takes no longer than the
// volume has directories.
//
// An error comes with the entry that it concerns. Of a directory that cannot
// be read, or only in part, it is yielded after the directory itself and
// before what is left of it, and the walk goes on. Only an error of ctx ends
// the walk. An entry is valid until the next one.
//
// Directories and inodes that come next are read ahead on the other
// processors, while the loop's body runs; the order does not change.
func (f *FS) Walk(ctx context.Context, root string, opts *WalkOptions) iter.Seq2[*WalkEntry, error] {
	return func(yield func(*WalkEntry, error) bool) {
		at, err := f.resolveGuarded("walk", root)
		if err != nil {
			yield(&WalkEntry{Path: root}, err)
			return
		}
		w := walk{fs: f, ctx: ctx, yield: yield, stat: opts != nil && opts.Stat, seen: map[ID]struct{}{}}
		defer w.ahead.stop()
		d := dirEntry{tree: f.tree, name: path.Base(root), id: at.ID, typ: at.Type}
		if !w.emit(root, &d) || !d.IsDir() || w.entry.Skip {
			return
		}
		if root != "." {
			w.dir = append(w.dir, root...)
		}
		w.descend(newListing(f.tree, at.ID, w.stat))
	}
}

func (f *FS) resolveGuarded(op, name string) (_ place, err error) {
	defer f.guard(op, name, &err)
	return f.resolve(op, name, true)
}

// walk is one run of Walk.
type walk struct {
	fs    *FS
	ctx   context.Context
	yield func(*WalkEntry, error) bool
	stat  bool
	entry WalkEntry       // the last one that was yielded
	dir   []byte          // path of the directory that the walk is in, nothing for "."
	seen  map[ID]struct{} // directories that were entered
	ahead ahead
}

// emit yields an entry. It returns false when the walk is over.
func (w *walk) emit(name string, d *dirEntry) bool {
	w.entry = WalkEntry{Path: name, ID: d.id, DirEntry: d, file: d}
	if err := w.ctx.Err(); err != nil {
		w.yield(&w.entry, err)
		return false
	}
	return w.yield(&w.entry, nil)
}

// emitDamage yields what is wrong with the directory that the walk is in.
func (w *walk) emitDamage(l *listing) bool {
	name := "."
	if len(w.dir) > 0 {
		name = string(w.dir)
	}
	d := &dirEntry{tree: l.tree, name: path.Base(name), id: l.id, typ: fs.ModeDir}
	w.entry = WalkEntry{Path: name, ID: l.id, DirEntry: d, file: d}
	return w.yield(&w.entry, pathError("readdir", name, l.err))
}

// child is the path of an entry of the directory that the walk is in.
func (w *walk) child(d *dirEntry) string {
	if len(w.dir) == 0 {
		return d.name
	}
	return string(w.dir) + "/" + d.name
}

// descend yields what is in a directory, and below it. It returns false when
// the walk is over.
func (w *walk) descend(l *listing) bool {
	l.names.do()
	if l.err != nil && !w.emitDamage(l) {
		return false
	}
	w.seen[l.id] = struct{}{}
	window := aheadWindow{ahead: &w.ahead, listing: l}
	for i := range l.list {
		d := &l.list[i]
		sub := window.next(i)
		if !w.emit(w.child(d), d) {
			return false
		}
		d.info = nil
		if !d.IsDir() || w.entry.Skip {
			continue
		}
		if _, twice := w.seen[d.id]; twice {
			if !w.yield(&w.entry, pathError("walk", w.entry.Path, w.fs.damagedDir("has another place in the tree too"))) {
				return false
			}
			continue
		}
		w.ahead.dirs = true
		here := len(w.dir)
		if here > 0 {
			w.dir = append(w.dir, '/')
		}
		w.dir = append(w.dir, d.name...)
		if !w.descend(sub) {
			return false
		}
		w.dir = w.dir[:here]
	}
	return true
}

func (t *tree) listGuarded(dir ID) (_ []dirEntry, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = t.panicked(r)
		}
	}()
	return t.list(dir)
}
