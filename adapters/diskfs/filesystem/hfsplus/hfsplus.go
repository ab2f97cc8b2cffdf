package hfsplus

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/probe"
	"github.com/qedfs/qedfs/backend"
)

// Open opens the HFS Plus or HFSX filesystem that fills the first size bytes of r. It
// returns an error that wraps [fstree.ErrNotThis] if there is none.
func Open(r io.ReaderAt, size int64) (*fstree.FS, error) {
	v, err := openVolume(fstree.NewCache(r, size, 0))
	if err != nil {
		return nil, err
	}
	e := &engine{volume: v}
	for it, err := range v.list(idRootParent) {
		if err != nil {
			return nil, err
		}
		if it.folder && it.id == idRoot {
			e.root = it.fstreeID()
			e.info.Label = plain(it.name)
			break
		}
	}
	if e.root == (fstree.ID{}) {
		return nil, damage("catalog file", -1, "no root folder")
	}
	e.describe(r)
	return fstree.Open(e)
}

// engine implements [fstree.Engine]. The Ino of an ID is the number of a file in the
// catalog, the Tree where its record lies.
type engine struct {
	*volume
	root fstree.ID
	info fstree.Info
}

var _ fstree.Streams = (*engine)(nil)

func (e *engine) describe(r io.ReaderAt) {
	i := &e.info
	i.Type, i.BlockSize, i.Size, i.Free = fsType, e.block, e.blocks*e.block, e.free*e.block
	i.Dirty = e.state()
	switch {
	case e.copied != nil:
		i.FreeErr = fmt.Errorf("hfsplus: what is free is that of a copy: %w", e.copied)
		e.notes = append(e.notes, e.copied.Error())
	case i.Dirty:
		i.FreeErr = errors.New("hfsplus: not unmounted cleanly: what is free may be out of date")
	}
	i.Notes = e.notes
	// The one place that knows how blkid prints the identifier.
	sig, err := probe.Identify(r, e.cache.Size())
	if i.UUID = sig.UUID; err != nil && sig.UUID == "" {
		i.Notes = append(i.Notes, fmt.Sprintf("the UUID is not known: %v", err))
	}
	i.CutOff(e.base+e.blocks*e.block, e.cache.Size())
}

// Info implements [fstree.Engine].
func (e *engine) Info() fstree.Info { return e.info }

// Root implements [fstree.Engine].
func (e *engine) Root() fstree.ID { return e.root }

// Stat implements [fstree.Engine].
func (e *engine) Stat(id fstree.ID) (fstree.Stat, error) {
	it, err := e.item(id)
	if err != nil {
		return fstree.Stat{}, err
	}
	b := it.data
	st := fstree.Stat{
		Ino: id.Ino, Mode: it.mode(), Nlink: 1, UID: be.Uint32(b[32:]), GID: be.Uint32(b[36:]),
		Btime: moment(b[12:]), Mtime: moment(b[16:]), Ctime: moment(b[20:]), Atime: moment(b[24:]),
	}
	if be.Uint32(b[12:]) == 0 {
		st.Btime = time.Time{}
	}
	special := be.Uint32(b[44:])
	switch {
	case it.folder:
		st.Size = 2 + int64(be.Uint32(b[4:])) // Linux has no other
		return st, nil
	case st.Mode&fs.ModeDevice != 0:
		st.Major, st.Minor = special>>20, special&(1<<20-1)
		return st, nil
	case st.Mode.IsRegular() && special != 0:
		if folder, _ := it.link(); folder == "" {
			st.Nlink = uint64(special)
		}
	}
	size := be.Uint64(b[88:])
	if size > 1<<62 {
		return st, damage(fmt.Sprintf("file %d", id.Ino), -1, "%d bytes", size)
	}
	unit := min(e.block, 4096) // of Linux, which takes a page at most
	st.Size, st.Blocks = int64(size), (int64(size)+unit-1)/unit*unit/512
	if it.compressed() {
		if c, err := e.compression(it); err == nil {
			st.Size = c.size
		}
	}
	return st, nil
}

// maxLink is the longest target of a link, in bytes: Linux reads a page.
const maxLink = 4096

// Readlink implements [fstree.Engine].
func (e *engine) Readlink(id fstree.ID) (string, error) {
	it, err := e.item(id)
	if err != nil {
		return "", err
	}
	if it.mode().Type() != fs.ModeSymlink {
		return "", fs.ErrInvalid
	}
	f, err := e.dataFork(it)
	if err != nil {
		return "", err
	}
	if f.size > maxLink {
		return "", damage(f.name, -1, "a link of %d bytes", f.size)
	}
	b := make([]byte, f.size)
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return "", err
	}
	return string(b), nil
}

func (e *engine) dataFork(it *item) (*fork, error) {
	return e.fork(fmt.Sprintf("file %d", it.id), it.id, forkData, it.data[88:168])
}

func (e *engine) resourceFork(it *item) (*fork, error) {
	return e.fork(fmt.Sprintf("resource fork of file %d", it.id), it.id, forkResource, it.data[168:248])
}

// Open implements [fstree.Engine].
func (e *engine) Open(id fstree.ID) (fstree.Content, error) {
	it, err := e.item(id)
	if err != nil {
		return nil, err
	}
	if it.folder {
		return nil, fstree.ErrIsDir
	}
	if it.compressed() {
		return e.decompressed(it)
	}
	return e.dataFork(it)
}

// resourceStream is the name of the stream of a resource fork, which Mac OS X has in the
// path "file/..namedfork/rsrc".
const resourceStream = "rsrc"

// Streams implements [fstree.Streams].
func (e *engine) Streams(id fstree.ID) ([]string, error) {
	it, err := e.item(id)
	if err != nil || it.folder || be.Uint64(it.data[168:]) == 0 || it.compressed() {
		return nil, err // compressed contents are no resources
	}
	return []string{resourceStream}, nil
}

// OpenStream implements [fstree.Streams].
func (e *engine) OpenStream(id fstree.ID, name string) (fstree.Content, error) {
	names, err := e.Streams(id)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 || name != names[0] {
		return nil, fs.ErrNotExist
	}
	it, err := e.item(id)
	if err != nil {
		return nil, err
	}
	return e.resourceFork(it)
}

var _ fstree.Placer = (*engine)(nil)

// Cache implements [fstree.Placer].
func (e *engine) Cache() *fstree.Cache { return e.cache }

// InodeAt implements [fstree.Placer]: the node with a file's record.
func (e *engine) InodeAt(id fstree.ID) (ranges []backend.Range) {
	t := e.catalog
	for x := range t.fork.runs(int64(id.Tree>>16)*t.node, t.node) {
		ranges = append(ranges, backend.Range{Off: x.Offset, Len: x.Length})
	}
	return ranges
}

// EntriesAt implements [fstree.Placer]. Where a folder's entries lie the tree alone knows.
func (e *engine) EntriesAt(fstree.ID) []backend.Range { return nil }
