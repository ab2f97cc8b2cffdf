package fstree

import (
	"context"
	"io/fs"
	"iter"
	"path"
)

// Walker is a tree that can be gone through with what each file is: an [FS], or
// the tree of a whole disk or guest that is made of several. Extraction,
// archives and comparison work on any of them.
type Walker interface {
	fs.StatFS
	fs.ReadLinkFS

	// Walk is [FS.Walk].
	Walk(ctx context.Context, root string, opts *WalkOptions) iter.Seq2[*WalkEntry, error]
}

var _ Walker = (*FS)(nil)

// WalkEntry is a file that [FS.Walk] meets.
type WalkEntry struct {
	Path string // in the FS, "." for its root
	fs.DirEntry

	// Skip is for the body of the loop: set on a directory, it is not
	// entered.
	Skip bool

	file *dirEntry // as the walk found it; DirEntry is the caller's to replace
}

// FileID returns the identity of the file, without reading its inode.
func (e *WalkEntry) FileID() FileID {
	if e.file == nil {
		return FileID{}
	}
	return FileID{e.file.tree, e.file.id}
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
	if target, err = e.file.tree.engine.Readlink(e.file.id); err != nil {
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
// directory that lies below itself, or has very many places in the tree, which
// only a damaged volume has, is an error and not entered again: the work of a
// walk is bounded by what the volume holds.
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
		w := walk{fs: f, ctx: ctx, yield: yield, stat: opts != nil && opts.Stat, above: make(map[ID]struct{})}
		defer w.ahead.stop()
		d := dirEntry{tree: f.tree, name: path.Base(root), id: at.ID, typ: at.Type}
		if !w.emit(root, &d) || !d.IsDir() || w.entry.Skip {
			return
		}
		if root != "." {
			w.dir = append(w.dir, root...)
		}
		for _, d := range at.dirs {
			w.above[d.id] = struct{}{}
		}
		w.descend(newListing(f.tree, at.ID, w.stat), at.dirs[len(at.dirs)-1])
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
	paths Strings         // of the entries
	dir   []byte          // path of the directory that the walk is in, nothing for "."
	above map[ID]struct{} // the directories that it is in
	ahead ahead
}

// emit yields an entry. It returns false when the walk is over.
func (w *walk) emit(name string, d *dirEntry) bool {
	w.entry = WalkEntry{Path: name, DirEntry: d, file: d}
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
	w.entry = WalkEntry{Path: name, DirEntry: d, file: d}
	return w.yield(&w.entry, pathError("readdir", name, l.err))
}

// descend yields what is in a directory, and below it. It returns false when
// the walk is over.
func (w *walk) descend(l *listing, at dirRef) bool {
	l.names.do()
	if l.err != nil && !w.emitDamage(l) {
		return false
	}
	window := aheadWindow{ahead: &w.ahead, listing: l}
	for i := range l.list {
		d := &l.list[i]
		sub := window.next(i)
		wrong := w.typeOf(d)
		if wrong != nil && d.IsDir() {
			sub = newListing(l.tree, d.id, w.stat)
		}
		if !w.emit(w.paths.Join(w.dir, d.name), d) || wrong != nil && !w.yield(&w.entry, pathError("walk", w.entry.Path, wrong)) {
			return false
		}
		d.info = nil
		if !d.IsDir() || w.entry.Skip {
			continue
		}
		if !w.enter(sub, d, at) {
			return false
		}
	}
	return true
}

// typeOf gives an entry the type that its inode has, if that was read, and says
// whether it stated another.
func (w *walk) typeOf(d *dirEntry) error {
	if d.info == nil || d.info.st.Mode.Type() == d.typ {
		return nil
	}
	err := d.tree.wrongType(d, d.info.st.Mode.Type())
	d.typ = d.info.st.Mode.Type()
	return err
}

// enter descends into an entry of the directory that the walk is in.
func (w *walk) enter(sub *listing, d *dirEntry, parent dirRef) bool {
	at, err := dirRef{}, w.fs.loop()
	if _, loop := w.above[d.id]; !loop {
		at, err = w.fs.enterOnce(parent, d.name, d.id)
	}
	if err != nil {
		return w.yield(&w.entry, pathError("walk", w.entry.Path, err))
	}
	w.ahead.dirs = true
	w.above[d.id] = struct{}{}
	here := len(w.dir)
	if here > 0 {
		w.dir = append(w.dir, '/')
	}
	w.dir = append(w.dir, d.name...)
	if !w.descend(sub, at) {
		return false
	}
	w.dir = w.dir[:here]
	delete(w.above, d.id)
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
