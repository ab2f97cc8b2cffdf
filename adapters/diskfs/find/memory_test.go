package find_test

import (
	"errors"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// volume is a filesystem of a few files: their contents by their paths. A path that
// ends in a slash is a directory.
type volume struct {
	nodes  []*node
	stats  atomic.Int64 // inodes that were read
	reads  atomic.Int64 // bytes that were read
	broken map[string]error
}

type node struct {
	name    string
	mode    fs.FileMode
	data    string
	holes   int64 // bytes of a hole before the data
	entries []fstree.Entry
}

var when = time.Date(2024, 5, 17, 12, 0, 0, 0, time.UTC)

func newVolume(files map[string]string) *volume {
	v := &volume{broken: make(map[string]error), nodes: []*node{{mode: fs.ModeDir | 0o755}}}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		dir := v.nodes[0]
		elems := strings.Split(strings.TrimSuffix(name, "/"), "/")
		for _, elem := range elems[:len(elems)-1] {
			dir = v.put(dir, elem, fs.ModeDir|0o755, "")
		}
		mode := fs.FileMode(0o644)
		if strings.HasSuffix(name, "/") {
			mode = fs.ModeDir | 0o755
		}
		data := files[name]
		if target, ok := strings.CutPrefix(data, "-> "); ok {
			mode, data = fs.ModeSymlink|0o777, target
		}
		v.put(dir, elems[len(elems)-1], mode, data)
	}
	return v
}

// put returns the node of a name, which it makes if it is not there.
func (v *volume) put(dir *node, name string, mode fs.FileMode, data string) *node {
	for _, e := range dir.entries {
		if e.Name == name {
			return v.nodes[e.ID.Ino]
		}
	}
	n := &node{name: name, mode: mode, data: data}
	dir.entries = append(dir.entries, fstree.Entry{Name: name, ID: fstree.ID{Ino: uint64(len(v.nodes))}, Type: mode.Type()})
	v.nodes = append(v.nodes, n)
	return n
}

// file returns the node of a name anywhere.
func (v *volume) file(name string) *node {
	return v.nodes[slices.IndexFunc(v.nodes, func(n *node) bool { return n.name == name })]
}

func (v *volume) Info() fstree.Info { return fstree.Info{Type: "memfs"} }
func (v *volume) Root() fstree.ID   { return fstree.ID{} }

func (v *volume) ReadDir(dir fstree.ID) iter.Seq2[fstree.Entry, error] {
	return func(yield func(fstree.Entry, error) bool) {
		n := v.nodes[dir.Ino]
		if err := v.broken[n.name+"/"]; err != nil && !yield(fstree.Entry{}, err) {
			return
		}
		for _, e := range n.entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (v *volume) Lookup(dir fstree.ID, name string) (fstree.Entry, error) {
	for _, e := range v.nodes[dir.Ino].entries {
		if e.Name == name {
			return e, nil
		}
	}
	return fstree.Entry{}, fs.ErrNotExist
}

func (v *volume) Stat(id fstree.ID) (fstree.Stat, error) {
	v.stats.Add(1)
	n := v.nodes[id.Ino]
	st := fstree.Stat{Ino: id.Ino, Mode: n.mode, Nlink: 1, Size: n.holes + int64(len(n.data)), Mtime: when, UID: uint32(id.Ino)}
	return st, v.broken[n.name]
}

func (v *volume) Readlink(id fstree.ID) (string, error) { return v.nodes[id.Ino].data, nil }

func (v *volume) Xattrs(id fstree.ID) (map[string][]byte, error) {
	return map[string][]byte{"user.name": []byte(v.nodes[id.Ino].name)}, v.broken[v.nodes[id.Ino].name+"@"]
}

func (v *volume) Open(id fstree.ID) (fstree.Content, error) { return &content{v, v.nodes[id.Ino]}, nil }

// content is a hole and what follows it.
type content struct {
	v *volume
	n *node
}

func (c *content) Size() int64 { return c.n.holes + int64(len(c.n.data)) }

func (c *content) ReadAt(p []byte, off int64) (int, error) {
	if off < c.n.holes {
		return 0, errors.New("a hole is read")
	}
	n, err := strings.NewReader(c.n.data).ReadAt(p, off-c.n.holes)
	c.v.reads.Add(int64(n))
	if bad := c.v.broken[c.n.name+":"]; bad != nil && off-c.n.holes+int64(n) > int64(len(c.n.data))/2 {
		half := max(int64(len(c.n.data))/2-(off-c.n.holes), 0)
		return int(half), bad
	}
	if err == io.EOF && n > 0 {
		err = nil
	}
	return n, err
}

func (c *content) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		if c.n.holes > 0 && !yield(fstree.Extent{Length: c.n.holes, Hole: true, Offset: -1}, nil) {
			return
		}
		if c.n.data != "" {
			yield(fstree.Extent{Start: c.n.holes, Length: int64(len(c.n.data)), Offset: 0}, nil)
		}
	}
}
