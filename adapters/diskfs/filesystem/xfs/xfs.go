package xfs

import (
	"encoding/hex"
	"fmt"
	"io"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// cacheBudget is what an open filesystem keeps of its metadata, in bytes.
const cacheBudget = 16 << 20

// FS is an open XFS filesystem.
type FS struct {
	*fstree.FS
}

// Open opens the XFS filesystem that fills the first size bytes of r, which is
// only read, and only while a method of the filesystem or of its files runs.
//
// The error wraps [fstree.ErrNotThis] where there is no XFS superblock,
// [fstree.ErrUnsupported] with the feature's name where there is one that this
// package cannot read, and is a [*fstree.DamageError] where it is damaged.
func Open(r io.ReaderAt, size int64) (*FS, error) {
	v, err := open(r, size)
	if err != nil {
		return nil, err
	}
	return &FS{fstree.New(v)}, nil
}

// volume is the engine beneath an FS. Nothing in it changes after open; the
// cache is safe for concurrent use.
type volume struct {
	sb       superblock
	cache    *fstree.Cache
	replayed *overlay // what the log's replay changed, nil if there was none
	info     fstree.Info
}

var _ fstree.Engine = (*volume)(nil)

func open(r io.ReaderAt, size int64) (*volume, error) {
	sb, err := readSuperblock(r, size, nil)
	if err != nil {
		return nil, err
	}
	log, err := replayLog(r, size, &sb)
	if err == nil && log.overlay != nil {
		r = log.overlay
		sb, err = readSuperblock(r, size, log.overlay)
	}
	if err != nil {
		return nil, err
	}
	v := &volume{sb: sb, cache: fstree.NewCache(r, size, cacheBudget), replayed: log.overlay}
	if log.dirty && sb.lazyCount {
		v.recount()
	}
	v.info = v.describe()
	v.info.Dirty = log.dirty
	v.info.Notes = append(v.info.Notes, log.notes...)
	return v, nil
}

// Info describes the filesystem.
func (v *volume) Info() fstree.Info { return v.info }

// Root returns the root directory.
func (v *volume) Root() fstree.ID { return fstree.ID{Ino: v.sb.root} }

// Stat returns what the inode says.
func (v *volume) Stat(id fstree.ID) (fstree.Stat, error) {
	ino, err := v.inode(id.Ino)
	if err != nil {
		return fstree.Stat{}, err
	}
	return ino.stat(v), nil
}

// setAside is how many free blocks of each allocation group the kernel gives to
// nobody (xfs_alloc_set_aside).
const setAside = 8

// describe counts as xfs_fs_statfs does: the log is not part of the size, and
// free blocks are inodes that could be. What a mounted filesystem reserves for
// the growth of its newer B+trees is counted as free.
func (v *volume) describe() fstree.Info {
	sb := &v.sb
	blocks := sb.blocks
	if sb.logStart != 0 {
		blocks -= min(blocks, uint64(sb.logBlocks))
	}
	free := min(sb.freeBlocks, blocks)
	free -= min(free, setAside*uint64(sb.agCount))
	files := max(min(sb.inodes+free<<sb.inodesLog, sb.maxInodes()), sb.inodes)
	info := fstree.Info{
		Type: "xfs", Label: sb.label, UUID: formatUUID(sb.uuid),
		BlockSize: int64(sb.blockSize),
		Size:      int64(blocks) << sb.blockLog,
		Free:      int64(free) << sb.blockLog,
		Files:     files,
		FreeFiles: files - (sb.inodes - min(sb.freeInodes, sb.inodes)),
	}
	if sb.needsRepair {
		info.Notes = append(info.Notes, "marked as needing xfs_repair; the kernel would not mount it")
	}
	if sb.rtBlocks > 0 {
		info.Notes = append(info.Notes, "files on the realtime device cannot be read")
	}
	return info
}

// maxInodes is the number that sb_imax_pct permits, in whole chunks of 64
// inodes (xfs_ialloc_setup_geometry), or no limit.
func (sb *superblock) maxInodes() uint64 {
	if sb.maxInodePercent == 0 {
		return 1<<56 - 1 // XFS_MAXINUMBER
	}
	chunk := max(uint64(64)>>sb.inodesLog, 1)
	percent := uint64(sb.maxInodePercent)
	share := sb.blocks/100*percent + sb.blocks%100*percent/100
	return share / chunk * chunk << sb.inodesLog
}

func formatUUID(u [16]byte) string {
	h := hex.EncodeToString(u[:])
	return fmt.Sprintf("%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}
