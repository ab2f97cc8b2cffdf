package fstree_test

import (
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// memory is an engine whose files are values: what the tests of the tree run on.
type memory struct {
	nodes   []node
	untyped bool // directories say no types
}

type node struct {
	stat    fstree.Stat
	data    string
	target  string
	entries []fstree.Entry
	broken  error // yielded in the middle of the listing
	panics  bool
	xattrs  map[string][]byte
}

var when = time.Date(2024, 5, 17, 12, 0, 0, 123456789, time.UTC)

func newMemory() *memory {
	m := &memory{}
	m.add(fs.ModeDir|0o755, "")
	return m
}

func (m *memory) add(mode fs.FileMode, data string) fstree.ID {
	n := node{stat: fstree.Stat{Ino: uint64(len(m.nodes)), Mode: mode, Nlink: 1, Mtime: when}, data: data}
	switch {
	case mode.IsRegular():
		n.stat.Size = int64(len(data))
	case mode&fs.ModeSymlink != 0:
		n.target, n.stat.Size = data, int64(len(data))
	}
	m.nodes = append(m.nodes, n)
	return fstree.ID{Ino: n.stat.Ino}
}

// put adds a file to a directory.
func (m *memory) put(dir fstree.ID, name string, mode fs.FileMode, data string) fstree.ID {
	id := m.add(mode, data)
	m.link(dir, name, id)
	return id
}

func (m *memory) link(dir fstree.ID, name string, id fstree.ID) {
	d := &m.nodes[dir.Ino]
	d.entries = append(d.entries, fstree.Entry{Name: name, ID: id, Type: m.nodes[id.Ino].stat.Mode.Type()})
}

func (m *memory) Info() fstree.Info { return fstree.Info{Type: "memfs", Label: "test"} }
func (m *memory) Root() fstree.ID   { return fstree.ID{} }

func (m *memory) ReadDir(dir fstree.ID) iter.Seq2[fstree.Entry, error] {
	return func(yield func(fstree.Entry, error) bool) {
		n := &m.nodes[dir.Ino]
		if n.panics {
			panic("listing")
		}
		for i, e := range n.entries {
			if n.broken != nil && i == len(n.entries)/2 && !yield(fstree.Entry{}, n.broken) {
				return
			}
			if m.untyped {
				e.Type = fstree.TypeUnknown
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (m *memory) Lookup(dir fstree.ID, name string) (fstree.Entry, error) {
	for _, e := range m.nodes[dir.Ino].entries {
		if e.Name == name {
			if m.untyped {
				e.Type = fstree.TypeUnknown
			}
			return e, nil
		}
	}
	return fstree.Entry{}, fs.ErrNotExist
}

func (m *memory) Stat(id fstree.ID) (fstree.Stat, error) {
	n := &m.nodes[id.Ino]
	if n.panics && !n.stat.Mode.IsDir() {
		panic("inode")
	}
	return n.stat, nil
}

func (m *memory) Readlink(id fstree.ID) (string, error) { return m.nodes[id.Ino].target, nil }

func (m *memory) Open(id fstree.ID) (fstree.Content, error) {
	n := &m.nodes[id.Ino]
	if !n.stat.Mode.IsRegular() {
		return nil, fmt.Errorf("inode %d is no file", id.Ino)
	}
	return memoryContent{n.data, n.stat.Size}, nil
}

func (m *memory) Xattrs(id fstree.ID) (map[string][]byte, error) { return m.nodes[id.Ino].xattrs, nil }

// memoryContent is data followed by a hole up to size.
type memoryContent struct {
	data string
	size int64
}

func (c memoryContent) Size() int64 { return c.size }

func (c memoryContent) ReadAt(p []byte, off int64) (int, error) {
	if off >= c.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), c.size-off))
	clear(p[:n])
	if off < int64(len(c.data)) {
		copy(p[:n], c.data[off:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (c memoryContent) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		end := min(off+n, c.size)
		data := min(int64(len(c.data)), end)
		if off < data && !yield(fstree.Extent{Start: off, Length: data - off, Offset: -1}, nil) {
			return
		}
		if off = max(off, data); off < end {
			yield(fstree.Extent{Start: off, Length: end - off, Hole: true, Offset: -1}, nil)
		}
	}
}

func sortedNames(list []fs.DirEntry) []string {
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}
