package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"strings"
	"sync"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/guest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

// tree is the files of a disk under all the paths that the command takes: those
// that begin with a slash are the guest's, as its fstab mounts them, and all
// others begin with a volume. What it yields has paths of the same kind as what
// it was asked for.
type tree struct {
	*imagefs.Tree
	system func() (*guest.System, error)
}

// newDiskTree returns the tree of a disk. os names the system that paths with a
// slash are of, "" the only one; it is looked for when such a path is used.
func newDiskTree(d *imagefs.Disk, os string) *tree {
	return &tree{d.FS(), sync.OnceValues(func() (*guest.System, error) { return chooseSystem(d, os) })}
}

// chooseSystem finds the system of a name, or the only one of a disk; nil is
// none. What cannot be read matters only where nothing else is found.
func chooseSystem(d *imagefs.Disk, name string) (*guest.System, error) {
	found, err := guest.Find(d)
	var names []string
	for _, s := range found {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	switch {
	case name != "" && len(found) == 0:
		return nil, errors.Join(fmt.Errorf("no system is named %s; there is none", name), err)
	case name != "":
		return nil, fmt.Errorf("no system is named %s; there are %s", name, strings.Join(names, ", "))
	case len(found) > 1:
		return nil, fmt.Errorf("which of the systems %s is meant? choose one by --os", strings.Join(names, ", "))
	case len(found) == 0:
		return nil, nil
	}
	return found[0], nil
}

// isGuest reports whether a path of the tree is the guest's.
func isGuest(name string) bool { return strings.HasPrefix(name, "/") }

// guest returns the guest's tree and the path in it.
func (t *tree) guest(op, name string) (*guest.Root, string, error) {
	s, err := t.system()
	if err == nil && s == nil {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: err}
	}
	if name = strings.TrimLeft(name, "/"); name == "" {
		name = "."
	}
	return s.Root(), name, nil
}

// inGuest gives an error the path with the slash.
func inGuest(err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		return &fs.PathError{Op: pe.Op, Path: guestPath(pe.Path), Err: pe.Err}
	}
	return err
}

func guestPath(inRoot string) string { return path.Join("/", inRoot) }

func (t *tree) Open(name string) (fs.File, error) {
	return inTree(t, "open", name, t.Tree.Open, (*guest.Root).Open)
}

func (t *tree) Stat(name string) (fs.FileInfo, error) {
	return inTree(t, "stat", name, t.Tree.Stat, (*guest.Root).Stat)
}

func (t *tree) Lstat(name string) (fs.FileInfo, error) {
	return inTree(t, "lstat", name, t.Tree.Lstat, (*guest.Root).Lstat)
}

func (t *tree) ReadLink(name string) (string, error) {
	return inTree(t, "readlink", name, t.Tree.ReadLink, (*guest.Root).ReadLink)
}

func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	return inTree(t, "readdir", name, t.Tree.ReadDir, (*guest.Root).ReadDir)
}

// inTree calls the tree that a path lies in.
func inTree[T any](t *tree, op, name string, disk func(string) (T, error), inRoot func(*guest.Root, string) (T, error)) (T, error) {
	if !isGuest(name) {
		return disk(name)
	}
	root, rest, err := t.guest(op, name)
	if err != nil {
		var none T
		return none, err
	}
	v, err := inRoot(root, rest)
	return v, inGuest(err)
}

func (t *tree) Walk(ctx context.Context, name string, opts *fstree.WalkOptions) iter.Seq2[*fstree.WalkEntry, error] {
	if !isGuest(name) {
		return t.Tree.Walk(ctx, name, opts)
	}
	return func(yield func(*fstree.WalkEntry, error) bool) {
		root, rest, err := t.guest("walk", name)
		if err != nil {
			yield(&fstree.WalkEntry{Path: name}, err)
			return
		}
		for e, err := range root.Walk(ctx, rest, opts) {
			inRoot := e.Path
			e.Path = guestPath(inRoot)
			if !yield(e, inGuest(err)) {
				return
			}
			e.Path = inRoot // the walk goes on from it
		}
	}
}

// at returns a tree and path for what names files relative to a directory: in it a
// slash follows the path of every directory but the root.
func (t *tree) at(root string) (fstree.Walker, string) {
	if root == "/" {
		if guest, rest, err := t.guest("open", root); err == nil {
			return guest, rest
		}
	}
	return t, root
}

// guestArg returns the path of the tree for an argument that is the guest's. A
// path with a slash that begins with a volume, and with nothing of the guest, is
// the volume's, and so is every one where there is no system.
func (f *files) guestArg(arg string) (name string, ok bool) {
	if !isGuest(arg) {
		return "", false
	}
	name = path.Clean(arg)
	system, err := f.tree.system()
	if err == nil && system == nil {
		return "", false
	}
	first, _, _ := strings.Cut(name[1:], "/")
	if f.isVolume(first) {
		if err != nil {
			return "", false
		}
		if _, err := system.Root().Lstat(fstree.EscapeName(first)); errors.Is(err, fs.ErrNotExist) {
			return "", false
		}
	}
	return name, true
}

func (f *files) isVolume(name string) bool {
	for i := range f.volumes {
		if f.volumes[i].Name == name {
			return true
		}
	}
	return false
}

// deviceArg replaces what names a volume otherwise at the begin of an argument:
// LABEL=root/etc, UUID=..., /dev/sda2, /dev/vg/lv. What the guest has under such
// a path comes first.
func (f *files) deviceArg(arg string) string {
	n := 1
	switch {
	case strings.HasPrefix(arg, "/dev/"):
		if s, err := f.tree.system(); err == nil && s != nil {
			if _, err := s.Root().Lstat(strings.TrimPrefix(path.Clean(arg), "/")); err == nil {
				return arg
			}
		}
		n = 3
	case !strings.Contains(arg, "="):
		return arg
	}
	elems := strings.Split(arg, "/")
	for ; n <= min(len(elems), 5); n++ {
		if v, ok := guest.Device(f.volumes, strings.Join(elems[:n], "/")); ok {
			return path.Join(append([]string{v.Name}, elems[n:]...)...)
		}
	}
	return arg
}
