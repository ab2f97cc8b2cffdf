package xfs

import (
	"fmt"
	"io"
	"sync"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// cacheBudget is what an open filesystem keeps of its metadata, in bytes.
const cacheBudget = 16 << 20

// Open opens the XFS filesystem that fills the first size bytes of r, which is
// only read, and only while a method of the filesystem or of its files runs.
//
// The error wraps [fstree.ErrNotThis] where there is no XFS superblock,
// [fstree.ErrUnsupported] with the feature's name where there is one that this
// package cannot read, and is a [*fstree.DamageError] where it is damaged.
func Open(r io.ReaderAt, size int64) (*fstree.FS, error) {
	v, err := open(r, size)
	if err != nil {
		return nil, err
	}
	return fstree.Open(v)
}

// volume is the engine beneath an FS. Nothing in it changes after open; the
// cache is safe for concurrent use.
type volume struct {
	sb       superblock
	cache    *fstree.Cache
	replayed *overlay           // what the log's replay changed, nil if there was none
	mended   map[uint64]*mended // by the inode's number; nil for most volumes
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
	if err := v.finish(&log); err != nil {
		return nil, err
	}
	// Counting may read every allocation group, which most never ask for.
	v.info = sync.OnceValue(func() fstree.Info { return v.describe(log) })
	return v, nil
}

// finish carries out the operations that the log holds begun.
func (v *volume) finish(log *replayed) error {
	left := log.others
	if len(log.mappings) > 0 {
		failed, err := v.mend(log.mappings)
		if err != nil {
			return err
		}
		left += failed
	}
	if left > 0 {
		log.notes = append(log.notes, fmt.Sprintf("%d operations that the log holds unfinished were left so", left))
	}
	return nil
}

// Info describes the filesystem.
func (v *volume) Info() fstree.Info { return v.info() }

// Root returns the root directory.
func (v *volume) Root() fstree.ID { return fstree.ID{Ino: v.sb.root} }

// Subdirs implements [fstree.SubdirCounter].
func (v *volume) Subdirs(dir fstree.ID) (n uint64, ok bool) {
	st, err := v.Stat(dir)
	if err != nil {
		return 0, false
	}
	return fstree.SubdirsByLinks(&st)
}

// Stat returns what the inode says.
func (v *volume) Stat(id fstree.ID) (fstree.Stat, error) {
	ino, err := v.inode(id.Ino)
	if err != nil {
		return fstree.Stat{}, err
	}
	return ino.stat(v), nil
}
