package btrfs

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// bench is a subvolume and its log that a test fills itself: both are changes
// of a tree that holds nothing.
type bench struct {
	*replay
	t *testing.T
}

func newBench(t *testing.T) *bench {
	t.Helper()
	const empty = 1 << 30
	v := &volume{sb: &superblock{sectorSize: 4096, nodeSize: 4096, noHoles: true}}
	v.nodes.nodes, v.nodes.max = map[uint64]*node{}, 1
	v.nodes.put(&node{at: empty, b: make([]byte, 4096)})
	b := &bench{t: t, replay: &replay{v: v, touched: map[uint64]bool{},
		sub: tree{id: fsTree, root: empty, changes: &changes{}},
		log: tree{id: fsTree, root: empty, changes: &changes{}}}}
	b.inodeOf(b.sub, firstFree, 1, 0o040755, 1)
	b.put(b.sub, key{firstFree, inodeRef, firstFree}, rawName(0, ".."))
	return b
}

func (b *bench) put(t tree, k key, data []byte) {
	b.t.Helper()
	old, _ := t.changes.get(k)
	if err := t.changes.set(k, append(slices.Clone(old.data), data...)); err != nil {
		b.t.Fatal(err)
	}
}

// inodeOf puts an inode into a tree: its generation, mode and links.
func (b *bench) inodeOf(t tree, ino, generation uint64, mode, links uint32) []byte {
	b.t.Helper()
	inode := make([]byte, inodeSize)
	le.PutUint64(inode, generation)
	le.PutUint32(inode[40:], links)
	le.PutUint32(inode[52:], mode)
	b.put(t, key{ino, inodeItem, 0}, inode)
	found, _ := t.changes.get(key{ino, inodeItem, 0})
	return found.data
}

func rawName(index uint64, name string) []byte {
	return append(le.AppendUint16(le.AppendUint64(nil, index), uint16(len(name))), name...)
}

func extraName(dir, index uint64, name string) []byte {
	return append(le.AppendUint64(nil, dir), rawName(index, name)...)
}

// entryOf puts an entry into both indexes of a directory.
func (b *bench) entryOf(t tree, dir, index, ino uint64, name string) {
	b.t.Helper()
	raw := newEntry(ino, make([]byte, inodeSize), name).raw
	b.put(t, key{dir, dirIndex, index}, raw)
	b.put(t, key{dir, dirItem, nameHash(name)}, raw)
}

// file puts a file with a name into the subvolume.
func (b *bench) file(ino, dir, index uint64, name string) {
	b.t.Helper()
	b.inodeOf(b.sub, ino, 1, 0o100644, 1)
	b.entryOf(b.sub, dir, index, ino, name)
	b.put(b.sub, key{ino, inodeRef, dir}, rawName(index, name))
}

func (b *bench) replayed() {
	b.t.Helper()
	if err := b.run(); err != nil {
		b.t.Fatal(err)
	}
}

// wantNames says what a directory holds, name by name.
func (b *bench) wantNames(dir uint64, want map[string]uint64) {
	b.t.Helper()
	got := map[string]uint64{}
	for it, err := range b.v.scan(b.sub, key{dir, dirIndex, 0}, key{dir, dirIndex, ^uint64(0)}) {
		if err != nil {
			b.t.Fatal(err)
		}
		for e, err := range dirEntries(it) {
			if err != nil {
				b.t.Fatal(err)
			}
			got[e.name] = e.location.object
			if found, err := b.v.lookup(b.sub, dir, e.name); err != nil || found.location != e.location {
				b.t.Errorf("%q is in one index alone: %v", e.name, err)
			}
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("directory %d has %v, want %v", dir, got, want)
	}
	for _, name := range []string{"old", "new", "x"} {
		_, err := b.v.lookup(b.sub, dir, name)
		if _, there := want[name]; there != (err == nil) || !there && !errors.Is(err, errNoEntry) {
			b.t.Errorf("lookup of %q: %v", name, err)
		}
	}
}

func (b *bench) wantLinks(ino uint64, want uint32) {
	b.t.Helper()
	inode, err := b.inode(ino)
	if err != nil || inode == nil {
		b.t.Fatalf("inode %d: %v", ino, err)
	}
	if links := le.Uint32(inode[40:]); links != want {
		b.t.Errorf("inode %d has %d links, want %d", ino, links, want)
	}
}

func TestAnInodeOfGenerationZeroChangesOnlyTheSize(t *testing.T) {
	for logged, want := range map[uint64]uint64{50: 50, 0: 100} {
		b := newBench(t)
		b.file(257, firstFree, 2, "x")
		old, _ := b.inode(257)
		le.PutUint64(old[16:], 100)
		le.PutUint32(old[44:], 7) // owner
		inode := b.inodeOf(b.log, 257, 0, 0o100600, 1)
		le.PutUint64(inode[16:], logged)
		b.replayed()
		got, _ := b.inode(257)
		if size, owner := le.Uint64(got[16:]), le.Uint32(got[44:]); size != want || owner != 7 || le.Uint32(got[52:]) != 0o100644 {
			t.Errorf("size %d logged: size %d, owner %d, mode %o", logged, size, owner, le.Uint32(got[52:]))
		}
	}
}

// An inode of its own generation replaces the old one, but for the bytes that
// its extents take.
func TestALoggedInodeReplacesTheOldOne(t *testing.T) {
	b := newBench(t)
	b.file(257, firstFree, 2, "x")
	b.inodeOf(b.log, 257, 9, 0o100600, 1)
	b.replayed()
	got, _ := b.inode(257)
	if le.Uint64(got) != 9 || le.Uint32(got[52:]) != 0o100600 {
		t.Errorf("generation %d, mode %o", le.Uint64(got), le.Uint32(got[52:]))
	}
}

func TestTheBytesThatADirectoryTakesAreNotTheLogs(t *testing.T) {
	b := newBench(t)
	b.inodeOf(b.sub, 300, 1, 0o040755, 1)
	old, _ := b.inode(300)
	le.PutUint64(old[24:], 4096)
	for i, ino := range []uint64{300, 301} {
		inode := b.inodeOf(b.log, ino, 2, 0o040755, 1)
		le.PutUint64(inode[24:], ^uint64(0))
		b.put(b.log, key{ino, inodeRef, firstFree}, rawName(uint64(5+i), fmt.Sprint("dir", i)))
	}
	b.replayed()
	for ino, want := range map[uint64]uint64{300: 4096, 301: 0} {
		if inode, err := b.inode(ino); err != nil || inode == nil || le.Uint64(inode[24:]) != want {
			t.Errorf("directory %d: %v", ino, err)
		}
	}
}

// What has a name in the log gets it from there, and not from its directory
// too: names of the extended kind would be there twice.
func TestAnEntryIsLeftToTheInodesOwnNames(t *testing.T) {
	b := newBench(t)
	b.inodeOf(b.log, 257, 2, 0o100644, 1)
	b.put(b.log, key{257, inodeExtra, extraHash(firstFree, "x")}, extraName(firstFree, 4, "x"))
	b.entryOf(b.log, firstFree, 4, 257, "x")
	b.replayed()
	b.wantNames(firstFree, map[string]uint64{"x": 257})
	b.wantLinks(257, 1)
}

func TestAnEntryWithoutNamesInTheLogBringsOne(t *testing.T) {
	b := newBench(t)
	b.inodeOf(b.sub, 257, 1, 0o100644, 1)
	b.entryOf(b.log, firstFree, 4, 257, "x")
	b.replayed()
	b.wantNames(firstFree, map[string]uint64{"x": 257})
	b.wantLinks(257, 1)
}

func TestAnEntryToAnInodeThatIsNotThereIsLeftOut(t *testing.T) {
	b := newBench(t)
	b.entryOf(b.log, firstFree, 4, 999, "x")
	b.replayed()
	b.wantNames(firstFree, map[string]uint64{})
}

// Nothing says where the directory would be.
func TestANameInADirectoryThatIsNotThereIsLeftOut(t *testing.T) {
	b := newBench(t)
	b.file(257, firstFree, 2, "x")
	b.inodeOf(b.log, 257, 2, 0o100644, 2)
	b.put(b.log, key{257, inodeRef, 999}, rawName(5, "new"))
	b.put(b.log, key{257, inodeRef, firstFree}, rawName(2, "x"))
	b.replayed()
	b.wantNames(firstFree, map[string]uint64{"x": 257})
	b.wantNames(999, map[string]uint64{})
	b.wantLinks(257, 1)
}

func TestNamesThatTheLogHasNoMoreAreRemoved(t *testing.T) {
	b := newBench(t)
	b.file(257, firstFree, 2, "old")
	b.inodeOf(b.log, 257, 2, 0o100644, 1)
	b.put(b.log, key{257, inodeRef, firstFree}, rawName(5, "new"))
	b.replayed()
	b.wantNames(firstFree, map[string]uint64{"new": 257})
	b.wantLinks(257, 1)
}

// The name goes to the logged file, and the file that had it is left with its
// other one.
func TestANameInTheWayGoesFirst(t *testing.T) {
	for _, kind := range []string{"a name", "an entry"} {
		b := newBench(t)
		b.file(257, firstFree, 2, "x")
		b.entryOf(b.sub, firstFree, 3, 257, "old")
		b.put(b.sub, key{257, inodeRef, firstFree}, rawName(3, "old"))
		b.inodeOf(b.log, 258, 2, 0o100644, 1)
		if kind == "a name" {
			b.put(b.log, key{258, inodeRef, firstFree}, rawName(7, "x"))
		} else {
			b.entryOf(b.log, firstFree, 7, 258, "x")
		}
		b.replayed()
		b.wantNames(firstFree, map[string]uint64{"old": 257, "x": 258})
		b.wantLinks(257, 1)
		b.wantLinks(258, 1)
	}
}

// Names of one inode in several directories share an item of the extended kind
// only where their hashes collide, but each is known by its directory.
func TestANameInAnotherDirectoryIsKept(t *testing.T) {
	b := newBench(t)
	b.inodeOf(b.sub, 300, 1, 0o040755, 1)
	b.entryOf(b.sub, firstFree, 9, 300, "dir")
	b.put(b.sub, key{300, inodeRef, firstFree}, rawName(9, "dir"))
	b.inodeOf(b.sub, 257, 1, 0o100644, 2)
	shared := key{257, inodeExtra, extraHash(firstFree, "x")}
	for _, dir := range []uint64{firstFree, 300} {
		b.entryOf(b.sub, dir, 2, 257, "x")
		b.put(b.sub, shared, extraName(dir, 2, "x"))
	}
	if err := b.unlink(firstFree, 2, dirEntry{name: "x", location: key{257, inodeItem, 0}}); err != nil {
		t.Fatal(err)
	}
	it, _, err := b.v.get(b.sub, shared)
	if err != nil || string(it.data) != string(extraName(300, 2, "x")) {
		t.Errorf("%q is left, %v", it.data, err)
	}
}

func TestAFileThatNeverGotANameIsPassedOver(t *testing.T) {
	b := newBench(t)
	b.inodeOf(b.log, 258, 2, 0o100644, 0)
	b.put(b.log, key{258, xattrItem, 1}, []byte("whatever"))
	b.inodeOf(b.log, 259, 2, 0o100644, 1)
	b.replayed()
	if inode, err := b.inode(258); inode != nil || err != nil {
		t.Errorf("it is there: %v", err)
	}
	if it, ok, _ := b.v.get(b.sub, key{258, xattrItem, 1}); ok {
		t.Errorf("its attribute is there: %v", it)
	}
	if inode, err := b.inode(259); inode == nil || err != nil {
		t.Errorf("the one after it is not there: %v", err)
	}
}

// The log says which parts of a directory's index it holds whole; in these,
// what it does not have was deleted.
func TestWhatADirectorysLogLacksIsDeleted(t *testing.T) {
	b := newBench(t)
	for index := range uint64(10) {
		b.file(260+index, firstFree, index, fmt.Sprint("file ", index))
	}
	b.inodeOf(b.log, firstFree, 2, 0o040755, 1)
	b.put(b.log, key{firstFree, dirLog, 2}, le.AppendUint64(nil, 4))
	b.put(b.log, key{firstFree, dirLog, 3}, le.AppendUint64(nil, 6)) // overlaps
	b.entryOf(b.log, firstFree, 4, 264, "file 4")
	b.replayed()
	want := map[string]uint64{}
	for _, index := range []uint64{0, 1, 4, 7, 8, 9} {
		want[fmt.Sprint("file ", index)] = 260 + index
	}
	b.wantNames(firstFree, want)
	b.wantLinks(264, 1)
	b.wantLinks(263, 0)
	dir, _ := b.inode(firstFree)
	if size := le.Uint64(dir[16:]); size != 2*6*uint64(len("file 0")) {
		t.Errorf("the directory has size %d", size)
	}
}

// A directory that lost its name in the replay loses what is in it too.
func TestADirectoryWithoutANameIsEmptied(t *testing.T) {
	b := newBench(t)
	b.inodeOf(b.sub, 300, 1, 0o040755, 1)
	b.entryOf(b.sub, firstFree, 9, 300, "dir")
	b.put(b.sub, key{300, inodeRef, firstFree}, rawName(9, "dir"))
	b.file(257, 300, 2, "x")
	b.inodeOf(b.log, firstFree, 2, 0o040755, 1)
	b.put(b.log, key{firstFree, dirLog, 0}, le.AppendUint64(nil, ^uint64(0)))
	b.replayed()
	b.wantNames(firstFree, map[string]uint64{})
	b.wantNames(300, map[string]uint64{})
	b.wantLinks(257, 0)
}

// extentOf is an extent that is stored as it is: its place on the volume, the
// offset in it, and its length.
func extentOf(at, offset, length uint64) []byte {
	data := make([]byte, extentSize)
	le.PutUint64(data[8:], offset+length)
	data[20] = kindRegular
	le.PutUint64(data[21:], at)
	le.PutUint64(data[29:], offset+length)
	le.PutUint64(data[37:], offset)
	le.PutUint64(data[45:], length)
	return data
}

func TestALoggedExtentIsCutOutOfTheOldOne(t *testing.T) {
	b := newBench(t)
	b.file(257, firstFree, 2, "x")
	inode := b.inodeOf(b.log, 257, 2, 0o100644, 1)
	le.PutUint64(inode[16:], 20<<10)
	const sector = 4096
	b.put(b.sub, key{257, extentData, 0}, extentOf(1<<20, sector, 5*sector))
	b.put(b.sub, key{257, extentData, 8 * sector}, extentOf(3<<20, 0, sector)) // past the end
	b.put(b.log, key{257, extentData, 2 * sector}, extentOf(2<<20, 0, sector))
	b.put(b.log, key{257, extentData, 4 * sector}, extentOf(0, 0, sector)) // a hole
	b.replayed()
	want := []item{
		{key{257, extentData, 0}, extentOf(1<<20, sector, 2*sector)},
		{key{257, extentData, 2 * sector}, extentOf(2<<20, 0, sector)},
		{key{257, extentData, 3 * sector}, extentOf(1<<20, 4*sector, sector)},
	}
	i := 0
	for it, err := range b.v.scan(b.sub, key{257, extentData, 0}, key{257, extentData, ^uint64(0)}) {
		if err != nil {
			t.Fatal(err)
		}
		if i >= len(want) {
			t.Fatalf("a fourth extent %s", it.key)
		}
		same := func(at int) bool { return le.Uint64(it.data[at:]) == le.Uint64(want[i].data[at:]) }
		if it.key != want[i].key || !same(21) || !same(37) || !same(45) {
			t.Errorf("extent %s of %d at %d+%d, want %s", it.key, le.Uint64(it.data[45:]), le.Uint64(it.data[21:]), le.Uint64(it.data[37:]), want[i].key)
		}
		i++
	}
	got, _ := b.inode(257)
	if i != 3 || le.Uint64(got[24:]) != 4*sector {
		t.Errorf("%d extents, %d bytes", i, le.Uint64(got[24:]))
	}
}

// Without the feature no-holes a hole is stored, and takes no bytes.
func TestAHoleThatIsStoredTakesNothing(t *testing.T) {
	b := newBench(t)
	b.v.sb.noHoles = false
	b.file(257, firstFree, 2, "x")
	inode := b.inodeOf(b.log, 257, 2, 0o100644, 1)
	le.PutUint64(inode[16:], 8192)
	b.put(b.log, key{257, extentData, 0}, extentOf(0, 0, 4096))
	b.put(b.log, key{257, extentData, 4096}, extentOf(1<<20, 0, 4096))
	b.replayed()
	if _, stored, err := b.v.get(b.sub, key{257, extentData, 0}); !stored || err != nil {
		t.Errorf("the hole is not stored: %v", err)
	}
	if got, _ := b.inode(257); le.Uint64(got[24:]) != 4096 {
		t.Errorf("%d bytes", le.Uint64(got[24:]))
	}
}

func TestAttributesThatTheLogLacksAreRemoved(t *testing.T) {
	b := newBench(t)
	b.file(257, firstFree, 2, "x")
	attribute := func(name, value string) []byte {
		raw := make([]byte, dirHeader)
		le.PutUint16(raw[25:], uint16(len(value)))
		le.PutUint16(raw[27:], uint16(len(name)))
		raw[29] = typeXattr
		return append(append(raw, name...), value...)
	}
	for _, name := range []string{"user.kept", "user.gone"} {
		b.put(b.sub, key{257, xattrItem, nameHash(name)}, attribute(name, "before"))
	}
	b.inodeOf(b.log, 257, 2, 0o100644, 1)
	b.put(b.log, key{257, xattrItem, nameHash("user.kept")}, attribute("user.kept", "after"))
	b.replayed()
	if it, ok, err := b.v.get(b.sub, key{257, xattrItem, nameHash("user.gone")}); ok || err != nil {
		t.Errorf("%q is there, %v", it.data, err)
	}
	it, _, err := b.v.get(b.sub, key{257, xattrItem, nameHash("user.kept")})
	if err != nil || string(it.data) != string(attribute("user.kept", "after")) {
		t.Errorf("%q, %v", it.data, err)
	}
}
