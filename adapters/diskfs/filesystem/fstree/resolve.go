package fstree

import (
	"io/fs"
	"strings"
)

// maxLinks is how many symbolic links a path may lead through, as Linux has
// it (MAXSYMLINKS in include/linux/namei.h).
const maxLinks = 40

// place is where a path leads.
type place struct {
	ID   ID
	Type fs.FileMode // of the inode
	stat *Stat       // nil where it was not read on the way
	dirs []dirRef    // directories from the volume's root, the place last if it is one
}

// resolve walks a path. It never leaves the volume: ".." in a link ends at
// the root, and an absolute link begins there.
func (f *FS) resolve(op, name string, follow bool) (place, error) {
	if !fs.ValidPath(name) {
		return place{}, pathError(op, name, fs.ErrInvalid)
	}
	if f.closed.Load() {
		return place{}, pathError(op, name, fs.ErrClosed)
	}
	rest := name
	if name == "." {
		rest = ""
	}
	var room [16]dirRef
	at := dirPlace(append(room[:0], f.base...))
	for links := 0; rest != ""; {
		elem, next, more := strings.Cut(rest, "/")
		rest = next
		to, err := f.step(at, elem)
		if err != nil {
			return place{}, pathError(op, name, err)
		}
		if to.Type == fs.ModeSymlink && (follow || more) {
			if links++; links > maxLinks {
				return place{}, pathError(op, name, ErrTooManyLinks)
			}
			target, err := f.engine.Readlink(to.ID)
			if err != nil {
				return place{}, pathError(op, name, err)
			}
			if target == "" {
				return place{}, pathError(op, name, fs.ErrNotExist)
			}
			if target[0] == '/' {
				at = dirPlace(at.dirs[:1])
			}
			rest = EscapeTarget(target)
			if more {
				rest += "/" + next
			}
			continue
		}
		if more && to.Type != fs.ModeDir {
			return place{}, pathError(op, name, ErrNotDir)
		}
		at = to
	}
	return at, nil
}

// dirPlace is the place that is the last of a path of directories.
func dirPlace(dirs []dirRef) place {
	return place{ID: dirs[len(dirs)-1].id, Type: fs.ModeDir, dirs: dirs}
}

// step goes from a directory to one of its entries.
func (f *FS) step(from place, elem string) (place, error) {
	switch elem {
	case "", ".": // only in the target of a link
		return from, nil
	case "..":
		return dirPlace(from.dirs[:max(len(from.dirs)-1, 1)]), nil
	}
	e, st, err := f.lookup(from.ID, elem)
	if err != nil {
		return place{}, err
	}
	to := place{ID: e.ID, Type: e.Type, stat: st, dirs: from.dirs}
	if e.Type == fs.ModeDir {
		ref, err := f.enter(from.dirs, elem, e.ID)
		if err != nil {
			return place{}, err
		}
		to.dirs = append(from.dirs, ref)
	}
	return to, nil
}

// lookup finds an entry by its name as the tree shows it, and its type, which
// is the inode's: what the entry says of it is a hint, for the kernel as well.
// The inode is returned if it was read for that.
func (t *tree) lookup(dir ID, shown string) (Entry, *Stat, error) {
	key := nameKey{dir, shown}
	if e, ok := t.names.get(key); ok {
		return e, nil, nil
	}
	name := UnescapeName(shown)
	e, ok := t.indexes.find(t.engine, dir, name)
	if !ok {
		var err error
		if e, err = t.engine.Lookup(dir, name); err != nil {
			return Entry{}, nil, err
		}
	}
	st, err := t.engine.Stat(e.ID)
	if err != nil {
		return Entry{}, nil, err
	}
	e.Type = st.Mode.Type()
	t.names.put(key, e)
	return e, &st, nil
}

// EscapeTarget turns the target of a link, bytes as stored, into a path of the
// tree, for code that follows links across trees.
func EscapeTarget(target string) string {
	elems := strings.Split(target, "/")
	changed := false
	for i, elem := range elems {
		if elem == "." || elem == ".." {
			continue
		}
		elems[i] = EscapeName(elem)
		changed = changed || elems[i] != elem
	}
	if !changed {
		return target
	}
	return strings.Join(elems, "/")
}
