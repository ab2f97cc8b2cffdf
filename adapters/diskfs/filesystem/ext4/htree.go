package ext4

import (
	"errors"
	"io/fs"
	"sort"
)

const (
	indexRootInfo  = 0x18 // after "." and ".."
	indexEntrySize = 8    // hash and block
	maxIndexLevels = 3    // inner nodes below the root, less than this
)

// errBadIndex is never seen by a caller: the directory is searched without
// its index instead.
var errBadIndex = errors.New("ext4: unusable directory index")

// indexNode is the entries of a node of a hash tree. The first one's hash is
// taken to be 0; its place holds the numbers of entries.
type indexNode struct {
	entries []byte
}

func (n indexNode) len() int           { return len(n.entries) / indexEntrySize }
func (n indexNode) block(i int) uint64 { return uint64(le.Uint32(n.entries[indexEntrySize*i+4:])) }

func (n indexNode) hash(i int) uint32 {
	if i == 0 {
		return 0
	}
	return le.Uint32(n.entries[indexEntrySize*i:])
}

// indexSearch is one search of a hashed directory.
type indexSearch struct {
	e    *engine
	in   *inode
	m    mapping
	hash uint32
	name []byte
}

// lookupHashed finds a name by the directory's hash tree (dx_probe in
// fs/ext4/namei.c), with [fs.ErrNotExist] if it is certainly not there.
func (e *engine) lookupHashed(in *inode, name []byte) (dirent, error) {
	m, err := e.mapping(in)
	if err != nil {
		return dirent{}, err
	}
	s := &indexSearch{e: e, in: in, m: m, name: name}
	root, err := s.block(0)
	if err != nil {
		return dirent{}, err
	}
	version, infoSize, levels := root.data[indexRootInfo+4], root.data[indexRootInfo+5], root.data[indexRootInfo+6]
	hasher, ok := e.hasher(version)
	if !ok || infoSize != 8 || levels >= maxIndexLevels {
		return dirent{}, errBadIndex
	}
	s.hash, _ = hasher(name)
	node, err := parseIndexNode(root.data[indexRootInfo+8:])
	if err != nil {
		return dirent{}, err
	}
	return s.node(node, int(levels))
}

// parseIndexNode takes the entries that begin with limit and count.
func parseIndexNode(b []byte) (indexNode, error) {
	limit, count := int(le.Uint16(b)), int(le.Uint16(b[2:]))
	if count == 0 || count > limit || limit*indexEntrySize > len(b) {
		return indexNode{}, errBadIndex
	}
	return indexNode{b[:count*indexEntrySize]}, nil
}

// verifyIndexNode verifies the checksum of a node, which lies after the room
// for its entries (ext4_dx_csum_verify in fs/ext4/namei.c).
func (e *engine) verifyIndexNode(in *inode, b dirBlock) error {
	entries := direntHeader
	if !e.isIndexNode(b.data) {
		entries = indexRootInfo + 8
		if b.data[indexRootInfo+5] != 8 {
			return in.damagedDir(b.at, "an index whose header has %d bytes", b.data[indexRootInfo+5])
		}
	}
	limit, count := int(le.Uint16(b.data[entries:])), int(le.Uint16(b.data[entries+2:]))
	tail := entries + limit*indexEntrySize
	if count > limit || tail+indexEntrySize > len(b.data) {
		return in.damagedDir(b.at, "an index of %d entries, with room for %d", count, limit)
	}
	crc := crc32c(in.seed, b.data[:entries+count*indexEntrySize])
	got := crc32cUint32(crc32c(crc, b.data[tail:tail+4]), 0)
	if want := le.Uint32(b.data[tail+4:]); want != got {
		return in.damagedDir(b.at, "checksum of the index is %08x, not %08x", got, want)
	}
	return nil
}

// node searches below a node. Names of one hash may go on in the next child,
// whose own hash has the lowest bit set then.
func (s *indexSearch) node(n indexNode, levels int) (dirent, error) {
	i := sort.Search(n.len(), func(i int) bool { return n.hash(i) > s.hash }) - 1
	for {
		d, err := s.child(n.block(i), levels)
		if err == nil || err != fs.ErrNotExist {
			return d, err
		}
		if i++; i >= n.len() || n.hash(i) != s.hash|1 {
			return dirent{}, fs.ErrNotExist
		}
	}
}

func (s *indexSearch) child(logical uint64, levels int) (dirent, error) {
	b, err := s.block(logical)
	if err != nil {
		return dirent{}, err
	}
	if levels > 0 {
		n, err := parseIndexNode(b.data[direntHeader:])
		if err != nil {
			return dirent{}, err
		}
		return s.node(n, levels-1)
	}
	var found dirent
	more, err := s.e.scan(s.in, b, func(d dirent) bool {
		if string(d.name) != string(s.name) {
			return true
		}
		found = d
		return false
	})
	switch {
	case err != nil:
		return dirent{}, err
	case more:
		return dirent{}, fs.ErrNotExist
	}
	return found, nil
}

// block reads a block of the directory.
func (s *indexSearch) block(logical uint64) (dirBlock, error) {
	if logical >= uint64(s.in.size)>>s.e.sb.blockBits {
		return dirBlock{}, errBadIndex
	}
	r, err := s.m.run(logical)
	if err != nil {
		return dirBlock{}, err
	}
	if r.isHole() {
		return dirBlock{}, errBadIndex
	}
	return s.e.dirBlock(s.in, logical, r.physical)
}
