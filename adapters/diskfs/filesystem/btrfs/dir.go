package btrfs

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	dirHeader = 30 // bytes of a directory entry before its name
	maxName   = 255

	typeXattr     = 8
	typeEncrypted = 0x80
)

var errNoEntry = errors.New("btrfs: no such entry")

// dirEntry is an entry of a directory, or an extended attribute, which is
// stored alike.
type dirEntry struct {
	location key
	kind     uint8
	name     string
	data     []byte
	raw      []byte // all of it as stored
}

// dirEntries yields the entries of an item: more than one where the hashes of
// names collide.
func dirEntries(it item) iter.Seq2[dirEntry, error] {
	return func(yield func(dirEntry, error) bool) {
		for b := it.data; len(b) > 0; {
			e, n, err := parseDirEntry(b)
			if err != nil {
				yield(e, damaged(fmt.Sprintf("directory entry %s", it.key), -1, "%v", err))
				return
			}
			if !yield(e, nil) {
				return
			}
			b = b[n:]
		}
	}
}

func parseDirEntry(b []byte) (dirEntry, int, error) {
	if len(b) < dirHeader {
		return dirEntry{}, 0, errors.New("cut off")
	}
	data, name := int(le.Uint16(b[25:])), int(le.Uint16(b[27:]))
	end := dirHeader + name + data
	if name == 0 || name > maxName || end > len(b) {
		return dirEntry{}, 0, fmt.Errorf("a name of %d and data of %d bytes", name, data)
	}
	return dirEntry{
		location: parseKey(b), kind: b[29],
		name: string(b[dirHeader : dirHeader+name]), data: b[dirHeader+name : end], raw: b[:end],
	}, end, nil
}

// ReadDir yields the entries in the order in which they were made.
func (v *volume) ReadDir(dir fstree.ID) iter.Seq2[fstree.Entry, error] {
	return func(yield func(fstree.Entry, error) bool) {
		if isStub(dir) {
			return
		}
		t, err := v.subvolume(dir.Tree)
		if err != nil {
			yield(fstree.Entry{}, err)
			return
		}
		for it, err := range v.scan(t, key{dir.Ino, dirIndex, 0}, key{dir.Ino, dirIndex, ^uint64(0)}) {
			if err != nil {
				if !yield(fstree.Entry{}, err) {
					return
				}
				continue
			}
			for e, err := range dirEntries(it) {
				var entry fstree.Entry
				if err == nil {
					entry, err = v.entry(dir, e)
				}
				if !yield(entry, err) {
					return
				}
			}
		}
	}
}

// Lookup finds an entry by the hash of its name.
func (v *volume) Lookup(dir fstree.ID, name string) (fstree.Entry, error) {
	if isStub(dir) {
		return fstree.Entry{}, fs.ErrNotExist
	}
	t, err := v.subvolume(dir.Tree)
	if err != nil {
		return fstree.Entry{}, err
	}
	e, err := v.lookup(t, dir.Ino, name)
	if errors.Is(err, errNoEntry) {
		return fstree.Entry{}, fs.ErrNotExist
	}
	if err != nil {
		return fstree.Entry{}, err
	}
	return v.entry(dir, e)
}

func (v *volume) lookup(t tree, dir uint64, name string) (dirEntry, error) {
	it, ok, err := v.get(t, key{dir, dirItem, nameHash(name)})
	if err != nil {
		return dirEntry{}, err
	}
	if ok {
		for e, err := range dirEntries(it) {
			if err != nil || e.name == name {
				return e, err
			}
		}
	}
	return dirEntry{}, errNoEntry
}

// entry turns an entry into what it leads to: a file of the same subvolume,
// or the first directory of another one.
func (v *volume) entry(dir fstree.ID, e dirEntry) (fstree.Entry, error) {
	if e.kind&typeEncrypted != 0 {
		return fstree.Entry{}, fmt.Errorf("btrfs: %w: name of an entry", fstree.ErrEncrypted)
	}
	out := fstree.Entry{Name: e.name, Type: fstree.DirentType(e.kind)}
	switch e.location.kind {
	case inodeItem:
		out.ID = fstree.ID{Tree: dir.Tree, Ino: e.location.object}
		return out, nil
	case rootItem:
		var err error
		out.ID, err = v.enter(dir, e)
		return out, err
	}
	return out, damaged("directory", -1, "entry %q leads to %s", e.name, e.location)
}

// enter returns the first directory of the subvolume that an entry names. In
// a snapshot of the subvolume's parent the entry is there but the reference
// is not, and the kernel shows an empty directory
// (fixup_tree_root_location in fs/btrfs/inode.c).
func (v *volume) enter(dir fstree.ID, e dirEntry) (fstree.ID, error) {
	subvolume := e.location.object
	ref, ok, err := v.get(v.roots, key{dir.Tree, rootRef, subvolume})
	if err != nil {
		return fstree.ID{}, err
	}
	const header = 18 // directory, sequence, length of the name
	if !ok || len(ref.data) < header || le.Uint64(ref.data) != dir.Ino || string(ref.data[header:]) != e.name {
		return newStub(dir, subvolume)
	}
	if subvolume >= stubs {
		return fstree.ID{}, damaged("directory", -1, "entry %q leads to %s", e.name, e.location)
	}
	return fstree.ID{Tree: subvolume, Ino: firstFree}, nil
}
