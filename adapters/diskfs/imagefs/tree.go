package imagefs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Tree is the files of a whole disk. Its top directories are the volumes;
// below them it is what [fstree.FS] is, open files included. It is safe for
// concurrent use.
//
// A volume that is there for something else than files ([ErrNoFiles]) is no
// directory of the tree. Every other one is: where its filesystem cannot be
// read, because it is damaged, encrypted, of a kind without a reader or not
// recognised, each use of its directory gives the reason as its error, so that
// whoever goes through the tree meets it.
type Tree struct {
	disk *Disk
}

var (
	_ fs.ReadDirFS  = (*Tree)(nil)
	_ fs.ReadFileFS = (*Tree)(nil)
	_ fs.StatFS     = (*Tree)(nil)
	_ fs.ReadLinkFS = (*Tree)(nil)
	_ fs.SubFS      = (*Tree)(nil)

	_ fstree.Walker = (*Tree)(nil)
)

// Locate splits a path of the tree into its volume's filesystem and the path
// in there. The root of the tree lies in no volume: name "." gives nil, ".".
func (t *Tree) Locate(name string) (fsys *fstree.FS, rest string, err error) {
	fsys, _, rest, err = t.locate("open", name)
	return fsys, rest, err
}

func (t *Tree) locate(op, name string) (fsys *fstree.FS, volume, rest string, err error) {
	if !fs.ValidPath(name) {
		return nil, "", "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if name == "." {
		return nil, "", ".", nil
	}
	volume, rest, found := strings.Cut(name, "/")
	if !found {
		rest = "."
	}
	v, err := t.disk.Volume(volume)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	if err == nil {
		fsys, err = v.FS()
	}
	if err != nil {
		return nil, "", "", &fs.PathError{Op: op, Path: name, Err: reason(err)}
	}
	return fsys, volume, rest, nil
}

// reason is an error without the name of the volume, which a path begins with.
func reason(err error) error {
	if v, ok := err.(*VolumeError); ok {
		return v.Err
	}
	return err
}

// in puts the path in the tree into an error of a volume.
func in(volume string, err error) error {
	var pe *fs.PathError
	if !errors.As(err, &pe) || err != error(pe) {
		return err
	}
	name := volume
	if pe.Path != "." {
		name += "/" + pe.Path
	}
	return &fs.PathError{Op: pe.Op, Path: name, Err: pe.Err}
}

// Open opens a file or directory and follows symbolic links. What it returns
// of a regular file is a [fstree.File].
func (t *Tree) Open(name string) (fs.File, error) {
	fsys, volume, rest, err := t.locate("open", name)
	if err != nil {
		return nil, err
	}
	if fsys == nil {
		return &rootDir{tree: t}, nil
	}
	f, err := fsys.Open(rest)
	if err != nil {
		return nil, in(volume, err)
	}
	if rest == "." {
		return volumeDir{f.(fs.ReadDirFile), volume}, nil
	}
	return f, nil
}

// Stat describes a file and follows symbolic links. Its Sys is a [*Stat].
func (t *Tree) Stat(name string) (fs.FileInfo, error) {
	return t.info("stat", name, (*fstree.FS).Stat)
}

// Lstat describes a file, and a symbolic link itself.
func (t *Tree) Lstat(name string) (fs.FileInfo, error) {
	return t.info("lstat", name, (*fstree.FS).Lstat)
}

func (t *Tree) info(op, name string, stat func(*fstree.FS, string) (fs.FileInfo, error)) (fs.FileInfo, error) {
	fsys, volume, rest, err := t.locate(op, name)
	if err != nil {
		return nil, err
	}
	if fsys == nil {
		return rootInfo{}, nil
	}
	info, err := stat(fsys, rest)
	if err != nil {
		return nil, in(volume, err)
	}
	if rest == "." {
		return volumeInfo{info, volume}, nil
	}
	return info, nil
}

// ReadLink returns a symbolic link's target as it is stored. An absolute one
// begins at the root of its volume, not of the tree.
func (t *Tree) ReadLink(name string) (string, error) {
	fsys, volume, rest, err := t.locate("readlink", name)
	if err != nil {
		return "", err
	}
	if fsys == nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	target, err := fsys.ReadLink(rest)
	return target, in(volume, err)
}

// ReadDir lists a directory, sorted by name. The root lists the volumes; its
// error is [Disk.Problems].
func (t *Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	fsys, volume, rest, err := t.locate("readdir", name)
	if err != nil {
		return nil, err
	}
	if fsys == nil {
		return t.volumes()
	}
	list, err := fsys.ReadDir(rest)
	return list, in(volume, err)
}

// volumes lists the root, with an error for what may be missing in it.
func (t *Tree) volumes() ([]fs.DirEntry, error) {
	if err := t.disk.find(); err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: ".", Err: err}
	}
	var list []fs.DirEntry
	for i := range t.disk.found.volumes {
		v := &t.disk.found.volumes[i]
		if v.inTree() {
			list = append(list, volumeEntry{t, v.Name})
		}
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	if problems := t.disk.found.problems; len(problems) > 0 {
		return list, &fs.PathError{Op: "readdir", Path: ".", Err: errors.Join(problems...)}
	}
	return list, nil
}

// ReadFile returns a file's contents, of at most 1 GiB.
func (t *Tree) ReadFile(name string) ([]byte, error) {
	fsys, volume, rest, err := t.locate("readfile", name)
	if err != nil {
		return nil, err
	}
	if fsys == nil {
		return nil, &fs.PathError{Op: "readfile", Path: name, Err: fstree.ErrIsDir}
	}
	b, err := fsys.ReadFile(rest)
	return b, in(volume, err)
}

// Sub returns the tree below a directory; below a volume it is a [fstree.FS].
func (t *Tree) Sub(dir string) (fs.FS, error) {
	fsys, volume, rest, err := t.locate("sub", dir)
	if err != nil {
		return nil, err
	}
	if fsys == nil {
		return t, nil
	}
	sub, err := fsys.Sub(rest)
	return sub, in(volume, err)
}

// Walk yields a directory and all that is below it as [fstree.FS.Walk] does,
// through all the volumes if it begins at the root. A volume whose filesystem
// cannot be read is yielded twice: as a directory, and then with the error,
// even where it is skipped.
func (t *Tree) Walk(ctx context.Context, root string, opts *fstree.WalkOptions) iter.Seq2[*fstree.WalkEntry, error] {
	return func(yield func(*fstree.WalkEntry, error) bool) {
		fsys, volume, rest, err := t.locate("walk", root)
		switch {
		case err != nil:
			yield(&fstree.WalkEntry{Path: root}, err)
		case fsys == nil:
			t.walkAll(ctx, opts, yield)
		default:
			t.walkVolume(ctx, fsys, volume, rest, opts, yield)
		}
	}
}

// walkAll walks the root and every volume.
func (t *Tree) walkAll(ctx context.Context, opts *fstree.WalkOptions, yield func(*fstree.WalkEntry, error) bool) {
	root := &fstree.WalkEntry{Path: ".", DirEntry: fs.FileInfoToDirEntry(rootInfo{})}
	if !yield(root, nil) || root.Skip {
		return
	}
	list, err := t.volumes()
	if err != nil && !yield(root, err) {
		return
	}
	for _, d := range list {
		fsys, _, _, err := t.locate("walk", d.Name())
		if err != nil {
			e := &fstree.WalkEntry{Path: d.Name(), DirEntry: d}
			if !yield(e, ctx.Err()) || ctx.Err() != nil || !yield(e, err) {
				return
			}
			continue
		}
		if !t.walkVolume(ctx, fsys, d.Name(), ".", opts, yield) {
			return
		}
	}
}

// walkVolume walks a part of one volume. It returns false when the walk is
// over. The walk goes on from the entry that it yielded, so that what is
// changed in it for the caller is changed back.
func (t *Tree) walkVolume(ctx context.Context, fsys *fstree.FS, volume, root string, opts *fstree.WalkOptions, yield func(*fstree.WalkEntry, error) bool) bool {
	var paths fstree.Strings
	above := []byte(volume)
	for e, err := range fsys.Walk(ctx, root, opts) {
		inVolume, entry := e.Path, e.DirEntry
		switch {
		case e.Path != ".":
			e.Path = paths.Join(above, e.Path)
		case e.DirEntry != nil:
			e.DirEntry = volumeEntry{t, volume}
			fallthrough
		default:
			e.Path = volume
		}
		if !yield(e, in(volume, err)) {
			return false
		}
		e.Path, e.DirEntry = inVolume, entry
	}
	return ctx.Err() == nil
}

// volumeInfo is a volume's root directory under the volume's name.
type volumeInfo struct {
	fs.FileInfo
	name string
}

func (i volumeInfo) Name() string   { return i.name }
func (i volumeInfo) String() string { return fs.FormatFileInfo(i) }

// volumeEntry is a volume in the root of the tree.
type volumeEntry struct {
	tree *Tree
	name string
}

func (e volumeEntry) Name() string               { return e.name }
func (e volumeEntry) IsDir() bool                { return true }
func (e volumeEntry) Type() fs.FileMode          { return fs.ModeDir }
func (e volumeEntry) Info() (fs.FileInfo, error) { return e.tree.Lstat(e.name) }
func (e volumeEntry) String() string             { return fs.FormatDirEntry(e) }

// volumeDir is a volume's root directory, open.
type volumeDir struct {
	fs.ReadDirFile
	name string
}

func (d volumeDir) Stat() (fs.FileInfo, error) {
	info, err := d.ReadDirFile.Stat()
	if err != nil {
		return nil, in(d.name, err)
	}
	return volumeInfo{info, d.name}, nil
}

// rootDir is the root of the tree, open.
type rootDir struct {
	tree *Tree

	mu     sync.Mutex
	list   []fs.DirEntry
	read   bool
	closed bool
}

func (d *rootDir) Stat() (fs.FileInfo, error) { return rootInfo{}, nil }

func (d *rootDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: ".", Err: fstree.ErrIsDir}
}

func (d *rootDir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return &fs.PathError{Op: "close", Path: ".", Err: fs.ErrClosed}
	}
	d.closed = true
	return nil
}

// ReadDir lists the volumes. What may be missing among them is the error of
// the first call, beside its entries.
func (d *rootDir) ReadDir(n int) ([]fs.DirEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, &fs.PathError{Op: "readdir", Path: ".", Err: fs.ErrClosed}
	}
	var err error
	if !d.read {
		d.read = true
		d.list, err = d.tree.volumes()
	}
	if n > 0 && len(d.list) == 0 && err == nil {
		return nil, io.EOF
	}
	if n <= 0 || n > len(d.list) {
		n = len(d.list)
	}
	list := slices.Clone(d.list[:n])
	d.list = d.list[n:]
	return list, err
}

// rootInfo describes the root of the tree, which is stored nowhere.
type rootInfo struct{}

func (rootInfo) Name() string       { return "." }
func (rootInfo) Size() int64        { return 0 }
func (rootInfo) Mode() fs.FileMode  { return fs.ModeDir | 0o555 }
func (rootInfo) ModTime() time.Time { return time.Time{} }
func (rootInfo) IsDir() bool        { return true }
func (rootInfo) Sys() any           { return &Stat{Mode: fs.ModeDir | 0o555, Nlink: 1} }
