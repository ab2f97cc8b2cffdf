package btrfs

import (
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// A subvolume is where its reference says; every other entry for it, as in a
// snapshot of its parent, is a stub, and each stub a directory of its own.
func TestAnEntryWithoutItsReferenceIsAStub(t *testing.T) {
	b := newBench(t)
	b.v.roots = b.sub
	ref := append(le.AppendUint64(nil, firstFree), make([]byte, 10)...)
	b.put(b.sub, key{fsTree, rootRef, 300}, append(ref, "sub"...))
	entry := func(name string, subvolume uint64) dirEntry {
		return dirEntry{name: name, location: key{subvolume, rootItem, 0}}
	}
	top := fstree.ID{Tree: fsTree, Ino: firstFree}
	if id, err := b.v.enter(top, entry("sub", 300)); err != nil || id != (fstree.ID{Tree: 300, Ino: firstFree}) {
		t.Errorf("the subvolume itself: %v, %v", id, err)
	}
	seen := map[fstree.ID]bool{}
	for _, c := range []struct {
		dir fstree.ID
		e   dirEntry
	}{
		{top, entry("other name", 300)}, {fstree.ID{Tree: fsTree, Ino: 999}, entry("sub", 300)},
		{fstree.ID{Tree: 400, Ino: firstFree}, entry("sub", 300)}, {fstree.ID{Tree: 400, Ino: firstFree}, entry("sub", 301)},
		{fstree.ID{Tree: 401, Ino: firstFree}, entry("sub", 300)},
	} {
		id, err := b.v.enter(c.dir, c.e)
		if err != nil || !isStub(id) || seen[id] {
			t.Errorf("%q of %v: %v, %v", c.e.name, c.dir, id, err)
		}
		seen[id] = true
		for range b.v.ReadDir(id) {
			t.Error("a stub is not empty")
		}
	}
	for _, big := range []uint64{1 << 32, stubs | 300} {
		if _, err := b.v.enter(top, entry("sub", big)); err == nil {
			t.Errorf("subvolume %#x was entered", big)
		}
	}
}

func TestAStubHasTheTimesOfItsDirectory(t *testing.T) {
	b := newBench(t)
	inode := b.inodeOf(b.sub, 300, 1, 0o040700, 5)
	for i, at := range []int{112, 124, 136, 148} {
		le.PutUint64(inode[at:], uint64(1000+i))
	}
	b.v.trees.Store(uint64(fsTree), b.sub)
	id, err := newStub(fstree.ID{Tree: fsTree, Ino: 300}, 400)
	if err != nil {
		t.Fatal(err)
	}
	st, err := b.v.Stat(id)
	if err != nil || st.Atime.Unix() != 1000 || st.Ctime.Unix() != 1001 || st.Mtime.Unix() != 1002 || st.Btime.Unix() != 1003 {
		t.Errorf("%+v, %v", st, err)
	}
	if st.Ino != stubIno || st.Nlink != 1 || !st.Mode.IsDir() || st.Mode.Perm() != 0o755 {
		t.Errorf("%+v", st)
	}
}

// storedLeaf makes items the stored part of a tree.
func (b *bench) storedLeaf(t *tree, keys ...key) {
	b.t.Helper()
	const at = 1 << 31
	leaf := make([]byte, 4096)
	for i, k := range keys {
		item := leaf[nodeHeader+i*itemSize:]
		le.PutUint64(item, k.object)
		item[8] = k.kind
		le.PutUint64(item[9:], k.offset)
	}
	b.v.nodes.max = 2
	b.v.nodes.put(&node{at: at, count: len(keys), b: leaf})
	t.root = at
}

// floor takes the later of what is stored and what was changed, and nothing
// that was deleted.
func TestTheLastItemBeforeAKeyMayBeStoredOrChanged(t *testing.T) {
	at := func(offset uint64) key { return key{257, extentData, offset} }
	for _, c := range []struct {
		stored       []uint64
		set, deleted []uint64
		below, want  uint64
		found        bool
	}{
		{stored: []uint64{0, 10, 20}, below: 15, want: 10, found: true},
		{stored: []uint64{0, 10, 20}, set: []uint64{12}, below: 15, want: 12, found: true},
		{stored: []uint64{0, 10, 20}, set: []uint64{5}, below: 15, want: 10, found: true},
		{stored: []uint64{0, 10, 20}, deleted: []uint64{10}, below: 15, want: 0, found: true},
		{stored: []uint64{0, 10, 20}, set: []uint64{5}, deleted: []uint64{10}, below: 15, want: 5, found: true},
		{stored: []uint64{10}, deleted: []uint64{10}, below: 15},
		{stored: []uint64{0}, set: []uint64{5}, deleted: []uint64{0}, below: 3},
		{set: []uint64{5}, below: 5, want: 5, found: true},
	} {
		b := newBench(t)
		var keys []key
		for _, offset := range c.stored {
			keys = append(keys, at(offset))
		}
		if len(keys) > 0 {
			b.storedLeaf(&b.sub, keys...)
		}
		for _, offset := range c.set {
			b.put(b.sub, at(offset), []byte{1})
		}
		for _, offset := range c.deleted {
			if err := b.sub.changes.set(at(offset), nil); err != nil {
				t.Fatal(err)
			}
		}
		it, ok, err := b.v.floor(b.sub, at(0), at(c.below))
		if err != nil || ok != c.found || ok && it.key != at(c.want) {
			t.Errorf("%+v: %s, %v, %v", c, it.key, ok, err)
		}
	}
}
