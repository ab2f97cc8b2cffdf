package fstree

import (
	"io/fs"
	"slices"
	"strings"
)

// maxLinks is how many symbolic links a path may lead through, as Linux has
// it (MAXSYMLINKS in include/linux/namei.h).
const maxLinks = 40

// place is where a path leads.
type place struct {
	ID   ID
	Type fs.FileMode
	dirs []ID // directories from the volume's root, the place last if it is one
}

// resolve walks a path. It never leaves the volume: ".." in a link ends at
// the root, and an absolute link begins there.
func (f *FS) resolve(op, name string, follow bool) (place, error) {
	if !fs.ValidPath(name) {
		return place{}, pathError(op, name, fs.ErrInvalid)
	}
	rest := name
	if name == "." {
		rest = ""
	}
	var room [16]ID
	at := place{ID: f.base[len(f.base)-1], Type: fs.ModeDir, dirs: append(room[:0], f.base...)}
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
				at = place{ID: f.base[0], Type: fs.ModeDir, dirs: at.dirs[:1]}
			}
			rest = escapeTarget(target)
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

// step goes from a directory to one of its entries.
func (f *FS) step(from place, elem string) (place, error) {
	switch elem {
	case "", ".": // only in the target of a link
		return from, nil
	case "..":
		dirs := from.dirs[:max(len(from.dirs)-1, 1)]
		return place{ID: dirs[len(dirs)-1], Type: fs.ModeDir, dirs: dirs}, nil
	}
	e, err := f.lookup(from.ID, elem)
	if err != nil {
		return place{}, err
	}
	to := place{ID: e.ID, Type: e.Type, dirs: from.dirs}
	if e.Type == fs.ModeDir {
		if err := f.checkCycle(from.dirs, e.ID); err != nil {
			return place{}, err
		}
		to.dirs = append(from.dirs, e.ID)
	}
	return to, nil
}

// checkCycle returns an error for a directory that leads back to one above it,
// which only a damaged volume has: following it would never end.
func (t *tree) checkCycle(above []ID, dir ID) error {
	if !slices.Contains(above, dir) {
		return nil
	}
	return t.damagedDir("leads back to a directory above it")
}

// lookup finds an entry by its name as the tree shows it, and its type.
func (t *tree) lookup(dir ID, shown string) (Entry, error) {
	key := nameKey{dir, shown}
	if e, ok := t.names.get(key); ok {
		return e, nil
	}
	name := UnescapeName(shown)
	e, ok := t.indexes.find(t.engine, dir, name)
	if !ok {
		var err error
		if e, err = t.engine.Lookup(dir, name); err != nil {
			return Entry{}, err
		}
	}
	if e.Type == TypeUnknown {
		st, err := t.engine.Stat(e.ID)
		if err != nil {
			return Entry{}, err
		}
		e.Type = st.Mode.Type()
	}
	t.names.put(key, e)
	return e, nil
}

// escapeTarget turns the target of a link, bytes as stored, into a path of
// the tree.
func escapeTarget(target string) string {
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
