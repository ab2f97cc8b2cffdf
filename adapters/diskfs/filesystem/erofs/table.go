package erofs

import (
	"fmt"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// details is what go-erofs says of a file.
type details struct {
	stat   fstree.Stat
	target string // of a symbolic link
	xattrs map[string][]byte
}

// maxNodes bounds what the table of a hostile image can grow to.
const maxNodes = 1 << 20

// engine gives the files of go-erofs identities: their places in a table that
// grows as directories are listed. One lock serialises go-erofs, whose files
// are not for several goroutines.
type engine struct {
	fsys  fs.FS
	meter *meter
	info  fstree.Info
	end   int64 // of the volume, as it says or as it is: the greater

	mu    sync.Mutex
	nodes []node
}

// node is a file that a listing has shown.
type node struct {
	parent   int
	name     string // as stored
	info     fs.FileInfo
	details  details
	err      error // why nothing but its name and type is known
	listed   bool
	children []int // sorted by name
}

var _ fstree.Engine = (*engine)(nil)

// call runs a part of go-erofs. A panic becomes an error that names it, and
// what it may read is bounded anew.
func (e *engine) call(what string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("go-erofs: panic on %s: %v: %w", what, r, fstree.ErrDamaged)
		}
	}()
	e.meter.reset()
	if err := f(); err != nil {
		return fmt.Errorf("go-erofs: %s: %w", what, err)
	}
	return nil
}

func (e *engine) Info() fstree.Info { return e.info }

func (e *engine) Root() fstree.ID { return fstree.ID{} }

// node returns the entry of the table for an identity; the lock is held.
func (e *engine) node(id fstree.ID) (*node, error) {
	if id.Ino >= uint64(len(e.nodes)) {
		return nil, fs.ErrNotExist
	}
	n := &e.nodes[id.Ino]
	return n, n.err
}

func (e *engine) ReadDir(dir fstree.ID) iter.Seq2[fstree.Entry, error] {
	return func(yield func(fstree.Entry, error) bool) {
		entries, err := e.entries(dir)
		for _, entry := range entries {
			if !yield(entry, nil) {
				return
			}
		}
		if err != nil {
			yield(fstree.Entry{}, err)
		}
	}
}

func (e *engine) entries(dir fstree.ID) ([]fstree.Entry, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	children, err := e.children(dir)
	entries := make([]fstree.Entry, len(children))
	for i, c := range children {
		entries[i] = e.entry(c)
	}
	return entries, err
}

func (e *engine) entry(n int) fstree.Entry {
	c := &e.nodes[n]
	return fstree.Entry{Name: c.name, ID: fstree.ID{Ino: uint64(n)}, Type: c.details.stat.Mode.Type()}
}

func (e *engine) Lookup(dir fstree.ID, name string) (fstree.Entry, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	children, err := e.children(dir)
	i, found := slices.BinarySearchFunc(children, name, func(c int, name string) int {
		return strings.Compare(e.nodes[c].name, name)
	})
	switch {
	case found:
		return e.entry(children[i]), nil
	case err != nil:
		return fstree.Entry{}, err
	}
	return fstree.Entry{}, fs.ErrNotExist
}

// children lists a directory once; the lock is held.
func (e *engine) children(dir fstree.ID) ([]int, error) {
	n, err := e.node(dir)
	if err != nil {
		return nil, err
	}
	if !n.info.IsDir() {
		return nil, fstree.ErrNotDir
	}
	if n.listed {
		return n.children, nil
	}
	where := e.path(int(dir.Ino))
	if e.leadsBack(int(dir.Ino)) {
		return nil, &fstree.DamageError{FS: "erofs", Structure: "directory " + where, Block: -1, Why: "leads back to a directory above it"}
	}
	var list []fs.DirEntry
	err = e.call("directory "+where, func() (err error) {
		list, err = fs.ReadDir(e.fsys, where)
		return err
	})
	if err != nil {
		return nil, err
	}
	children, err := e.grow(int(dir.Ino), where, list)
	n = &e.nodes[dir.Ino] // the table may have moved
	n.listed, n.children = err == nil, children
	return children, err
}

// grow adds the entries of a directory to the table.
func (e *engine) grow(dir int, where string, list []fs.DirEntry) ([]int, error) {
	var children []int
	seen := make(map[string]bool, len(list))
	err := e.call("directory "+where, func() error {
		for _, d := range list {
			name := d.Name()
			if name == "" || name == "." || name == ".." || seen[name] {
				continue
			}
			if len(e.nodes) >= maxNodes {
				return fmt.Errorf("more than %d files: %w", maxNodes, fstree.ErrUnsupported)
			}
			n := node{parent: dir, name: name}
			if n.info, n.err = d.Info(); n.err == nil {
				n.details, n.err = e.describe(path.Join(where, name), n.info)
			}
			if n.err != nil {
				n.details.stat.Mode = d.Type()
			}
			seen[name] = true
			children = append(children, len(e.nodes))
			e.nodes = append(e.nodes, n)
		}
		return nil
	})
	slices.SortFunc(children, func(a, b int) int { return strings.Compare(e.nodes[a].name, e.nodes[b].name) })
	return children, err
}

// path is the path of a node as the parser understands it.
func (e *engine) path(n int) string {
	if n == 0 {
		return "."
	}
	var elems []string
	for ; n != 0; n = e.nodes[n].parent {
		elems = append(elems, e.nodes[n].name)
	}
	slices.Reverse(elems)
	return strings.Join(elems, "/")
}

// leadsBack reports whether a directory is one of those above it.
func (e *engine) leadsBack(n int) bool {
	ino := e.nodes[n].details.stat.Ino
	for n != 0 {
		n = e.nodes[n].parent
		if e.nodes[n].details.stat.Ino == ino {
			return true
		}
	}
	return false
}

func (e *engine) Stat(id fstree.ID) (fstree.Stat, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n, err := e.node(id)
	if err != nil {
		return fstree.Stat{}, err
	}
	return n.details.stat, nil
}

func (e *engine) Readlink(id fstree.ID) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n, err := e.node(id)
	if err != nil {
		return "", err
	}
	return n.details.target, nil
}

func (e *engine) Xattrs(id fstree.ID) (map[string][]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n, err := e.node(id)
	if err != nil {
		return nil, err
	}
	return n.details.xattrs, nil
}

func (e *engine) Open(id fstree.ID) (content fstree.Content, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n, err := e.node(id)
	if err != nil {
		return nil, err
	}
	where := e.path(int(id.Ino))
	err = e.call("file "+where, func() error {
		content, err = e.content(where, n.info)
		return err
	})
	if err != nil {
		return nil, err
	}
	return content, nil
}
