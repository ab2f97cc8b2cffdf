package xfs

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"math/bits"
	"sort"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	leafMagicV4     = 0xd2f1 // the only block of an index
	leafNodeMagicV4 = 0xd2ff // a leaf beneath nodes
	leafMagicV5     = 0x3df1
	leafNodeMagicV5 = 0x3dff
	nodeMagicV4     = 0xfebe
	nodeMagicV5     = 0x3ebe
	daHeadV4        = 16 // bytes before the entries of a node and of a leaf
	maxDaLevels     = 5  // XFS_DA_NODE_MAXDEPTH

	// maxSameHash is how many names of one hash are tried before it is
	// quicker to read the directory.
	maxSameHash = 4096
)

// Lookup finds an entry as the kernel does, by the directory's index of name
// hashes; where the index is damaged it reads the entries instead.
func (v *volume) Lookup(dir fstree.ID, name string) (fstree.Entry, error) {
	ino, err := v.directory(dir.Ino)
	if err != nil {
		return fstree.Entry{}, err
	}
	f := ino.dataFork(v)
	if f.format == formatLocal || v.sb.asciiCI {
		return v.scan(dir, name)
	}
	lookup := v.lookupIndex
	if ino.size <= int64(v.sb.dirBlockSize()) {
		lookup = v.lookupBlock
	}
	e, err := lookup(&f, name)
	// Without checksums an index may lead elsewhere and look sound.
	if errors.Is(err, fstree.ErrDamaged) || err == fs.ErrNotExist && !v.sb.v5 {
		return v.scan(dir, name)
	}
	return e, err
}

// scan finds an entry by reading the directory.
func (v *volume) scan(dir fstree.ID, name string) (fstree.Entry, error) {
	if v.sb.asciiCI {
		return fstree.FindEntry(v.ReadDir(dir), name, equalASCII)
	}
	return fstree.FindEntry(v.ReadDir(dir), name, nil)
}

func equalASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lowerASCII(a[i]) != lowerASCII(b[i]) {
			return false
		}
	}
	return true
}

func lowerASCII(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// lookupBlock finds an entry in a directory of one block, which has its index
// after the entries.
func (v *volume) lookupBlock(f *fork, name string) (fstree.Entry, error) {
	b, block, err := v.dataBlock(f, 0)
	if err != nil {
		return fstree.Entry{}, err
	}
	_, end, err := v.entryArea(f, b, block)
	if err != nil {
		return fstree.Entry{}, err
	}
	if end == len(b) {
		return fstree.Entry{}, v.dirDamage(f, block, "no index after the entries")
	}
	e, _, err := v.match(f, b[end:len(b)-8], name)
	if err == nil && e.Name == "" {
		err = fs.ErrNotExist
	}
	return e, err
}

// lookupIndex descends the index to the leaves with the name's hash, which may
// fill several, and compares the entries that they point to.
func (v *volume) lookupIndex(f *fork, name string) (fstree.Entry, error) {
	leaf, block, err := v.descend(f, name)
	if err != nil {
		return fstree.Entry{}, err
	}
	for range maxSameHash {
		e, more, err := v.leafMatch(f, leaf, block, name)
		if err != nil || e.Name != "" {
			return e, err
		}
		next := uint64(binary.BigEndian.Uint32(leaf))
		if !more || next == 0 {
			return fstree.Entry{}, fs.ErrNotExist
		}
		leaf, block, err = v.indexBlock(f, next)
		if err != nil {
			return fstree.Entry{}, err
		}
	}
	return fstree.Entry{}, v.dirDamage(f, block, "an index of too many equal hashes")
}

// descend follows the nodes to the first leaf that may hold a name's hash.
func (v *volume) descend(f *fork, name string) (leaf []byte, block int64, err error) {
	hash, at := hashName(name), uint64(dirIndexStart)>>v.sb.blockLog
	for range maxDaLevels + 1 {
		b, block, err := v.indexBlock(f, at)
		if err != nil {
			return nil, 0, err
		}
		if magic := binary.BigEndian.Uint16(b[8:]); magic != nodeMagicV4 && magic != nodeMagicV5 {
			return b, block, nil
		}
		entries, err := v.indexEntries(f, b, block)
		if err != nil {
			return nil, 0, err
		}
		n := len(entries) / 8
		i := sort.Search(n, func(i int) bool { return binary.BigEndian.Uint32(entries[8*i:]) >= hash })
		if i == n {
			return nil, 0, fs.ErrNotExist
		}
		at = uint64(binary.BigEndian.Uint32(entries[8*i+4:]))
	}
	return nil, 0, v.dirDamage(f, block, "an index of more than %d levels", maxDaLevels)
}

// indexBlock reads and checks a node or leaf of the index.
func (v *volume) indexBlock(f *fork, at uint64) (b []byte, block int64, err error) {
	count := uint64(1)
	if !f.attr {
		count <<= v.sb.dirBlockLog
	}
	b, off, err := v.fileBlock(f, at, count)
	if err != nil {
		return nil, 0, err
	}
	block = v.blockOf(off)
	if v.sb.v5 {
		if why := v.verify(b, off, f.owner, daLayout()); why != "" {
			return nil, block, v.dirDamage(f, block, "%s", why)
		}
	}
	return b, block, nil
}

// indexEntries returns the entries of a node or leaf of a directory's index,
// eight bytes each.
func (v *volume) indexEntries(f *fork, b []byte, block int64) ([]byte, error) {
	head, countAt := daHeadV4, 12
	if v.sb.v5 {
		head, countAt = daLayout().size, 56
	}
	n := int(binary.BigEndian.Uint16(b[countAt:]))
	if n > (len(b)-head)/8 {
		return nil, v.dirDamage(f, block, "%d entries in a block of the index", n)
	}
	return b[head : head+8*n], nil
}

// leafMatch compares the entries that a leaf holds for a name's hash. more tells that
// the next leaf may hold some too.
func (v *volume) leafMatch(f *fork, leaf []byte, block int64, name string) (e fstree.Entry, more bool, err error) {
	be := binary.BigEndian
	switch be.Uint16(leaf[8:]) {
	case leafMagicV4, leafNodeMagicV4, leafMagicV5, leafNodeMagicV5:
	default:
		return e, false, v.dirDamage(f, block, "leaf magic %#04x", be.Uint16(leaf[8:]))
	}
	entries, err := v.indexEntries(f, leaf, block)
	if err != nil {
		return e, false, err
	}
	return v.match(f, entries, name)
}

// match compares the directory's entries to which an index, pairs of hash and
// place, leads for a name. more tells that they go on to the index's end.
func (v *volume) match(f *fork, index []byte, name string) (e fstree.Entry, more bool, err error) {
	be := binary.BigEndian
	n, hash := len(index)/8, hashName(name)
	i := sort.Search(n, func(i int) bool { return be.Uint32(index[8*i:]) >= hash })
	for first := i; i < n && be.Uint32(index[8*i:]) == hash; i++ {
		if i-first > maxSameHash {
			return e, false, f.damage(f.block, "an index of too many equal hashes")
		}
		address := uint64(be.Uint32(index[8*i+4:])) * 8
		if address == 0 {
			continue // stale
		}
		e, err := v.entryAt(f, address)
		if err != nil || e.Name == name {
			return e, false, err
		}
	}
	return fstree.Entry{}, i == n, nil
}

// entryAt reads the entry at a byte of the directory.
func (v *volume) entryAt(f *fork, address uint64) (fstree.Entry, error) {
	size := uint64(v.sb.dirBlockSize())
	b, block, err := v.dataBlock(f, address/size)
	if err != nil {
		return fstree.Entry{}, err
	}
	start, end, err := v.entryArea(f, b, block)
	if err != nil {
		return fstree.Entry{}, err
	}
	at := int(address % size)
	if at < start || at >= end {
		return fstree.Entry{}, v.dirDamage(f, block, "the index leads to byte %d", at)
	}
	e, n := v.decodeEntry(b[at:end], new(fstree.Strings))
	if n == 0 {
		return fstree.Entry{}, v.dirDamage(f, block, "the entry at %d does not fit", at)
	}
	return e, nil
}

// hashName is xfs_da_hashname of fs/xfs/libxfs/xfs_da_btree.c: seven bits a
// byte, rotated in.
func hashName(name string) uint32 {
	var hash uint32
	for i := range len(name) {
		hash = uint32(name[i]) ^ bits.RotateLeft32(hash, 7)
	}
	return hash
}
