package btrfs

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/pieces"
)

const (
	cacheBudget = 16 << 20 // bytes of metadata

	rootTree     = 1 // object numbers of trees (BTRFS_*_TREE_OBJECTID)
	chunkTree    = 3
	fsTree       = 5
	logTree      = ^uint64(5) // -6
	firstFree    = 256        // the first of files and subvolumes, and the first file of each subvolume
	chunkObjects = 256        // BTRFS_FIRST_CHUNK_TREE_OBJECTID

	deviceObjects = 1   // BTRFS_DEV_ITEMS_OBJECTID
	deviceKey     = 216 // BTRFS_DEV_ITEM_KEY

	rootItemSize = 239 // bytes of a root item up to its level
)

// Options say how a filesystem is read. The zero value, or nil, verifies
// everything.
type Options struct {
	// IgnoreDataChecksums has the contents of files read whatever their
	// checksums say, as the kernel's mount option rescue=ignoredatacsums does:
	// to save what is left of a damaged file. Which of several copies is read
	// is then left to chance.
	IgnoreDataChecksums bool
}

// Open opens the filesystem on the first size bytes of r, which is only read. It
// is [OpenDevices] with one device.
//
// The error wraps [fstree.ErrNotThis] where there is no superblock,
// [fstree.ErrUnsupported] with a name for what this package cannot read,
// [ErrMissing] where it lies on further devices and cannot be read without them,
// and is a [*fstree.DamageError] where the trees cannot be reached.
func Open(r io.ReaderAt, size int64) (*fstree.FS, error) {
	return OpenDevices([]Device{{Reader: r, Size: size}}, nil)
}

// OpenDevices opens the filesystem that the first of some devices is of. The
// others, in any order, are the rest of it or the seeds that it was made from. Of
// devices that nothing is known of, [Scan] finds the filesystems. The errors are
// those of [Open], and concern every device.
func OpenDevices(devices []Device, opts *Options) (*fstree.FS, error) {
	if len(devices) == 0 {
		return nil, fmt.Errorf("btrfs: no devices: %w", fs.ErrInvalid)
	}
	known, failed := identify(devices)
	if len(failed) > 0 {
		return nil, errors.Join(failed...)
	}
	return group(known)[0].Open(opts)
}

// volume is the engine beneath an FS. Only its caches change after open.
type volume struct {
	sb       *superblock
	opts     Options
	cache    *fstree.Cache // of logical addresses
	nodes    nodeCache
	chunks   chunkMap
	members  []*device // that say they are of this filesystem
	devices  map[deviceID]*device
	items    map[deviceID]deviceItem // the devices by the chunk tree
	used     []*device               // those of them that are there, in the order of their numbers
	missing  []deviceID              // and those that are not
	fsids    map[[16]byte]bool       // of nodes; nil while the devices are not known
	roots    tree                    // the root tree
	trees    sync.Map                // uint64 -> tree, of the subvolumes that were asked for
	initial  uint64                  // the subvolume that is mounted
	logNote  string                  // what became of the log tree, "" if there is none
	logSums  loggedSums
	lastSums atomic.Pointer[sumRun] // that were asked for; the next ones are mostly among them
	unpacked pieces.Recent          // by their logical address
	zstd     sync.Pool              // *zstd.Decoder
	scratch  scratch
}

var _ fstree.Engine = (*volume)(nil)

func newVolume(sb *superblock, opts *Options) *volume {
	v := &volume{sb: sb}
	if opts != nil {
		v.opts = *opts
	}
	v.nodes.nodes, v.nodes.max = map[uint64]*node{}, int(cacheBudget/sb.nodeSize)
	return v
}

// open reads what leads from the superblock to the tree that is mounted.
func (v *volume) open() (err error) {
	v.cache = fstree.NewCache(logical{v}, logicalSize, cacheBudget)
	if err := v.readChunks(); err != nil {
		return err
	}
	v.roots = tree{id: rootTree, root: v.sb.root, level: v.sb.rootLevel, generation: v.sb.generation}
	if err := v.replayLog(); err != nil {
		return err
	}
	if v.initial, err = v.defaultSubvolume(); err != nil {
		return err
	}
	_, err = v.subvolume(v.initial)
	return err
}

// readChunks reads the chunks that the superblock holds, which map the chunk
// tree, and then the chunk tree, which has the devices too.
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
		if err := v.addChunk(item{k, b[keySize:n]}); err != nil {
			return err
		}
		b = b[n:]
	}
	v.items = make(map[deviceID]deviceItem)
	t := tree{id: chunkTree, root: v.sb.chunkRoot, level: v.sb.chunkLevel, generation: v.sb.chunkGeneration}
	for it, err := range v.scan(t, key{deviceObjects, deviceKey, 0}, key{chunkObjects, chunkItem, ^uint64(0)}) {
		switch {
		case err != nil:
		case it.key.object == deviceObjects && it.key.kind == deviceKey:
			err = v.addItem(it)
		case it.key.object == chunkObjects && it.key.kind == chunkItem:
			err = v.addChunk(it)
		}
		if err != nil {
			return err
		}
	}
	v.knowDevices()
	return nil
}

func (v *volume) addChunk(it item) error {
	c, err := v.parseChunk(it.key, it.data)
	if err == nil {
		v.chunks.add(c)
	}
	return err
}

func (v *volume) addItem(it item) error {
	if len(it.data) < deviceItemSize {
		return damaged("chunk tree", int64(v.sb.chunkRoot), "a device of %d bytes", len(it.data))
	}
	d := parseDevice(it.data)
	v.items[d.id] = d
	return nil
}

// knowDevices sorts the devices that the chunk tree names into those that are
// there and those that are not.
func (v *volume) knowDevices() {
	v.fsids = map[[16]byte]bool{v.sb.metadataID: true}
	for id, d := range v.items {
		v.fsids[d.fsid] = true
		if there := v.devices[id]; there != nil {
			v.used = append(v.used, there)
		} else {
			v.missing = append(v.missing, id)
		}
	}
	slices.SortFunc(v.used, func(a, b *device) int { return a.sb.device.compare(b.sb.device) })
	slices.SortFunc(v.missing, deviceID.compare)
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
	t := tree{id: id, root: le.Uint64(it.data[176:]), level: it.data[238], generation: le.Uint64(it.data[160:])}
	if t.level > maxLevel {
		return tree{}, damaged(fmt.Sprintf("subvolume %d", id), -1, "a tree of %d levels", t.level)
	}
	return t, nil
}

// Root returns the first directory of the default subvolume.
func (v *volume) Root() fstree.ID { return fstree.ID{Tree: v.initial, Ino: firstFree} }

// Info describes the filesystem. Sizes are what files can have, copies left
// out, as the kernel counts them. Free space is what no chunk's extents use;
// the kernel's figure guesses further what future chunks will hold.
func (v *volume) Info() fstree.Info {
	size := v.sb.totalBytes / v.copies()
	size -= size % uint64(v.sb.sectorSize)
	info := fstree.Info{
		Type: "btrfs", Label: v.sb.label, UUID: fstree.FormatUUID(v.sb.fsid), BlockSize: v.sb.sectorSize,
		Size: int64(min(size, math.MaxInt64)), Free: int64(min(size-min(v.sb.bytesUsed, size), math.MaxInt64)),
	}
	if v.logNote != "" {
		info.Dirty, info.Notes = true, []string{v.logNote}
	}
	if len(v.items) == 1 && len(v.used) == 1 {
		info.CutOff(int64(min(v.sb.totalBytes, math.MaxInt64)), v.used[0].Size)
	}
	if len(v.missing) > 0 {
		info.Missing = missingDevices(v.missing) + "; only what the other devices hold too can be read"
		info.Notes = append(info.Notes, info.Missing)
	}
	info.Notes = append(info.Notes, v.deviceNotes()...)
	return info
}

// copies is how often data are stored: by the last profile of which there are
// any (btrfs_statfs).
func (v *volume) copies() uint64 {
	last := 4 // single
	for i := range profiles {
		if slices.ContainsFunc(v.chunks, func(c *chunk) bool { return c.kind&groupData != 0 && c.profile == &profiles[i] }) {
			last = i
		}
	}
	return uint64(profiles[last].copies)
}

// nameHash is how directories and attributes are indexed: a CRC-32C that
// begins with ^1 and is not inverted (btrfs_name_hash).
func nameHash(name string) uint64 {
	return uint64(^crc32.Update(1, crc32.MakeTable(crc32.Castagnoli), []byte(name)))
}
