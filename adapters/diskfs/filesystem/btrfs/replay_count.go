package btrfs

import (
	"bytes"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// count ends a replay: directories without a name are emptied, as the kernel
// deletes them, and what the inodes that were touched say of themselves is
// counted anew (fixup_inode_link_counts).
func (r *replay) count() error {
	for i := 0; i < len(r.recount); i++ {
		if err := r.emptyNameless(r.recount[i]); err != nil {
			return err
		}
	}
	for _, ino := range r.recount {
		if err := r.countInode(ino); err != nil {
			return err
		}
	}
	return nil
}

// emptyNameless removes all entries of a directory that has no name. What they
// lead to may have been looked at before, and is looked at again.
func (r *replay) emptyNameless(ino uint64) error {
	inode, err := r.inode(ino)
	if err != nil || inode == nil || !fstree.UnixMode(le.Uint32(inode[52:])).IsDir() {
		return err
	}
	if links, err := r.links(ino); err != nil || links > 0 {
		return err
	}
	for it, err := range r.v.scan(r.sub, key{ino, dirIndex, 0}, key{ino, dirIndex, ^uint64(0)}) {
		if err != nil {
			return err
		}
		for e, err := range dirEntries(it) {
			if err == nil {
				err = r.unlink(ino, it.key.offset, e)
			}
			if err != nil {
				return err
			}
			r.recount = append(r.recount, e.location.object)
		}
	}
	return nil
}

// countInode puts into an inode how many names it has, and how long a
// directory is or how many bytes the extents of any other file take.
func (r *replay) countInode(ino uint64) error {
	old, err := r.inode(ino)
	if err != nil || old == nil {
		return err
	}
	inode := bytes.Clone(old)
	links, err := r.links(ino)
	if err != nil {
		return err
	}
	le.PutUint32(inode[40:], links)
	if fstree.UnixMode(le.Uint32(inode[52:])).IsDir() {
		size, err := r.dirSize(ino)
		if err != nil {
			return err
		}
		le.PutUint64(inode[16:], size)
	} else {
		used, err := r.allocated(ino)
		if err != nil {
			return err
		}
		le.PutUint64(inode[24:], used)
	}
	return r.set(key{ino, inodeItem, 0}, inode)
}

func (r *replay) links(ino uint64) (links uint32, err error) {
	for it, err := range r.v.scan(r.sub, key{ino, inodeRef, 0}, key{ino, inodeExtra, ^uint64(0)}) {
		if err != nil {
			return 0, err
		}
		for _, err := range names(it) {
			if err != nil {
				return 0, err
			}
			links++
		}
	}
	return links, nil
}

// dirSize is a directory's size: the names in each of its two indexes.
func (r *replay) dirSize(dir uint64) (size uint64, err error) {
	for it, err := range r.v.scan(r.sub, key{dir, dirIndex, 0}, key{dir, dirIndex, ^uint64(0)}) {
		if err != nil {
			return 0, err
		}
		for e, err := range dirEntries(it) {
			if err != nil {
				return 0, err
			}
			size += 2 * uint64(len(e.name))
		}
	}
	return size, nil
}
