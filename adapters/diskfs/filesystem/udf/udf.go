package udf

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/probe"
)

// Open opens the UDF filesystem that fills the first size bytes of r. It returns an
// error that wraps [fstree.ErrNotThis] if there is none, and
// [fstree.ErrUnsupported] for a kind of partition that is not known. On a disc that
// is ISO 9660 as well it shows the UDF side.
func Open(r io.ReaderAt, size int64) (*fstree.FS, error) {
	v := &volume{cache: fstree.NewCache(r, size, 0)}
	if err := v.open(); err != nil {
		return nil, err
	}
	if b, err := v.cache.Bytes(32<<10, 8); err == nil && bytes.Equal(b[1:6], []byte("CD001")) {
		v.notes = append(v.notes, "the disc is ISO 9660 as well; its UDF side is shown")
	}
	e := &engine{volume: v}
	sig, err := probe.Identify(r, size)
	if sig.Type == fsType {
		e.uuid, e.label = sig.UUID, sig.Label
	}
	if err != nil && e.uuid == "" {
		v.notes = append(v.notes, fmt.Sprintf("the UUID is not known: %v", err))
	}
	return fstree.Open(e)
}

// engine implements [fstree.Engine]. The Tree of an ID is the address of a file
// entry, the Ino the block of the volume where that lies, as in Linux.
type engine struct {
	*volume
	uuid, label string
}

var _ fstree.Streams = (*engine)(nil)

// Info implements [fstree.Engine].
func (e *engine) Info() fstree.Info {
	i := fstree.Info{Type: fsType, Label: e.label, UUID: e.uuid, BlockSize: e.bs, Size: e.size, Free: max(e.free, 0), FreeErr: e.freeErr, Dirty: e.dirty, Notes: e.notes}
	if i.Label == "" {
		i.Label = e.volume.label
	}
	i.CutOff(e.end<<e.bits, e.cache.Size())
	return i
}

// id identifies the file whose entry is at an address.
func (e *engine) id(at address) (fstree.ID, error) {
	off, err := e.locate(at)
	return fstree.ID{Tree: uint64(at.part)<<32 | uint64(at.block), Ino: uint64(off >> e.bits)}, err
}

func addressOf(id fstree.ID) address {
	return address{uint32(id.Tree), uint16(id.Tree >> 32)}
}

// Root implements [fstree.Engine].
func (e *engine) Root() fstree.ID {
	id, _ := e.id(e.fileSet) // an address that leads nowhere is an error of Stat
	return id
}

// Stat implements [fstree.Engine].
func (e *engine) Stat(id fstree.ID) (fstree.Stat, error) {
	f, err := e.readFile(addressOf(id))
	if err != nil {
		return fstree.Stat{}, err
	}
	st := fstree.Stat{
		Ino: id.Ino, Mode: f.mode(), Nlink: uint64(max(f.links, 1)), UID: owner(f.uid), GID: owner(f.gid),
		Size: f.size, Blocks: f.recorded << (e.bits - 9), Major: f.major, Minor: f.minor,
		Mtime: f.mtime, Atime: f.atime, Ctime: f.ctime, Btime: f.btime,
	}
	switch {
	case st.Mode.IsDir():
		st.Nlink++ // "." is not stored
	case st.Mode.Type() == fs.ModeSymlink:
		target, err := e.target(f)
		st.Size = int64(len(target))
		if err != nil {
			return st, err
		}
	}
	return st, nil
}

// owner is an owner as Linux shows it: one that is not given is "nobody".
func owner(id uint32) uint32 {
	if id == math.MaxUint32 {
		return 65534
	}
	return id
}

// Readlink implements [fstree.Engine].
func (e *engine) Readlink(id fstree.ID) (string, error) {
	f, err := e.readFile(addressOf(id))
	if err != nil {
		return "", err
	}
	if f.kind != typeSymlink {
		return "", fs.ErrInvalid
	}
	return e.target(f)
}

// maxLink is the longest symbolic link, in bytes as it is stored.
const maxLink = 64 << 10

// target puts a link together from its components (ECMA-167, 4/14.16.1), as
// udf_pc_to_char does in Linux.
func (e *engine) target(f *file) (string, error) {
	broken := damage("symbolic link", int64(f.block), "its components are not sound")
	if f.size > maxLink {
		return "", broken
	}
	b := make([]byte, f.size)
	if n, err := (&content{e.volume, f}).ReadAt(b, 0); n < len(b) {
		return "", err
	}
	var s strings.Builder
	for len(b) >= 4 {
		kind, n := b[0], int(b[1])
		if n > len(b)-4 {
			return "", broken
		}
		ident := b[4 : 4+n]
		b = b[4+n:]
		switch {
		case kind == 1 && n > 0: // agreed upon by those who exchange the disc
		case kind == 1 || kind == 2:
			s.Reset()
			s.WriteByte('/')
		case kind == 3:
			s.WriteString("../")
		case kind == 4:
			s.WriteString("./")
		case kind == 5:
			elem, ok := name(ident)
			if !ok {
				return "", broken
			}
			s.WriteString(elem + "/")
		}
	}
	target := s.String()
	if len(target) > 1 {
		target = target[:len(target)-1]
	}
	return target, nil
}

// Open implements [fstree.Engine].
func (e *engine) Open(id fstree.ID) (fstree.Content, error) {
	f, err := e.readFile(addressOf(id))
	if err != nil {
		return nil, err
	}
	return &content{e.volume, f}, nil
}

// Xattrs implements [fstree.Engine]. Linux shows none.
func (e *engine) Xattrs(fstree.ID) (map[string][]byte, error) { return nil, nil }

// ReadDir implements [fstree.Engine].
func (e *engine) ReadDir(dir fstree.ID) iter.Seq2[fstree.Entry, error] {
	return func(yield func(fstree.Entry, error) bool) {
		f, err := e.readFile(addressOf(dir))
		if err == nil && !f.mode().IsDir() {
			err = fstree.ErrNotDir
		}
		if err != nil {
			yield(fstree.Entry{}, err)
			return
		}
		e.entries(f, yield)
	}
}

// Characteristics of a file identifier (ECMA-167, 4/14.4.3).
const (
	fidDeleted = 4
	fidParent  = 8
	fidSize    = 38 // bytes before what it has of variable length
)

// entries yields the files of a directory. One identifier that is not sound ends it:
// the next can't be found without its length.
func (e *engine) entries(f *file, yield func(fstree.Entry, error) bool) {
	c := &content{e.volume, f}
	r := newReader(c)
	for pos := int64(0); pos < f.size; {
		b, err := r.at(pos, fidSize)
		if err != nil {
			yield(fstree.Entry{}, fmt.Errorf("udf: directory: %w", err))
			return
		}
		ident, impl := int64(b[19]), int64(le.Uint16(b[36:]))
		length := (fidSize + ident + impl + 3) &^ 3
		// Its checksum is verified with all of it.
		if b, err = r.at(pos, length); err != nil {
			yield(fstree.Entry{}, fmt.Errorf("udf: directory: %w", err))
			return
		}
		if why := checkTag(b, le.Uint32(b[12:]), tagFileIdentifier); why != "" {
			yield(fstree.Entry{}, damage("directory", int64(f.block), fmt.Sprintf("the entry at byte %d: %s", pos, why)))
			return
		}
		pos += length
		if b[18]&(fidDeleted|fidParent) != 0 {
			continue
		}
		entry, err := e.entry(b, b[fidSize+impl:][:ident])
		if !yield(entry, err) {
			return
		}
	}
}

func (e *engine) entry(b, ident []byte) (fstree.Entry, error) {
	s, ok := name(ident)
	if !ok || s == "" {
		return fstree.Entry{}, damage("directory entry", -1, fmt.Sprintf("a name %q", ident))
	}
	id, err := e.id(extentLong(b[20:]).address)
	if err != nil {
		return fstree.Entry{}, err
	}
	return fstree.Entry{Name: s, ID: id, Type: fstree.TypeUnknown}, nil
}

// reader reads a directory in large pieces.
type reader struct {
	c     *content
	b     []byte
	start int64
}

func newReader(c *content) *reader { return &reader{c: c} }

// at returns n bytes at an offset, which are valid until the next call.
func (r *reader) at(off, n int64) ([]byte, error) {
	if n > r.c.file.size-off {
		return nil, damage("directory", int64(r.c.file.block), "its last entry is longer than it")
	}
	if off < r.start || off+n > r.start+int64(len(r.b)) {
		want := min(max(n, 32<<10), r.c.file.size-off)
		if int64(cap(r.b)) < want {
			r.b = make([]byte, want) // at most 66 KiB
		}
		got, err := r.c.ReadAt(r.b[:want], off)
		r.b, r.start = r.b[:got], off
		if int64(got) < n {
			return nil, err
		}
	}
	return r.b[off-r.start:][:n], nil
}

// Lookup implements [fstree.Engine].
func (e *engine) Lookup(dir fstree.ID, name string) (fstree.Entry, error) {
	return fstree.FindEntry(e.ReadDir(dir), name, nil)
}

// Streams implements [fstree.Streams].
func (e *engine) Streams(id fstree.ID) (names []string, err error) {
	for entry, err := range e.streams(id) {
		if err != nil {
			return names, err
		}
		names = append(names, entry.Name)
	}
	return names, nil
}

// OpenStream implements [fstree.Streams].
func (e *engine) OpenStream(id fstree.ID, want string) (fstree.Content, error) {
	for entry, err := range e.streams(id) {
		if err != nil {
			return nil, err
		}
		if entry.Name == want {
			return e.Open(entry.ID)
		}
	}
	return nil, fs.ErrNotExist
}

// streams yields the entries of a file's directory of streams.
func (e *engine) streams(id fstree.ID) iter.Seq2[fstree.Entry, error] {
	return func(yield func(fstree.Entry, error) bool) {
		f, err := e.readFile(addressOf(id))
		if err != nil {
			yield(fstree.Entry{}, err)
			return
		}
		if f.streams.length == 0 {
			return
		}
		dir, err := e.id(f.streams.address)
		if err != nil {
			yield(fstree.Entry{}, err)
			return
		}
		for entry, err := range e.ReadDir(dir) {
			if !yield(entry, err) {
				return
			}
		}
	}
}
