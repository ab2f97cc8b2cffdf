package web

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// place is a file of one of the trees that are shown: that of the disk, or the
// root of a system.
type place struct {
	base string // that its addresses begin with: "", "/os/p2"
	tree Tree
	path string
}

// name is what the place is called, among those of all trees.
func (p place) name() string {
	if p.base == "" {
		return p.path
	}
	return path.Join("/", p.path)
}

// key identifies the place in all trees.
func (p place) key() string { return p.base + "/" + p.path }

// link is the address of the place for a purpose: "files", "tar".
func (p place) link(verb string) string {
	if p.path == "." {
		return p.base + "/" + verb + "/"
	}
	return link(p.base+"/"+verb+"/", p.path)
}

// in is the place of a file in a directory.
func (p place) in(name string) place {
	p.path = path.Join(p.path, name) // a name of a tree is never ".."
	return p
}

// fileName is a name for what is downloaded of the place.
func (s *server) fileName(p place) string {
	switch {
	case p.path != ".":
		return path.Base(p.path)
	case p.base != "":
		return path.Base(p.base)
	}
	return s.Name
}

// crumb is an element of a path, with the way to it.
type crumb struct{ Name, URL string }

// crumbs are the elements that lead to a place.
func (p place) crumbs() []crumb {
	var list []crumb
	if p.base != "" {
		name, _ := url.PathUnescape(path.Base(p.base)) // it is one of ours
		list = append(list, crumb{name, p.base + "/"}, crumb{"/", p.base + "/files/"})
	}
	if p.path == "." {
		return list
	}
	at := p
	for at.path = "."; at.path != p.path; {
		rest := strings.TrimPrefix(strings.TrimPrefix(p.path, at.path), "/")
		name, _, _ := strings.Cut(rest, "/")
		at = at.in(name)
		list = append(list, crumb{name, at.link("files")})
	}
	return list
}

// at finds the place that a request names.
func (s *server) at(answer func(http.ResponseWriter, *http.Request, place)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p := place{tree: s.tree, path: "."}
		if name := strings.Trim(r.PathValue("path"), "/"); name != "" {
			p.path = name
		}
		if system := r.PathValue("system"); system != "" {
			found, err := s.system(system)
			if err != nil {
				s.fail(w, p, err)
				return
			}
			p.base, p.tree = systemBase(system), found.Root()
		}
		answer(w, r, p)
	}
}

// link is the address of a path of the tree.
func link(prefix, name string) string {
	elems := strings.Split(name, "/")
	for i, elem := range elems {
		elems[i] = url.PathEscape(elem)
	}
	return prefix + strings.Join(elems, "/")
}
