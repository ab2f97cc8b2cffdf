package foreign

import (
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// parser is a filesystem as another library shows it: by paths.
type parser interface {
	name() string // of the library and its package, for messages
	info() fstree.Info
	root() (fs.FileInfo, error)
	list(path string) ([]fs.DirEntry, error)
	describe(path string, info fs.FileInfo) (details, error)
	open(path string, info fs.FileInfo) (fstree.Content, error)
}

// details is what a parser says of a file.
type details struct {
	stat   fstree.Stat
	target string // of a symbolic link
	xattrs map[string][]byte

	// key is the same for two names of one directory. It tells when a
	// directory leads back to one above it.
	key uint64
}

// maxNodes bounds what the table of a hostile image can grow to.
const maxNodes = 1 << 20

// engine gives a parser's files identities: their places in a table that
// grows as directories are listed. One lock serialises the parser, which was
// not written for several goroutines.
type engine struct {
	p     parser
	meter *meter

	mu    sync.Mutex
	nodes []node
}

// node is a file that a listing has shown.
type node struct {
	parent   int
	name     string // as stored
	info     fs.FileInfo
	details  details
	listed   bool
	children []int // sorted by name
}

var _ fstree.Engine = (*engine)(nil)

// newTree makes a tree of a parser that was opened over m.
func newTree(p parser, m *meter) (*fstree.FS, error) {
	e := &engine{p: p, meter: m}
	err := e.call("root directory", func() error {
		info, err := p.root()
		if err != nil {
			return err
		}
		d, err := p.describe(".", info)
		e.nodes = []node{{info: info, details: d}}
		return err
	})
	if err != nil {
		return nil, err
	}
	return fstree.New(e), nil
}

// call runs a part of the parser. A panic becomes an error that names the
// parser, and what it may read is bounded anew.
func (e *engine) call(what string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: panic on %s: %v: %w", e.p.name(), what, r, fstree.ErrDamaged)
		}
	}()
	e.meter.reset()
	if err := f(); err != nil {
		return fmt.Errorf("%s: %s: %w", e.p.name(), what, err)
	}
	return nil
}

func (e *engine) Info() fstree.Info { return e.p.info() }

func (e *engine) Root() fstree.ID { return fstree.ID{} }

// node returns the entry of the table for an identity; the lock is held.
func (e *engine) node(id fstree.ID) (*node, error) {
	if id.Ino >= uint64(len(e.nodes)) {
		return nil, fs.ErrNotExist
	}
	return &e.nodes[id.Ino], nil
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
		return nil, &fstree.DamageError{FS: e.p.info().Type, Structure: "directory " + where, Block: -1, Why: "leads back to a directory above it"}
	}
	var list []fs.DirEntry
	err = e.call("directory "+where, func() (err error) {
		list, err = e.p.list(where)
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
			info, err := d.Info()
			if err != nil {
				return err
			}
			details, err := e.p.describe(path.Join(where, name), info)
			if err != nil {
				return err
			}
			seen[name] = true
			children = append(children, len(e.nodes))
			e.nodes = append(e.nodes, node{parent: dir, name: name, info: info, details: details})
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

func (e *engine) leadsBack(n int) bool {
	key := e.nodes[n].details.key
	for key != 0 && n != 0 {
		n = e.nodes[n].parent
		if e.nodes[n].details.key == key {
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
		content, err = e.p.open(where, n.info)
		return err
	})
	if err != nil {
		return nil, err
	}
	if h, ok := content.(*handle); ok {
		h.engine, h.where = e, where
	}
	return content, nil
}

// handle is the contents of a file that the parser reads: with a lock around
// its seeking and reading.
type handle struct {
	engine *engine
	where  string
	file   io.ReadSeeker
	size   int64
}

func (h *handle) Size() int64 { return h.size }

func (h *handle) ReadAt(p []byte, off int64) (n int, err error) {
	if off >= h.size {
		return 0, io.EOF
	}
	h.engine.mu.Lock()
	defer h.engine.mu.Unlock()
	whole := p[:min(int64(len(p)), h.size-off)]
	err = h.engine.call("file "+h.where, func() error {
		if _, err := h.file.Seek(off, io.SeekStart); err != nil {
			return err
		}
		n, err = io.ReadFull(h.file, whole)
		return err
	})
	if err == nil && len(whole) < len(p) {
		err = io.EOF
	}
	return n, err
}

// Extents knows nothing of holes: the library does not say.
func (h *handle) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return oneExtent(off, n, h.size, -1)
}

// oneExtent yields the run [off, off+n) of a file as data, cut at its end.
func oneExtent(off, n, size, at int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		if n = min(n, size-off); n > 0 {
			yield(fstree.Extent{Start: off, Length: n, Offset: at}, nil)
		}
	}
}
