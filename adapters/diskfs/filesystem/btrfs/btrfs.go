package btrfs

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"sync"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/recent"
)

const (
	cacheBudget = 16 << 20 // bytes of metadata

	rootTree     = 1 // object numbers of trees (BTRFS_*_TREE_OBJECTID)
	chunkTree    = 3
	fsTree       = 5
	logTree      = ^uint64(5) // -6
	firstFree    = 256        // the first of files and subvolumes, and the first file of each subvolume
	chunkObjects = 256        // BTRFS_FIRST_CHUNK_TREE_OBJECTID

	rootItemSize = 239 // bytes of a root item up to its level
)

// Open opens the filesystem on the first size bytes of r, which is only read.
//
// The error wraps [fstree.ErrNotThis] where there is no superblock,
// [fstree.ErrUnsupported] with a name for what this package cannot read, and
// is a [*fstree.DamageError] where the trees cannot be reached.
func Open(r io.ReaderAt, size int64) (*fstree.FS, error) {
	v, err := open(r, size)
	if err != nil {
		return nil, err
	}
	return fstree.Open(v)
}

// volume is the engine beneath an FS. Only its caches change after open.
type volume struct {
	sb       *superblock
	r        io.ReaderAt
	size     int64
	cache    *fstree.Cache
	nodes    nodeCache
	chunks   chunkMap
	roots    tree          // the root tree
	trees    sync.Map      // uint64 -> tree, of the subvolumes that were asked for
	initial  uint64        // the subvolume that is mounted
	logNote  string        // what became of the log tree, "" if there is none
	unpacked recent.Pieces // by their logical address
	zstd     sync.Pool     // *zstd.Decoder
}

var _ fstree.Engine = (*volume)(nil)

func open(r io.ReaderAt, size int64) (*volume, error) {
	sb, err := readSuperblock(r, size)
	if err != nil {
		return nil, err
	}
	return sb.open(r, size)
}

// open reads what leads from the superblock to the tree that is mounted.
func (sb *superblock) open(r io.ReaderAt, size int64) (_ *volume, err error) {
	v := &volume{sb: sb, r: r, size: size, cache: fstree.NewCache(r, size, cacheBudget)}
	v.nodes.nodes, v.nodes.max = map[uint64]*node{}, int(cacheBudget/sb.nodeSize)
	if err := v.readChunks(); err != nil {
		return nil, err
	}
	v.roots = tree{id: rootTree, root: sb.root, level: sb.rootLevel}
	if err := v.replayLog(); err != nil {
		return nil, err
	}
	if v.initial, err = v.defaultSubvolume(); err != nil {
		return nil, err
	}
	_, err = v.subvolume(v.initial)
	return v, err
}

// readChunks reads the chunks that the superblock holds, which map the chunk
// tree, and then the chunk tree.
func (v *volume) readChunks() error {
	for b := v.sb.systemChunks; len(b) > 0; {
		if len(b) < keySize+chunkHeader {
			return damaged("superblock", superOffset, "the system chunks are cut off")
		}
		k, stripes := parseKey(b), int(le.Uint16(b[keySize+44:]))
		n := keySize + chunkHeader + stripes*stripeSize
		if n > len(b) {
			return damaged("superblock", superOffset, "the system chunks are cut off")
		}
		if err := v.chunks.add(k, b[keySize:n], v.sb.device); err != nil {
			return err
		}
		b = b[n:]
	}
	t := tree{id: chunkTree, root: v.sb.chunkRoot, level: v.sb.chunkLevel}
	for it, err := range v.scan(t, key{chunkObjects, chunkItem, 0}, key{chunkObjects, chunkItem, ^uint64(0)}) {
		if err != nil {
			return err
		}
		if err := v.chunks.add(it.key, it.data, v.sb.device); err != nil {
			return err
		}
	}
	return nil
}

// defaultSubvolume is the one that the root tree's directory calls "default".
func (v *volume) defaultSubvolume() (uint64, error) {
	e, err := v.lookup(v.roots, v.sb.rootDir, "default")
	switch {
	case errors.Is(err, errNoEntry):
		return fsTree, nil
	case err != nil:
		return 0, err
	case e.location.kind != rootItem:
		return 0, damaged("root tree", int64(v.sb.root), "the default subvolume is %s", e.location)
	}
	return e.location.object, nil
}

// subvolume finds a subvolume's tree: the root item with its number.
func (v *volume) subvolume(id uint64) (tree, error) {
	if t, ok := v.trees.Load(id); ok {
		return t.(tree), nil
	}
	it, ok, err := v.floor(v.roots, key{id, rootItem, 0}, key{id, rootItem, ^uint64(0)})
	if err != nil {
		return tree{}, err
	}
	if !ok {
		return tree{}, damaged(fmt.Sprintf("subvolume %d", id), -1, "it has no root item")
	}
	t, err := parseRoot(id, it)
	if err == nil {
		v.trees.Store(id, t)
	}
	return t, err
}

// parseRoot takes a tree's root from its item.
func parseRoot(id uint64, it item) (tree, error) {
	if len(it.data) < rootItemSize {
		return tree{}, damaged(fmt.Sprintf("subvolume %d", id), -1, "a root item of %d bytes", len(it.data))
	}
	t := tree{id: id, root: le.Uint64(it.data[176:]), level: it.data[238]}
	if t.level > maxLevel {
		return tree{}, damaged(fmt.Sprintf("subvolume %d", id), -1, "a tree of %d levels", t.level)
	}
	return t, nil
}

// Root returns the first directory of the default subvolume.
func (v *volume) Root() fstree.ID { return fstree.ID{Tree: v.initial, Ino: firstFree} }

// Info describes the filesystem. Free space is what no chunk's extents use;
// the kernel's figure guesses further what future chunks will hold.
func (v *volume) Info() fstree.Info {
	info := fstree.Info{
		Type: "btrfs", Label: v.sb.label, UUID: fstree.FormatUUID(v.sb.fsid), BlockSize: v.sb.sectorSize,
		Size: int64(v.sb.totalBytes), Free: int64(v.sb.totalBytes - min(v.sb.bytesUsed, v.sb.totalBytes)),
	}
	if v.logNote != "" {
		info.Dirty, info.Notes = true, []string{v.logNote}
	}
	info.CutOff(int64(min(v.sb.totalBytes, math.MaxInt64)), v.size)
	return info
}

// nameHash is how directories and attributes are indexed: a CRC-32C that
// begins with ^1 and is not inverted (btrfs_name_hash).
func nameHash(name string) uint64 {
	return uint64(^crc32.Update(1, crc32.MakeTable(crc32.Castagnoli), []byte(name)))
}
