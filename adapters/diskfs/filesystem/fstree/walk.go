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
}

// Stat returns what the inode says.
func (e *WalkEntry) Stat() (*Stat, error) {
	info, err := e.Info()
	if err != nil {
		return nil, err
	}
	return info.Sys().(*Stat), nil
}

// WalkOptions says how a tree is walked; nil stands for its zero value.
type WalkOptions struct {
	// Stat has the inodes read ahead, for a caller that asks for all of
	// them: ls -l, tar, cp.
	Stat bool
}

// Walk yields a directory and all that is below it: a directory before what
// is in it, names of one directory in lexical order, as [fs.WalkDir] does.
// Symbolic links are yielded and not followed, but for root itself. A directory that
// leads back to one above it, which only a damaged volume has, is an error and not
// entered.
//
// An error comes with the entry that it concerns: of a directory that could
// be read in part or not at all it is yielded after the directory itself, before what could be
// read of it, and the walk goes on. Only an error of ctx ends the walk.
// An entry is valid until the next one.
func (f *FS) Walk(ctx context.Context, root string, opts *WalkOptions) iter.Seq2[*WalkEntry, error] {
	return func(yield func(*WalkEntry, error) bool) {
		w := walk{fs: f, ctx: ctx, yield: yield}
		at, err := f.resolveGuarded("walk", root)
		if err != nil {
			yield(&WalkEntry{Path: root}, err)
			return
		}
		d := &dirEntry{tree: f.tree, name: path.Base(root), id: at.ID, typ: at.Type}
		w.visit(&WalkEntry{Path: root, ID: at.ID, DirEntry: d})
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
	above []ID // directories that are being read
}

// visit yields an entry and what is below it. It returns false when the walk
// is over.
func (w *walk) visit(e *WalkEntry) bool {
	if err := w.ctx.Err(); err != nil {
		w.yield(e, err)
		return false
	}
	if !w.yield(e, nil) {
		return false
	}
	if e.Skip || !e.IsDir() {
		return true
	}
	if err := w.fs.checkCycle(w.above, e.ID); err != nil {
		return w.yield(e, pathError("walk", e.Path, err))
	}
	list, err := w.fs.listGuarded(e.Path, e.ID)
	if err != nil && !w.yield(e, err) {
		return false
	}
	w.above = append(w.above, e.ID)
	defer func() { w.above = w.above[:len(w.above)-1] }()
	for i := range list {
		d := &list[i]
		name := d.name
		if e.Path != "." {
			name = e.Path + "/" + d.name
		}
		if !w.visit(&WalkEntry{Path: name, ID: d.id, DirEntry: d}) {
			return false
		}
	}
	return true
}

func (t *tree) listGuarded(name string, dir ID) (_ []dirEntry, err error) {
	defer t.guard("readdir", name, &err)
	list, err := t.list(dir)
	if err != nil {
		err = pathError("readdir", name, err)
	}
	return list, err
}
