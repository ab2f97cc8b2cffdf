package ntfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/utf16name"
)

const (
	indexName  = "$I30" // of a directory's index
	maxDepth   = 32     // of a directory's tree
	entrySub   = 1      // flags of an index entry: a subtree is before it
	entryEnd   = 2      // it is the last and has no name
	spaceDOS   = 2      // namespace of names in 8.3 form that stand beside a long one
	nameHeader = 66     // bytes of a file name before its characters
)

// Attributes of files, as index entries and standard information have them.
const (
	fileSystem    = 0x4
	fileHidden    = 0x2
	fileReparse   = 0x400
	fileDirectory = 0x10000000 // in file names only
)

// index is a directory's B+tree.
type index struct {
	v     *volume
	dir   uint64
	root  []byte  // entries of the root node
	alloc *stream // of the other nodes; nil if there are none
	block int64   // bytes of a node
	scale int64   // bytes that a node's number counts in
}

// indexEntry is a name in a directory.
type indexEntry struct {
	ref    uint64
	flags  uint32 // of the file
	tag    uint32 // of its reparse point
	space  uint8
	name   []byte // UTF-16
	sub    int64  // number of the node before it, -1 if there is none
	last   bool
	length int
}

func (v *volume) index(dir uint64) (*index, error) {
	f, err := v.file(dir)
	if err != nil {
		return nil, err
	}
	root, err := f.value(attrIndexRoot, indexName, maxRecord)
	if errors.Is(err, errNoAttribute) {
		return nil, damaged(recordName(dir&refNumber), -1, "a directory without an index")
	}
	if err != nil {
		return nil, err
	}
	x := &index{v: v, dir: dir & refNumber}
	if len(root) < 32 || le.Uint32(root) != attrName {
		return nil, x.damaged(-1, "a root of %d bytes", len(root))
	}
	x.block = int64(le.Uint32(root[8:]))
	if x.block < fixupUnit || x.block > maxRecord || x.block&(x.block-1) != 0 {
		return nil, x.damaged(-1, "nodes of %d bytes", x.block)
	}
	// A node's number counts clusters, or sectors where a cluster is larger.
	x.scale = v.boot.cluster
	if x.block < v.boot.cluster {
		x.scale = fixupUnit
	}
	if x.root, err = x.entries(root[16:]); err != nil {
		return nil, err
	}
	x.alloc, err = f.stream(attrIndexAlloc, indexName)
	if err != nil && !errors.Is(err, errNoAttribute) {
		return nil, err
	}
	return x, nil
}

func (x *index) damaged(block int64, format string, args ...any) error {
	return damaged(fmt.Sprintf("index of directory %d", x.dir), block, format, args...)
}

// entries cuts a node's entries out of what begins with its header.
func (x *index) entries(b []byte) ([]byte, error) {
	start, end := int64(le.Uint32(b)), int64(le.Uint32(b[4:]))
	if start < 16 || start > end || end > int64(len(b)) {
		return nil, x.damaged(-1, "entries from %d to %d of %d bytes", start, end, len(b))
	}
	return b[start:end], nil
}

// node reads a node that is not the root.
func (x *index) node(number int64) ([]byte, error) {
	if x.alloc == nil || number < 0 || number > x.alloc.size/x.scale {
		return nil, x.damaged(number, "there is no such node")
	}
	b, err := x.alloc.metadata(number*x.scale, x.block)
	if err != nil {
		return nil, err
	}
	b = bytes.Clone(b)
	if err := fixup(b, "INDX"); err != nil {
		return nil, damaged(fmt.Sprintf("index node %d of directory %d", number, x.dir), -1, "%v", err)
	}
	if got := int64(le.Uint64(b[16:])); got != number {
		return nil, x.damaged(number, "it says to be node %d", got)
	}
	return x.entries(b[24:])
}

func (x *index) parse(b []byte) (indexEntry, error) {
	if len(b) < 16 {
		return indexEntry{}, x.damaged(-1, "entries do not end")
	}
	n, flags := int(le.Uint16(b[8:])), le.Uint16(b[12:])
	if n < 16 || n%8 != 0 || n > len(b) {
		return indexEntry{}, x.damaged(-1, "an entry of %d bytes", n)
	}
	e := indexEntry{ref: le.Uint64(b), sub: -1, last: flags&entryEnd != 0, length: n}
	end := n
	if flags&entrySub != 0 {
		if end -= 8; end < 16 {
			return e, x.damaged(-1, "an entry of %d bytes", n)
		}
		e.sub = int64(le.Uint64(b[end:]))
	}
	if e.last {
		return e, nil
	}
	key := b[16:end]
	if len(key) < nameHeader || nameHeader+2*int(key[64]) > len(key) || key[64] == 0 {
		return e, x.damaged(-1, "a name of %d bytes", len(key))
	}
	e.flags, e.tag, e.space = le.Uint32(key[56:]), le.Uint32(key[60:]), key[65]
	e.name = key[nameHeader : nameHeader+2*int(key[64])]
	return e, nil
}

// all yields the entries in the order of the tree. Each node is visited once,
// whatever a damaged tree says, and nodes that are not in the tree are not
// looked at: they hold what was deleted.
func (x *index) all() iter.Seq2[indexEntry, error] {
	return func(yield func(indexEntry, error) bool) {
		w := indexWalk{x: x, seen: map[int64]bool{}, yield: yield}
		w.entries(x.root, 0)
	}
}

type indexWalk struct {
	x     *index
	seen  map[int64]bool
	yield func(indexEntry, error) bool
}

func (w *indexWalk) entries(b []byte, depth int) bool {
	for {
		e, err := w.x.parse(b)
		if err != nil {
			return w.yield(e, err)
		}
		if e.sub >= 0 && !w.node(e.sub, depth+1) {
			return false
		}
		if e.last {
			return true
		}
		if !w.yield(e, nil) {
			return false
		}
		b = b[e.length:]
	}
}

func (w *indexWalk) node(number int64, depth int) bool {
	if depth > maxDepth || w.seen[number] {
		return w.yield(indexEntry{}, w.x.damaged(number, "a node twice, or too deep"))
	}
	w.seen[number] = true
	b, err := w.x.node(number)
	if err != nil {
		return w.yield(indexEntry{}, err)
	}
	return w.entries(b, depth)
}

// find descends to the entry with a name.
func (x *index) find(name []uint16) (indexEntry, error) {
	table, err := x.v.upcase()
	if err != nil {
		return indexEntry{}, err
	}
	b := x.root
	for depth := 0; depth <= maxDepth; {
		e, err := x.parse(b)
		if err != nil {
			return e, err
		}
		order := -1
		if !e.last {
			order = table.compare(name, e.name)
		}
		switch {
		case order == 0:
			return e, nil
		case order > 0:
			b = b[e.length:]
		case e.sub < 0:
			return e, fs.ErrNotExist
		default:
			if b, err = x.node(e.sub); err != nil {
				return e, err
			}
			depth++
		}
	}
	return indexEntry{}, x.damaged(-1, "too deep")
}

// ReadDir yields a directory's entries in the order of their names.
func (v *volume) ReadDir(dir fstree.ID) iter.Seq2[fstree.Entry, error] {
	return func(yield func(fstree.Entry, error) bool) {
		x, err := v.index(dir.Ino)
		if err != nil {
			yield(fstree.Entry{}, err)
			return
		}
		var names nameReader
		for e, err := range x.all() {
			if err == nil && e.hidden() {
				continue
			}
			if !yield(e.entry(&names), err) {
				return
			}
		}
	}
}

// hidden reports whether an entry is a short name beside a long one, or a
// metadata file.
func (e *indexEntry) hidden() bool {
	return e.space == spaceDOS || e.ref&refNumber < firstUser
}

func (e *indexEntry) entry(names *nameReader) fstree.Entry {
	out := fstree.Entry{Name: names.name(e.name), ID: fstree.ID{Ino: e.ref}}
	switch {
	case e.flags&fileReparse != 0:
		out.Type = fstree.TypeUnknown // its tag may say otherwise
	case e.flags&fileDirectory != 0:
		out.Type = fs.ModeDir
	case e.flags&fileSystem != 0:
		out.Type = fstree.TypeUnknown // Interix keeps special files so
	}
	return out
}

// Lookup finds an entry by its name, a hidden one too: whoever asks for $MFT or
// PROGRA~1 gets it.
func (v *volume) Lookup(dir fstree.ID, name string) (fstree.Entry, error) {
	x, err := v.index(dir.Ino)
	if err != nil {
		return fstree.Entry{}, err
	}
	e, err := x.find(utf16name.Encode(name))
	if err != nil {
		return fstree.Entry{}, err
	}
	return e.entry(new(nameReader)), nil
}
