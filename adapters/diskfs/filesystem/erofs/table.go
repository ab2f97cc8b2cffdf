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

// engine finds the files of go-erofs, which has paths alone, by their inode
// numbers: in a table that grows as directories are listed. One lock serialises
// go-erofs, whose files are not for several goroutines.
type engine struct {
	fsys  fs.FS
	meter *meter
	info  fstree.Info
	end   int64 // of the volume, as it says or as it is: the greater

	mu    sync.Mutex
	nodes []node         // the root first
	byIno map[uint64]int // but for those that have an error
}

// unreadable is the tree of an [fstree.ID] whose inode is not known: it has the
// node's place in the table instead.
const unreadable = 1

// node is a file that a listing has shown, by the first name that it was found by.
type node struct {
	parent   int
	name     string // as stored
	info     fs.FileInfo
	details  details
	err      error // why nothing but its name and type is known
	listed   bool
	children []child // sorted by name
}

// child is a name in a directory.
type child struct {
	name string
	node int
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

func (e *engine) Root() fstree.ID { return e.id(0) }

// id identifies a node.
func (e *engine) id(n int) fstree.ID {
	if e.nodes[n].err != nil {
		return fstree.ID{Tree: unreadable, Ino: uint64(n)}
	}
	return fstree.ID{Ino: e.nodes[n].details.stat.Ino}
}

// find returns the place in the table for an identity; the lock is held.
func (e *engine) find(id fstree.ID) (int, error) {
	if id.Tree == unreadable && id.Ino < uint64(len(e.nodes)) {
		return int(id.Ino), e.nodes[id.Ino].err
	}
	n, ok := e.byIno[id.Ino]
	if !ok {
		return 0, fs.ErrNotExist
	}
	return n, nil
}

// node returns the entry of the table for an identity; the lock is held.
func (e *engine) node(id fstree.ID) (*node, error) {
	n, err := e.find(id)
	if err != nil {
		return nil, err
	}
	return &e.nodes[n], nil
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

func (e *engine) entry(c child) fstree.Entry {
	return fstree.Entry{Name: c.name, ID: e.id(c.node), Type: e.nodes[c.node].details.stat.Mode.Type()}
}

func (e *engine) Lookup(dir fstree.ID, name string) (fstree.Entry, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	children, err := e.children(dir)
	i, found := slices.BinarySearchFunc(children, name, func(c child, name string) int {
		return strings.Compare(c.name, name)
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
func (e *engine) children(dir fstree.ID) ([]child, error) {
	at, err := e.find(dir)
	if err != nil {
		return nil, err
	}
	n := &e.nodes[at]
	if !n.info.IsDir() {
		return nil, fstree.ErrNotDir
	}
	if n.listed {
		return n.children, nil
	}
	where := e.path(at)
	var list []fs.DirEntry
	err = e.call("directory "+where, func() (err error) {
		list, err = fs.ReadDir(e.fsys, where)
		return err
	})
	if err != nil {
		return nil, err
	}
	children, err := e.grow(at, where, list)
	n = &e.nodes[at] // the table may have moved
	n.listed, n.children = err == nil, children
	return children, err
}

// grow adds the entries of a directory to the table.
func (e *engine) grow(dir int, where string, list []fs.DirEntry) ([]child, error) {
	var children []child
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
			children = append(children, child{name, e.add(n)})
		}
		return nil
	})
	slices.SortFunc(children, func(a, b child) int { return strings.Compare(a.name, b.name) })
	return children, err
}

// add puts a node into the table, unless its inode is there by another name, and
// returns its place.
func (e *engine) add(n node) int {
	at := len(e.nodes)
	if n.err == nil {
		if known, ok := e.byIno[n.details.stat.Ino]; ok {
			return known
		}
		e.byIno[n.details.stat.Ino] = at
	}
	e.nodes = append(e.nodes, n)
	return at
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
	n, err := e.find(id)
	if err != nil {
		return nil, err
	}
	where, info := e.path(n), e.nodes[n].info
	err = e.call("file "+where, func() error {
		content, err = e.content(where, info)
		return err
	})
	if err != nil {
		return nil, err
	}
	return content, nil
}
