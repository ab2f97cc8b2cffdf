package btrfs

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// name is one of an inode's names, as a reference to the directory has it.
type name struct {
	parent, index uint64
	name          string
	raw           []byte
}

// names yields the names in a reference item; of the extended kind each has
// its own directory.
func names(it item) iter.Seq2[name, error] {
	return func(yield func(name, error) bool) {
		for b := it.data; len(b) > 0; {
			n, header := name{parent: it.key.offset}, b
			if it.key.kind == inodeExtra && len(b) >= 8 {
				n.parent, header = le.Uint64(b), b[8:]
			}
			if len(header) < 10 || len(header)-10 < int(le.Uint16(header[8:])) {
				yield(n, damaged(fmt.Sprintf("names %s", it.key), -1, "cut off"))
				return
			}
			rest := header[10+int(le.Uint16(header[8:])):]
			n.index, n.name = le.Uint64(header), string(header[10:len(header)-len(rest)])
			n.raw = b[:len(b)-len(rest)]
			if !yield(n, nil) {
				return
			}
			b = rest
		}
	}
}

// findName returns an inode's name in a directory, from either kind of item.
func (r *replay) findName(t tree, ino, dir uint64, want string) (found name, in item, err error) {
	for _, k := range []key{{ino, inodeRef, dir}, {ino, inodeExtra, extraHash(dir, want)}} {
		it, _, err := r.v.get(t, k)
		if err != nil {
			return name{}, item{}, err
		}
		for n, err := range names(it) {
			if err != nil || n.parent == dir && n.name == want {
				return n, it, err
			}
		}
	}
	return name{}, item{}, nil
}

// extraHash is how names of the extended kind are found: a CRC-32C that begins
// with the directory's number (btrfs_extref_hash).
func extraHash(dir uint64, name string) uint64 {
	return uint64(^crc32.Update(^uint32(dir), crc32.MakeTable(crc32.Castagnoli), []byte(name)))
}

// deleteEntries removes a directory's entries that the log does not have from
// the parts that it holds whole (replay_dir_deletes).
func (r *replay) deleteEntries(dir uint64) error {
	next := uint64(0)
	for it, err := range r.v.scan(r.log, key{dir, dirLog, 0}, key{dir, dirLog, ^uint64(0)}) {
		if err != nil {
			return err
		}
		if len(it.data) < 8 {
			return damaged("log tree", -1, "a range of %d bytes", len(it.data))
		}
		first, last := max(next, it.key.offset), le.Uint64(it.data)
		if first > last {
			continue
		}
		if err := r.deleteRange(dir, first, last); err != nil || last == ^uint64(0) {
			return err
		}
		next = last + 1
	}
	return nil
}

func (r *replay) deleteRange(dir, first, last uint64) error {
	for it, err := range r.v.scan(r.sub, key{dir, dirIndex, first}, key{dir, dirIndex, last}) {
		if err != nil {
			return err
		}
		logged, _, err := r.v.get(r.log, it.key)
		if err != nil {
			return err
		}
		for e, err := range dirEntries(it) {
			if err != nil {
				return err
			}
			if e.location.kind != inodeItem || hasEntry(logged, e.name) {
				continue
			}
			if err := r.unlink(dir, it.key.offset, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// unlink removes an entry of a directory, from both of its indexes and from
// what the inode knows of its names.
func (r *replay) unlink(dir, index uint64, e dirEntry) error {
	ino := e.location.object
	r.touch(dir)
	r.touch(ino)
	same := func(other dirEntry) bool { return other.name == e.name && other.location == e.location }
	for _, k := range []key{{dir, dirIndex, index}, {dir, dirItem, nameHash(e.name)}} {
		if err := r.removeEntry(k, same); err != nil {
			return err
		}
	}
	n, in, err := r.findName(r.sub, ino, dir, e.name)
	if err != nil || n.raw == nil {
		return err
	}
	var kept []byte
	for other, err := range names(in) {
		if err != nil {
			return err
		}
		if other.parent != dir || other.name != e.name {
			kept = append(kept, other.raw...)
		}
	}
	return r.set(in.key, kept)
}

// removeEntry takes the entries that are meant out of an item.
func (r *replay) removeEntry(k key, meant func(dirEntry) bool) error {
	it, ok, err := r.v.get(r.sub, k)
	if err != nil || !ok {
		return err
	}
	kept, err := filterEntries(it, func(e dirEntry) bool { return !meant(e) })
	if err != nil || len(kept) == len(it.data) {
		return err
	}
	return r.set(k, kept)
}

// dropName makes a directory's name free, if it leads anywhere.
func (r *replay) dropName(dir uint64, name string) error {
	e, err := r.v.lookup(r.sub, dir, name)
	if errors.Is(err, errNoEntry) || err == nil && e.location.kind != inodeItem {
		return nil
	}
	if err != nil {
		return err
	}
	n, _, err := r.findName(r.sub, e.location.object, dir, name)
	if err != nil {
		return err
	}
	return r.unlink(dir, n.index, e)
}

// link puts a name into a directory.
func (r *replay) link(dir, index uint64, e dirEntry) error {
	r.touch(dir)
	r.touch(e.location.object)
	if err := r.set(key{dir, dirIndex, index}, bytes.Clone(e.raw)); err != nil {
		return err
	}
	k := key{dir, dirItem, nameHash(e.name)}
	it, _, err := r.v.get(r.sub, k)
	if err != nil {
		return err
	}
	return r.set(k, append(bytes.Clone(it.data), e.raw...))
}

// putEntry takes an entry from the log, unless the inode's own names, which
// come later, have it (replay_one_name).
func (r *replay) putEntry(dir, index uint64, e dirEntry) error {
	ino := e.location.object
	if e.location.kind != inodeItem {
		return nil
	}
	if old, err := r.v.lookup(r.sub, dir, e.name); err == nil && old.location == e.location {
		return nil
	}
	if inode, err := r.inode(ino); err != nil || inode == nil {
		return err
	}
	if err := r.dropName(dir, e.name); err != nil {
		return err
	}
	if n, _, err := r.findName(r.log, ino, dir, e.name); err != nil || n.raw != nil {
		return err
	}
	if err := r.link(dir, index, e); err != nil {
		return err
	}
	k := key{ino, inodeRef, dir}
	it, _, err := r.v.get(r.sub, k)
	if err != nil {
		return err
	}
	ref := le.AppendUint16(le.AppendUint64(bytes.Clone(it.data), index), uint16(len(e.name)))
	return r.set(k, append(ref, e.name...))
}

// putNames takes the names of an inode from the log. Those that it has no
// more, and those that are in the way, go first (add_inode_ref). A directory
// that does not exist was not logged, and its names are left out.
func (r *replay) putNames(it item) error {
	ino := it.key.object
	inode, err := r.inode(ino)
	if err != nil || inode == nil {
		return err
	}
	if it.key.kind == inodeRef {
		dir := it.key.offset
		if parent, err := r.inode(dir); err != nil || parent == nil || dir == ino {
			return err
		}
	}
	if err := r.unlinkOld(it); err != nil {
		return err
	}
	for n, err := range names(it) {
		if err == nil {
			err = r.putName(ino, inode, n)
		}
		if err != nil {
			return err
		}
	}
	return r.set(it.key, bytes.Clone(it.data))
}

// unlinkOld removes the names that the log's item has no more.
func (r *replay) unlinkOld(logged item) error {
	old, _, err := r.v.get(r.sub, logged.key)
	if err != nil {
		return err
	}
	for n, err := range names(old) {
		if err == nil && !hasName(logged, n) {
			err = r.unlink(n.parent, n.index, dirEntry{name: n.name, location: key{old.key.object, inodeItem, 0}})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func hasName(it item, want name) bool {
	for n, err := range names(it) {
		if err == nil && n.parent == want.parent && n.name == want.name {
			return true
		}
	}
	return false
}

func (r *replay) putName(ino uint64, inode []byte, n name) error {
	if parent, err := r.inode(n.parent); err != nil || parent == nil {
		return err
	}
	e := newEntry(ino, inode, n.name)
	if there, err := r.linked(n.parent, n.index, e); err != nil || there {
		return err
	}
	if err := r.dropName(n.parent, n.name); err != nil {
		return err
	}
	return r.link(n.parent, n.index, e)
}

// linked tells whether an entry is in both indexes of a directory.
func (r *replay) linked(dir, index uint64, e dirEntry) (bool, error) {
	other, err := r.v.lookup(r.sub, dir, e.name)
	if errors.Is(err, errNoEntry) || err == nil && other.location != e.location {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	it, _, err := r.v.get(r.sub, key{dir, dirIndex, index})
	return hasEntry(it, e.name), err
}

// newEntry makes a directory's entry for an inode.
func newEntry(ino uint64, inode []byte, name string) dirEntry {
	kind, mode := uint8(1), fstree.UnixMode(le.Uint32(inode[52:])).Type()
	for fstree.DirentType(kind) != mode && kind < typeXattr {
		kind++
	}
	location := key{ino, inodeItem, 0}
	raw := le.AppendUint64(nil, ino)
	raw = append(raw, location.kind)
	raw = append(raw, make([]byte, 8+8+2)...) // offset of the key, transaction, length of data
	raw = append(le.AppendUint16(raw, uint16(len(name))), kind)
	return dirEntry{location: location, kind: kind, name: name, raw: append(raw, name...)}
}
