package xfs

import (
	"io"
	"sync"

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
	info     func() fstree.Info
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
	// Counting may read every allocation group, which most never ask for.
	v.info = sync.OnceValue(func() fstree.Info { return v.describe(log) })
	return v, nil
}

// Info describes the filesystem.
func (v *volume) Info() fstree.Info { return v.info() }

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
