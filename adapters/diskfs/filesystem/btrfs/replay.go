package btrfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// A log tree holds, for each subvolume, the items of files that were synced
// after the last commit. Mounting puts them into the subvolume
// (btrfs_recover_log_trees in fs/btrfs/tree-log.c); this does so in memory.

// replayLog brings the subvolumes to where the kernel would when mounting. A
// log that is damaged, which the kernel does not mount, is left aside. The
// error is that of a disk that fails.
func (v *volume) replayLog() error {
	if v.sb.logRoot == 0 {
		return nil
	}
	replayed, err := v.replayTrees()
	switch {
	case err == nil:
		v.logNote = "not unmounted cleanly: what was synced after the last commit was replayed in memory"
	case errors.Is(err, fstree.ErrDamaged), errors.Is(err, errTooManyChanges):
		v.logNote = fmt.Sprintf("not unmounted cleanly: what was synced after the last commit is left out: %v", err)
		v.logSums = loggedSums{}
		return nil
	default:
		return err
	}
	for _, t := range replayed {
		v.trees.Store(t.id, t)
	}
	v.logSums.sort()
	return nil
}

// replayTrees replays the log of each subvolume that has one. What the replay
// of all may hold is bounded as that of one is.
func (v *volume) replayTrees() (replayed []tree, err error) {
	logs := tree{id: logTree, root: v.sb.logRoot, level: v.sb.logLevel, generation: v.sb.generation + 1}
	held := 0
	for it, err := range v.scan(logs, key{logTree, rootItem, 0}, key{logTree, rootItem, ^uint64(0)}) {
		if err != nil {
			return nil, err
		}
		log, err := parseRoot(it.key.offset, it)
		if err != nil {
			return nil, err
		}
		if _, exists, err := v.floor(v.roots, key{log.id, rootItem, 0}, key{log.id, rootItem, ^uint64(0)}); err != nil || !exists {
			if err != nil {
				return nil, err
			}
			continue // the subvolume was deleted
		}
		sub, err := v.subvolume(log.id)
		if err != nil {
			return nil, err
		}
		sub.changes = &changes{held: held}
		r := replay{v: v, log: log, sub: sub, touched: map[uint64]bool{}}
		if err := r.run(); err != nil {
			return nil, err
		}
		held = sub.changes.held
		replayed = append(replayed, sub)
	}
	return replayed, nil
}

// replay puts a subvolume's log into it.
type replay struct {
	v        *volume
	log, sub tree
	touched  map[uint64]bool // inodes whose links, size or blocks are to be counted anew
	recount  []uint64        // the same, in the order in which they were touched
}

// run goes through the log three times: an entry may lead to an inode that
// comes later, and be in the way of a name that comes earlier.
func (r *replay) run() error {
	for _, stage := range []func(item) error{r.stageInodes, r.stageEntries, r.stageRest} {
		if err := r.pass(stage); err != nil {
			return err
		}
	}
	return r.count()
}

// pass gives each item of the log to a stage. A file that was synced without
// a name, and never got one, is passed over with all its items.
func (r *replay) pass(stage func(item) error) error {
	nameless := false
	for it, err := range r.v.scan(r.log, key{}, lastKey()) {
		if err != nil {
			return err
		}
		if it.key.kind == inodeItem {
			if len(it.data) < inodeSize {
				return damaged("log tree", -1, "an inode of %d bytes", len(it.data))
			}
			nameless = le.Uint32(it.data[40:]) == 0
		}
		if nameless && it.key.object != sumObject {
			continue
		}
		if err := stage(it); err != nil {
			return err
		}
	}
	return nil
}

func (r *replay) stageInodes(it item) error {
	if it.key.kind != inodeItem {
		return nil
	}
	ino := it.key.object
	if err := r.deleteXattrs(ino); err != nil {
		return err
	}
	mode := fstree.UnixMode(le.Uint32(it.data[52:]))
	if mode.IsDir() {
		if err := r.deleteEntries(ino); err != nil {
			return err
		}
	}
	r.touch(ino)
	if err := r.putInode(it, mode); err != nil || !mode.IsRegular() {
		return err
	}
	// What lies past the end, such as blocks reserved before, was not logged.
	sector := uint64(r.v.sb.sectorSize)
	size := min(le.Uint64(it.data[16:]), 1<<63)
	return r.dropExtents(ino, (size+sector-1)/sector*sector, ^uint64(0))
}

func (r *replay) stageEntries(it item) error {
	if it.key.kind != dirIndex {
		return nil
	}
	for e, err := range dirEntries(it) {
		if err != nil {
			return err
		}
		if err := r.putEntry(it.key.object, it.key.offset, e); err != nil {
			return err
		}
	}
	return nil
}

func (r *replay) stageRest(it item) error {
	switch it.key.kind {
	case sumItem:
		return r.putSums(it)
	case xattrItem:
		return r.set(it.key, bytes.Clone(it.data))
	case inodeRef, inodeExtra:
		return r.putNames(it)
	case extentData:
		return r.putExtent(it)
	}
	return nil
}

func (r *replay) set(k key, data []byte) error { return r.sub.changes.set(k, data) }

// touch has an inode counted anew in the end.
func (r *replay) touch(ino uint64) {
	if !r.touched[ino] {
		r.touched[ino] = true
		r.recount = append(r.recount, ino)
	}
}

// inode returns an inode of the subvolume, nil if there is none.
func (r *replay) inode(ino uint64) ([]byte, error) {
	it, ok, err := r.v.get(r.sub, key{ino, inodeItem, 0})
	if err != nil || !ok || len(it.data) < inodeSize {
		return nil, err
	}
	return it.data, nil
}

// putInode takes an inode from the log, but for what the replay of its entries
// or extents makes: a directory's size, the bytes that are used. One of
// generation 0 was logged only to say that it exists, and that its size is one
// that is not 0.
func (r *replay) putInode(it item, mode fs.FileMode) error {
	old, err := r.inode(it.key.object)
	if err != nil {
		return err
	}
	inode := bytes.Clone(it.data)
	le.PutUint64(inode[24:], 0) // a directory's is not counted, and not logged
	if old != nil {
		copy(inode[24:32], old[24:])
	}
	if old != nil && le.Uint64(inode) == 0 {
		size := le.Uint64(inode[16:])
		inode = bytes.Clone(old)
		if size != 0 && mode.IsRegular() && fstree.UnixMode(le.Uint32(old[52:])).IsRegular() {
			le.PutUint64(inode[16:], size)
		}
	}
	return r.set(it.key, inode)
}

// deleteXattrs removes the attributes that the log does not have.
func (r *replay) deleteXattrs(ino uint64) error {
	first, last := key{ino, xattrItem, 0}, key{ino, xattrItem, ^uint64(0)}
	for it, err := range r.v.scan(r.sub, first, last) {
		if err != nil {
			return err
		}
		logged, _, err := r.v.get(r.log, it.key)
		if err != nil {
			return err
		}
		kept, err := filterEntries(it, func(e dirEntry) bool { return hasEntry(logged, e.name) })
		if err != nil {
			return err
		}
		if len(kept) < len(it.data) {
			if err := r.set(it.key, kept); err != nil {
				return err
			}
		}
	}
	return nil
}

// filterEntries returns an item's entries that are to stay, nil if none are.
func filterEntries(it item, keep func(dirEntry) bool) (kept []byte, err error) {
	for e, err := range dirEntries(it) {
		if err != nil {
			return nil, err
		}
		if keep(e) {
			kept = append(kept, e.raw...)
		}
	}
	return kept, nil
}

// hasEntry tells whether an item has an entry of a name. One that is damaged
// has none.
func hasEntry(it item, name string) bool {
	for e, err := range dirEntries(it) {
		if err == nil && e.name == name {
			return true
		}
	}
	return false
}
