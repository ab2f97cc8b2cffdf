package guest

import (
	"io/fs"
	"path"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// maxLinks is how many symbolic links a path may lead through, as Linux has
// it (MAXSYMLINKS in include/linux/namei.h).
const maxLinks = 40

// mounted is a filesystem, or a part of one, in the guest's tree.
type mounted struct {
	fsys  *fstree.FS
	root  string // in fsys: "." but for a file that is bound
	err   error  // why there is nothing, which everyone gets who comes here
	above *mounted
	point string // the directory in above that it covers
	dir   fstree.FileID
	on    map[cover]*mounted
	lost  map[fstree.FileID][]error // by directory: mounts in it that have no mount point
}

// cover is what a filesystem is mounted on: a directory, which has one name, or
// a name of a file.
type cover struct {
	id   fstree.FileID
	name string
}

func coverOf(isDir bool, id fstree.FileID, name string) cover {
	if isDir {
		return cover{id: id}
	}
	return cover{id, name}
}

// place is a file of the guest: where it lies in what is mounted. Every element
// of rel but the last is a directory.
type place struct {
	m   *mounted
	rel string
}

// up is "..": at a mount's root it leads to what is above its mount point, and
// at the guest's root nowhere.
func (p place) up() place {
	for p.rel == p.m.root && p.m.above != nil {
		p.m, p.rel = p.m.above, p.m.point
	}
	return place{p.m, path.Dir(p.rel)}
}

// down goes to an entry of a directory, and into what is mounted on it.
func (p place) down(elem string) (place, fs.FileInfo, error) {
	if p.m.err != nil {
		return p, nil, p.m.err
	}
	p.rel = path.Join(p.rel, elem)
	info, err := p.m.fsys.Lstat(p.rel)
	if err != nil {
		return p, nil, reason(err)
	}
	if on := p.m.covering(p.rel, info); on != nil {
		return on.top()
	}
	return p, info, nil
}

// top is the root of what is mounted.
func (m *mounted) top() (place, fs.FileInfo, error) {
	p := place{m, m.root}
	if m.err != nil {
		return p, nil, m.err
	}
	info, err := m.fsys.Lstat(m.root)
	if err != nil {
		return p, nil, reason(err)
	}
	if on := m.covering(m.root, info); on != nil {
		return on.top()
	}
	return p, info, nil
}

// covering is what is mounted on a file.
func (m *mounted) covering(rel string, info fs.FileInfo) *mounted {
	if len(m.on) == 0 {
		return nil
	}
	return m.on[coverOf(info.IsDir(), fileID(info), rel)]
}

func fileID(info fs.FileInfo) fstree.FileID { return info.Sys().(*fstree.Stat).FileID() }

// resolve walks a path through mounts and symbolic links. It never leaves the
// guest: ".." ends at its root, and an absolute link begins there.
func (r *Root) resolve(op, name string, follow bool) (place, fs.FileInfo, error) {
	if !fs.ValidPath(name) {
		return place{}, nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	at, info, err := r.walkPath(name, follow)
	if err != nil {
		return place{}, nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return at, info, nil
}

// walkPath is resolve, with the directory that it came to beside an error.
func (r *Root) walkPath(rest string, follow bool) (at place, info fs.FileInfo, err error) {
	at = r.base
	for links := 0; rest != ""; {
		elem, next, more := strings.Cut(rest, "/")
		rest = next
		switch elem {
		case "", ".":
			continue
		case "..":
			at, info = at.up(), nil
			continue
		}
		var to place
		if to, info, err = at.down(elem); err != nil {
			return at, nil, err
		}
		if info.Mode().Type() == fs.ModeSymlink && (follow || more) {
			if links++; links > maxLinks {
				return at, nil, fstree.ErrTooManyLinks
			}
			target, err := to.m.fsys.ReadLink(to.rel)
			if err != nil {
				return at, nil, reason(err)
			}
			if target == "" {
				return at, nil, fs.ErrNotExist
			}
			if target[0] == '/' {
				at = r.top
			}
			info = nil
			rest = fstree.EscapeTarget(target)
			if more {
				rest += "/" + next
			}
			continue
		}
		if more && !info.IsDir() {
			return at, nil, fstree.ErrNotDir
		}
		at = to
	}
	if info == nil {
		info, err = at.m.fsys.Lstat(at.rel)
	}
	return at, info, reason(err)
}

// reason is an error without the path, which has another name in the guest.
func reason(err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		return pe.Err
	}
	return err
}
