package guest

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"sync/atomic"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Root is the files of a guest as the guest sees them: its root filesystem with
// what its fstab mounts, where that is mounted. It is what [fstree.FS] is, open
// files included, and safe for concurrent use.
//
// Symbolic links lead across mounts and never out of the guest. Of a filesystem
// that should be mounted and cannot be, each use of its mount point gives the
// reason as its error.
type Root struct {
	top  place // where absolute links begin
	base place // where paths begin
}

var (
	_ fs.ReadDirFS  = (*Root)(nil)
	_ fs.ReadFileFS = (*Root)(nil)
	_ fs.StatFS     = (*Root)(nil)
	_ fs.ReadLinkFS = (*Root)(nil)
	_ fs.SubFS      = (*Root)(nil)

	_ fstree.Walker = (*Root)(nil)
)

// Open opens a file or directory and follows symbolic links.
func (r *Root) Open(name string) (fs.File, error) {
	at, info, err := r.resolve("open", name, true)
	if err != nil {
		return nil, err
	}
	f, err := at.m.fsys.Open(at.rel)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: reason(err)}
	}
	switch f := f.(type) {
	case fs.ReadDirFile:
		return newOpenDir(f, at, info, name), nil
	case fstree.File:
		return &openFile{f, name}, nil
	}
	return f, nil
}

// Stat describes a file and follows symbolic links. Its Sys is a [*fstree.Stat].
func (r *Root) Stat(name string) (fs.FileInfo, error) {
	_, info, err := r.resolve("stat", name, true)
	return renamed(info, name), err
}

// Lstat describes a file, and a symbolic link itself.
func (r *Root) Lstat(name string) (fs.FileInfo, error) {
	_, info, err := r.resolve("lstat", name, false)
	return renamed(info, name), err
}

// ReadLink returns a symbolic link's target as it is stored.
func (r *Root) ReadLink(name string) (string, error) {
	at, _, err := r.resolve("readlink", name, false)
	if err != nil {
		return "", err
	}
	target, err := at.m.fsys.ReadLink(at.rel)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: reason(err)}
	}
	return target, nil
}

// ReadFile returns a file's contents, of at most 1 GiB.
func (r *Root) ReadFile(name string) ([]byte, error) {
	at, _, err := r.resolve("readfile", name, true)
	if err != nil {
		return nil, err
	}
	b, err := at.m.fsys.ReadFile(at.rel)
	if err != nil {
		return nil, &fs.PathError{Op: "readfile", Path: name, Err: reason(err)}
	}
	return b, nil
}

// ReadDir lists a directory, sorted by name. Its error names what is missing:
// damaged parts, and filesystems that should be mounted in it on directories
// that are not there.
func (r *Root) ReadDir(name string) ([]fs.DirEntry, error) {
	at, info, err := r.resolve("readdir", name, true)
	if err != nil {
		return nil, err
	}
	list, err := at.m.fsys.ReadDir(at.rel)
	if lost := at.m.lost[fileID(info)]; len(lost) > 0 {
		err = errors.Join(append([]error{reason(err)}, lost...)...)
	}
	if err != nil {
		err = &fs.PathError{Op: "readdir", Path: name, Err: reason(err)}
	}
	return at.cover(list), err
}

// Sub returns the tree below a directory. It is a view, not a jail: an absolute
// symbolic link in it still begins at the guest's root.
func (r *Root) Sub(dir string) (fs.FS, error) {
	at, info, err := r.resolve("sub", dir, true)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "sub", Path: dir, Err: fstree.ErrNotDir}
	}
	if err != nil {
		return nil, err
	}
	return &Root{top: r.top, base: at}, nil
}

// cover puts in the place of a directory's entries what is mounted on them. It
// reads inodes only where something is mounted.
func (p place) cover(list []fs.DirEntry) []fs.DirEntry {
	if !p.holdsMounts() {
		return list
	}
	for i, d := range list {
		info, err := d.Info()
		if err != nil {
			continue // an error for whoever asks for it
		}
		if on := p.m.covering(path.Join(p.rel, d.Name()), info); on != nil {
			list[i] = coveredEntry{d, on}
		}
	}
	return list
}

// holdsMounts reports whether something is mounted on an entry of the directory.
func (p place) holdsMounts() bool {
	if len(p.m.on) == 0 {
		return false
	}
	info, err := p.m.fsys.Lstat(p.rel)
	if err != nil {
		return false
	}
	for _, on := range p.m.on {
		if on.dir == fileID(info) {
			return true
		}
	}
	return false
}

// coveredEntry is a mount point in a listing.
type coveredEntry struct {
	fs.DirEntry
	on *mounted
}

// Info describes the root of what is mounted.
func (e coveredEntry) Info() (fs.FileInfo, error) {
	_, info, err := e.on.top()
	if err != nil {
		return nil, &fs.PathError{Op: "lstat", Path: e.Name(), Err: err}
	}
	return renamed(info, e.Name()), nil
}

// openDir is a directory, open.
type openDir struct {
	fs.ReadDirFile
	at   place
	path string

	lost atomic.Pointer[[]error] // to be said yet: mounts without a mount point
}

func newOpenDir(f fs.ReadDirFile, at place, info fs.FileInfo, name string) *openDir {
	d := &openDir{ReadDirFile: f, at: at, path: name}
	if lost := at.m.lost[fileID(info)]; len(lost) > 0 {
		d.lost.Store(&lost)
	}
	return d
}

func (d *openDir) Stat() (fs.FileInfo, error) {
	info, err := d.ReadDirFile.Stat()
	return renamed(info, d.path), in(d.path, err)
}

// ReadDir lists the directory as that of [fstree.FS] does. Filesystems that are
// missing in it are the error of the first call, beside its entries.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	list, err := d.ReadDirFile.ReadDir(n)
	if lost := d.lost.Swap(nil); lost != nil && !errors.Is(err, fs.ErrClosed) {
		if err == io.EOF {
			err = nil
		}
		errs := append([]error{reason(err)}, *lost...)
		err = &fs.PathError{Op: "readdir", Path: d.path, Err: errors.Join(errs...)}
	}
	return d.at.cover(list), in(d.path, err)
}

// openFile is a file, open under the name that it has in the guest.
type openFile struct {
	fstree.File
	path string
}

func (f *openFile) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	return renamed(info, f.path), err
}

// renamed is a file's description under the name by which it was asked for.
func renamed(info fs.FileInfo, name string) fs.FileInfo {
	if info == nil || info.Name() == path.Base(name) {
		return info
	}
	return renamedInfo{info, path.Base(name)}
}

type renamedInfo struct {
	fs.FileInfo
	name string
}

func (i renamedInfo) Name() string   { return i.name }
func (i renamedInfo) String() string { return fs.FormatFileInfo(i) }
