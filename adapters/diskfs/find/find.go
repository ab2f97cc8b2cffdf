package find

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/internal/inorder"
)

// Options say what is looked for. Nil, and the zero value, find every file.
type Options struct {
	// Test is what files are found.
	Test Test

	// Content looks into the regular files that Test finds, and finds those that
	// have what it says in them. Nil finds files of every kind.
	Content *Content

	// Stat has the inodes read ahead, for a caller that asks all found files for
	// them.
	Stat bool

	// Progress is called from one goroutine with the number of files met so far.
	Progress func(files int64)
}

// File is a file that a search has met.
type File struct {
	Path  string // in the tree
	Depth int    // levels below the root of the search

	tree  fstree.Walker
	entry *fstree.WalkEntry // nil for a root that is no directory
	info  fs.DirEntry
	stat  *fstree.Stat

	prune, selected, quit bool // what the tests did
}

// Name is the last element of the path.
func (f *File) Name() string { return path.Base(f.Path) }

// Stat returns what the inode says. It is valid until the next file is found.
func (f *File) Stat() (*fstree.Stat, error) {
	if f.stat == nil {
		if f.info == nil {
			return nil, atPath(f.Path, fs.ErrInvalid)
		}
		info, err := f.info.Info()
		if err != nil {
			return nil, atPath(f.Path, err)
		}
		f.stat = info.Sys().(*fstree.Stat)
	}
	return f.stat, nil
}

// open opens the file, a regular one.
func (f *File) open() (fstree.File, error) {
	file, err := fs.File(nil), fs.ErrInvalid
	if f.entry != nil {
		file, err = f.entry.Open()
	}
	if errors.Is(err, fs.ErrInvalid) { // an entry that does not know its file
		file, err = f.tree.Open(f.Path)
	}
	if err != nil {
		return nil, atPath(f.Path, err)
	}
	return file.(fstree.File), nil
}

// Match is what a search finds: a file or, with [Options].Content, a line of one.
type Match struct {
	*File

	// Line is what Content found. It is nil where there is no Content, and where
	// no lines are asked for.
	Line *Line

	// Binary says that Content matches somewhere in a file that is no text. Line
	// is nil then.
	Binary bool
}

// Files yields what is found in a file, or a directory and all below it, in the
// order of a walk. Symbolic links are not followed. An error comes with the path
// that it concerns, where the file would have been, and the search goes on; only
// an error of ctx ends it.
//
// Names alone are read where Test asks for names alone. Contents are read on all
// processors; the order does not change.
func Files(ctx context.Context, tree fstree.Walker, root string, opts *Options) iter.Seq2[*Match, error] {
	if opts == nil {
		opts = &Options{}
	}
	return func(yield func(*Match, error) bool) {
		s := &search{ctx: ctx, tree: tree, root: root, Options: *opts}
		if s.Content == nil {
			s.walk(func(f *File, err error) bool { return yield(&Match{File: f}, err) })
			return
		}
		type found struct {
			match *Match
			err   error
		}
		inorder.Run(ctx, func(submit func(inorder.Task[found]) bool) {
			s.walk(func(f *File, err error) bool {
				var file fstree.File
				if err == nil {
					if file, err = s.openRegular(f); file == nil && err == nil {
						return true
					}
				}
				f.entry, f.info = nil, nil // valid for the walk alone
				return submit(func(emit func(found) bool) {
					if err != nil {
						emit(found{&Match{File: f}, err})
						return
					}
					defer file.Close()
					s.Content.search(f, file, func(m *Match, err error) bool { return emit(found{m, err}) })
				})
			})
		}, func(r found) bool { return yield(r.match, r.err) })
		if err := ctx.Err(); err != nil {
			yield(&Match{File: &File{Path: root}}, err)
		}
	}
}

// openRegular opens a regular file; of others it returns nothing.
func (s *search) openRegular(f *File) (fstree.File, error) {
	st, err := f.Stat()
	if err != nil || !st.Mode.IsRegular() {
		return nil, err
	}
	return f.open()
}

// search is one run of Files.
type search struct {
	Options
	ctx  context.Context
	tree fstree.Walker
	root string
	met  int64
}

// walk calls found with the files that pass the test.
func (s *search) walk(found func(*File, error) bool) {
	info, err := s.lstat()
	if err != nil {
		found(&File{Path: s.root}, err)
		return
	}
	if !info.IsDir() { // a walk would follow a link
		f := &File{Path: s.root, tree: s.tree, info: fs.FileInfoToDirEntry(info)}
		s.ask(f, found)
		return
	}
	opts := &fstree.WalkOptions{Stat: s.Stat || s.Test.cost >= costInode || s.Content != nil && s.Test.ask == nil}
	for e, err := range s.tree.Walk(s.ctx, s.root, opts) {
		f := &File{Path: e.Path, Depth: s.depth(e.Path), tree: s.tree, entry: e, info: e.DirEntry}
		if err != nil {
			if !found(f, err) || s.ctx.Err() != nil {
				return
			}
			continue
		}
		if !s.ask(f, found) {
			return
		}
		e.Skip = f.prune
	}
}

func (s *search) lstat() (fs.FileInfo, error) {
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	return s.tree.Lstat(s.root)
}

// ask puts the test to a file. It returns false when the search is over.
func (s *search) ask(f *File, found func(*File, error) bool) bool {
	if s.met++; s.Progress != nil {
		s.Progress(s.met)
	}
	ok, err := s.Test.eval(f)
	if s.Test.selects {
		ok = f.selected
	}
	if err != nil || ok {
		if !found(f, err) {
			return false
		}
	}
	return !f.quit
}

// depth counts the levels of a path below the root.
func (s *search) depth(p string) int {
	if p == s.root {
		return 0
	}
	if s.root != "." {
		p = strings.TrimPrefix(p, strings.TrimSuffix(s.root, "/")+"/")
	}
	return strings.Count(p, "/") + 1
}

// atPath gives an error the whole path of the file in the tree.
func atPath(name string, err error) error {
	if err == nil {
		return nil
	}
	op := "find"
	if pe, ok := err.(*fs.PathError); ok {
		op, err = pe.Op, pe.Err
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}
