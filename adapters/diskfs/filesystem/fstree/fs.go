package fstree

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	maxReadFile = 1 << 30 // bytes that ReadFile returns at most
	maxErrors   = 16      // errors of one directory that are kept
)

// FS is a filesystem as a tree of paths. Make one by [Open].
type FS struct {
	*tree
	base []dirRef // the directories from the volume's root down to this FS's root
}

// tree is what an FS shares with those that Sub made of it.
type tree struct {
	engine  Engine
	placer  Placer // nil where announcing is of no use
	names   nameCache
	indexes indexes
	places  places
	closed  atomic.Bool
	buffers sync.Pool // *[copySize]byte, for WriteTo
}

var (
	_ fs.ReadDirFS  = (*FS)(nil)
	_ fs.ReadFileFS = (*FS)(nil)
	_ fs.StatFS     = (*FS)(nil)
	_ fs.ReadLinkFS = (*FS)(nil)
	_ fs.SubFS      = (*FS)(nil)
)

// New returns the tree of a filesystem.
func New(e Engine) *FS {
	return &FS{tree: &tree{engine: e, placer: placerOf(e)}, base: []dirRef{{id: e.Root()}}}
}

// Open returns the tree of a filesystem whose root is a directory. Every reader
// ends its own Open with it: a root that cannot be read, or is something else,
// is an error there and not only in a walk of the tree.
func Open(e Engine) (f *FS, err error) {
	f = New(e)
	defer func() {
		if r := recover(); r != nil {
			f, err = nil, f.panicked(r)
		}
	}()
	f.announceRoot()
	st, err := e.Stat(e.Root())
	if err != nil {
		return nil, fmt.Errorf("root directory: %w", err)
	}
	if !st.Mode.IsDir() {
		return nil, &DamageError{FS: e.Info().Type, Structure: "root directory", Block: -1, Why: "not a directory"}
	}
	return f, nil
}

// Close makes everything that is asked of the tree from now on fail with
// [fs.ErrClosed], of its open files and of trees that Sub made of it, too. It
// does not close what the volume is read from.
func (f *FS) Close() error {
	if f.closed.Swap(true) {
		return fs.ErrClosed
	}
	return nil
}

// Info describes the filesystem.
func (f *FS) Info() Info { return f.engine.Info() }

// Open opens a file or directory and follows symbolic links. What it returns
// is a [File] or an [fs.ReadDirFile]. A device, a pipe or a socket opens as a
// [File] without contents, because an image does not hold what it leads to.
func (f *FS) Open(name string) (_ fs.File, err error) {
	defer f.guard("open", name, &err)
	at, err := f.resolve("open", name, true)
	if err != nil {
		return nil, err
	}
	info, err := f.infoAt(path.Base(name), at)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return f.open(name, info)
}

// open opens the file that info describes.
func (t *tree) open(name string, info *fileInfo) (fs.File, error) {
	if info.IsDir() {
		return &dir{tree: t, name: name, info: info}, nil
	}
	var content Content = emptyContent{}
	if info.st.Mode.IsRegular() {
		var err error
		if content, err = t.engine.Open(info.st.id); err != nil {
			return nil, pathError("open", name, err)
		}
	}
	return &file{tree: t, name: name, info: info, content: content}, nil
}

// Stat describes a file and follows symbolic links. Its Sys is a [*Stat].
func (f *FS) Stat(name string) (fs.FileInfo, error) { return f.stat("stat", name, true) }

// Lstat describes a file, and a symbolic link itself.
func (f *FS) Lstat(name string) (fs.FileInfo, error) { return f.stat("lstat", name, false) }

func (f *FS) stat(op, name string, follow bool) (_ fs.FileInfo, err error) {
	defer f.guard(op, name, &err)
	at, err := f.resolve(op, name, follow)
	if err != nil {
		return nil, err
	}
	info, err := f.infoAt(path.Base(name), at)
	if err != nil {
		return nil, pathError(op, name, err)
	}
	return info, nil
}

// ReadLink returns a symbolic link's target as it is stored: neither escaped
// nor made relative to anything.
func (f *FS) ReadLink(name string) (target string, err error) {
	defer f.guard("readlink", name, &err)
	at, err := f.resolve("readlink", name, false)
	if err != nil {
		return "", err
	}
	if at.Type != fs.ModeSymlink {
		return "", pathError("readlink", name, fs.ErrInvalid)
	}
	target, err = f.engine.Readlink(at.ID)
	if err != nil {
		return "", pathError("readlink", name, err)
	}
	return target, nil
}

// ReadDir lists a directory, sorted by name. It reads no inodes: an entry's
// Info does, when it is called. Where a part of the directory is damaged, it
// returns the entries of the rest and an error.
func (f *FS) ReadDir(name string) (_ []fs.DirEntry, err error) {
	defer f.guard("readdir", name, &err)
	at, err := f.resolve("readdir", name, true)
	if err != nil {
		return nil, err
	}
	if at.Type != fs.ModeDir {
		return nil, pathError("readdir", name, ErrNotDir)
	}
	list, err := f.list(at.ID)
	if err != nil {
		err = pathError("readdir", name, err)
	}
	return dirEntries(list), err
}

// ReadFile returns a file's contents, of at most 1 GiB.
func (f *FS) ReadFile(name string) (_ []byte, err error) {
	defer f.guard("readfile", name, &err)
	at, err := f.resolve("readfile", name, true)
	if err != nil {
		return nil, err
	}
	b, err := f.readFile(at)
	if err != nil {
		return nil, pathError("readfile", name, err)
	}
	return b, nil
}

func (t *tree) readFile(at place) ([]byte, error) {
	if at.Type.IsDir() {
		return nil, ErrIsDir
	}
	if !at.Type.IsRegular() {
		return []byte{}, nil
	}
	content, err := t.engine.Open(at.ID)
	if err != nil {
		return nil, err
	}
	if content.Size() > maxReadFile {
		return nil, ErrTooLarge
	}
	// The size is a claim of the image: what is allocated follows what was read.
	size := int(content.Size())
	b := make([]byte, 0, min(size, 1<<20))
	for len(b) < size {
		b = slices.Grow(b, 1)
		n, err := content.ReadAt(b[len(b):min(cap(b), size)], int64(len(b)))
		b = b[:len(b)+n]
		if err != nil && !(err == io.EOF && len(b) == size) {
			return nil, noEOF(err)
		}
	}
	return b, nil
}

// Sub returns the tree below a directory. It is a view, not a jail: symbolic
// links in it mean what they mean in the whole volume, so an absolute one
// still begins at the volume's root, and none leads out of the volume.
func (f *FS) Sub(dir string) (_ fs.FS, err error) {
	defer f.guard("sub", dir, &err)
	at, err := f.resolve("sub", dir, true)
	if err != nil {
		return nil, err
	}
	if at.Type != fs.ModeDir {
		return nil, pathError("sub", dir, ErrNotDir)
	}
	return &FS{tree: f.tree, base: slices.Clip(at.dirs)}, nil
}

// Rooted returns the filesystem as it is mounted with another root than that of
// [New], such as a subvolume of btrfs. No path leads out of that root.
func (f *FS) Rooted(root ID) (_ *FS, err error) {
	defer f.guard("open", ".", &err)
	info, err := f.info(".", root)
	if err == nil && !info.IsDir() {
		err = ErrNotDir
	}
	if err != nil {
		return nil, pathError("open", ".", err)
	}
	return &FS{tree: f.tree, base: []dirRef{{id: root}}}, nil
}

// infoAt describes the file at a place.
func (t *tree) infoAt(name string, at place) (*fileInfo, error) {
	if at.stat == nil {
		return t.info(name, at.ID)
	}
	at.stat.tree, at.stat.id = t, at.ID
	return &fileInfo{name: name, st: *at.stat}, nil
}

// info describes the file of an identity.
func (t *tree) info(name string, id ID) (*fileInfo, error) {
	st, err := t.engine.Stat(id)
	if err != nil {
		return nil, err
	}
	st.tree, st.id = t, id
	return &fileInfo{name: name, st: st}, nil
}

// guard makes a panic of an engine, or of the parser that it uses, an error
// of the call.
func (t *tree) guard(op, name string, err *error) {
	if r := recover(); r != nil {
		*err = pathError(op, name, t.panicked(r))
	}
}

func (t *tree) panicked(r any) error {
	return fmt.Errorf("%s: reader panicked: %v: %w", t.engine.Info().Type, r, ErrDamaged)
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// noEOF is for a read that must not end where it did.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
