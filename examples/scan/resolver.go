package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	stereofile "github.com/anchore/stereoscope/pkg/file"
	"github.com/anchore/syft/syft/file"
	"github.com/bmatcuk/doublestar/v4"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Resolver shows a tree of files, such as the root of a guest, to syft. Paths
// are absolute, links are followed, and a file is given once, whatever links
// lead to it. It is safe for concurrent use, and writes nothing.
type Resolver struct {
	ctx  context.Context // syft asks for paths without one
	tree fstree.Walker

	index func() []string // the paths of all that are no directories, sorted

	mu  sync.Mutex
	err []error
}

var _ file.Resolver = (*Resolver)(nil)

// NewResolver returns a resolver of a tree. Once ctx ends, searches find
// nothing, and [Resolver.Err] says so.
func NewResolver(ctx context.Context, tree fstree.Walker) *Resolver {
	r := &Resolver{ctx: ctx, tree: tree}
	r.index = sync.OnceValue(r.list)
	return r
}

// maxErrors is how many errors are kept.
const maxErrors = 64

// Err is what could not be read so far: syft passes over it.
func (r *Resolver) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.err...)
}

func (r *Resolver) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.err) < maxErrors {
		r.err = append(r.err, err)
	}
}

// list goes through the tree by names alone.
func (r *Resolver) list() (paths []string) {
	for e, err := range r.tree.Walk(r.ctx, ".", nil) {
		switch {
		case err != nil:
			r.note(err)
		case !e.IsDir():
			paths = append(paths, e.Path)
		}
	}
	if err := r.ctx.Err(); err != nil {
		r.note(err)
		return nil
	}
	slices.Sort(paths)
	return paths
}

// inTree is the path of the tree for one of syft's.
func inTree(name string) string {
	if name = strings.TrimPrefix(path.Clean("/"+name), "/"); name == "" {
		return "."
	}
	return name
}

// maxLinks is how many links lead on from a path, as in the trees.
const maxLinks = 40

// real follows all links in a path.
func (r *Resolver) real(name string) (string, error) {
	todo, done := strings.Split(inTree(name), "/"), "."
	for links := 0; len(todo) > 0; {
		elem := todo[0]
		todo = todo[1:]
		switch elem {
		case "", ".":
			continue
		case "..":
			done = path.Dir(done)
			continue
		}
		at := path.Join(done, elem)
		info, err := r.tree.Lstat(at)
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			done = at
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "readlink", Path: at, Err: fstree.ErrTooManyLinks}
		}
		target, err := r.tree.ReadLink(at)
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(target, "/") {
			done = "."
		}
		todo = append(strings.Split(fstree.EscapeTarget(target), "/"), todo...)
	}
	return done, nil
}

// location is the file at a path. A path that leads to nothing, or to a
// directory, has none.
func (r *Resolver) location(name string) (file.Location, bool) {
	real, err := r.real(name)
	if err == nil {
		var info fs.FileInfo
		if info, err = r.tree.Lstat(real); err == nil && !info.IsDir() {
			return file.NewVirtualLocation("/"+real, "/"+inTree(name)), true
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fstree.ErrNotDir) {
		r.note(err)
	}
	return file.Location{}, false
}

// locations are those of paths, each file once.
func (r *Resolver) locations(paths func(yield func(string) bool)) (list []file.Location) {
	seen := make(map[string]bool)
	for name := range paths {
		if l, ok := r.location(name); ok && !seen[l.RealPath] {
			seen[l.RealPath] = true
			list = append(list, l)
		}
	}
	return list
}

// HasPath reports whether a path leads to a file or directory.
func (r *Resolver) HasPath(name string) bool {
	_, err := r.real(name)
	return err == nil
}

// FilesByPath returns the files at paths.
func (r *Resolver) FilesByPath(paths ...string) ([]file.Location, error) {
	return r.locations(slices.Values(paths)), nil
}

// FilesByGlob returns the files whose paths match patterns as package
// doublestar has them.
func (r *Resolver) FilesByGlob(patterns ...string) ([]file.Location, error) {
	for _, p := range patterns {
		if !doublestar.ValidatePattern(p) {
			return nil, &fs.PathError{Op: "glob", Path: p, Err: doublestar.ErrBadPattern}
		}
	}
	return r.locations(func(yield func(string) bool) {
		for _, p := range patterns {
			p = strings.TrimPrefix(path.Clean("/"+p), "/")
			below, _ := doublestar.SplitPattern(p)
			for _, name := range r.below(below) {
				if ok, _ := doublestar.Match(p, name); ok && !yield(name) {
					return
				}
			}
		}
	}), nil
}

// below are the paths of the index in a directory, all of them for ".". A
// directory that is a link has nothing in it there, as in syft's own search.
func (r *Resolver) below(dir string) []string {
	all := r.index()
	if dir == "." {
		return all
	}
	dir += "/"
	from, _ := slices.BinarySearch(all, dir)
	to := from
	for to < len(all) && strings.HasPrefix(all[to], dir) {
		to++
	}
	return all[from:to]
}

// FilesByMIMEType returns the files whose first bytes say one of the types. It
// reads the begin of every file.
func (r *Resolver) FilesByMIMEType(types ...string) ([]file.Location, error) {
	return r.locations(func(yield func(string) bool) {
		for _, name := range r.index() {
			if r.ctx.Err() != nil {
				return
			}
			if slices.Contains(types, r.mimeType(name)) && !yield(name) {
				return
			}
		}
	}), nil
}

// mimeType is what the first bytes of a regular file say.
func (r *Resolver) mimeType(name string) string {
	info, err := r.tree.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	f, err := r.tree.Open(name)
	if err != nil {
		r.note(err)
		return ""
	}
	defer f.Close()
	return stereofile.MIMEType(f)
}

// RelativeFileByPath returns the file at a path: a guest has one layer.
func (r *Resolver) RelativeFileByPath(_ file.Location, name string) *file.Location {
	if l, ok := r.location(name); ok {
		return &l
	}
	return nil
}

// AllLocations sends all files, directories and links, until ctx ends.
func (r *Resolver) AllLocations(ctx context.Context) <-chan file.Location {
	c := make(chan file.Location)
	go func() {
		defer close(c)
		for e, err := range r.tree.Walk(ctx, ".", nil) {
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				r.note(err)
				continue
			}
			select {
			case c <- file.NewLocation("/" + inTree(e.Path)):
			case <-ctx.Done():
				return
			}
		}
	}()
	return c
}

// FileContentsByLocation opens a file.
func (r *Resolver) FileContentsByLocation(l file.Location) (io.ReadCloser, error) {
	f, err := r.tree.Open(inTree(l.RealPath))
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.IsDir() {
		f.Close()
		return nil, &fs.PathError{Op: "read", Path: l.RealPath, Err: errors.Join(err, fstree.ErrIsDir)}
	}
	return &noted{f, r}, nil
}

// noted is an open file whose errors are remembered.
type noted struct {
	fs.File
	r *Resolver
}

func (n *noted) Read(p []byte) (int, error) {
	m, err := n.File.Read(p)
	if err != nil && err != io.EOF {
		n.r.note(err)
	}
	return m, err
}

// ReadAt and Seek are for readers of databases.
func (n *noted) ReadAt(p []byte, off int64) (int, error) {
	m, err := n.File.(fstree.File).ReadAt(p, off)
	if err != nil && err != io.EOF {
		n.r.note(err)
	}
	return m, err
}

func (n *noted) Seek(off int64, whence int) (int64, error) {
	return n.File.(fstree.File).Seek(off, whence)
}

// FileMetadataByLocation says what a file's inode says, of a link itself.
func (r *Resolver) FileMetadataByLocation(l file.Location) (file.Metadata, error) {
	name := inTree(l.RealPath)
	info, err := r.tree.Lstat(name)
	if err != nil {
		return file.Metadata{}, err
	}
	st := info.Sys().(*fstree.Stat)
	m := file.Metadata{
		FileInfo: info, Path: l.RealPath, UserID: int(st.UID), GroupID: int(st.GID),
		Type: stereofile.TypeFromMode(info.Mode()), MIMEType: r.mimeType(name),
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		if m.LinkDestination, err = r.tree.ReadLink(name); err != nil {
			return file.Metadata{}, err
		}
	}
	return m, nil
}
