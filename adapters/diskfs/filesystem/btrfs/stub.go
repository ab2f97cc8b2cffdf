package btrfs

import (
	"io/fs"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// A stub is the empty directory in a snapshot where the original has another
// subvolume. Each is a directory of its own, although the kernel gives all of
// them inode number 2, and nothing is stored for it.

// stubIno is the number of each (BTRFS_EMPTY_SUBVOL_DIR_OBJECTID).
const stubIno = 2

// stubs is the bit of an [fstree.ID]'s tree that marks a stub. The next 31 bits
// are the snapshot that it is in, the last 32 the subvolume that it stands for;
// the inode is that of the directory that holds it.
const stubs = 1 << 63

func isStub(id fstree.ID) bool { return id.Tree&stubs != 0 }

func newStub(dir fstree.ID, subvolume uint64) (fstree.ID, error) {
	if dir.Tree >= 1<<31 || subvolume >= 1<<32 {
		return fstree.ID{}, unsupported("subvolume %d in a snapshot with number %d", subvolume, dir.Tree)
	}
	return fstree.ID{Tree: stubs | dir.Tree<<32 | subvolume, Ino: dir.Ino}, nil
}

// statStub describes a stub as the kernel does (new_simple_dir in
// fs/btrfs/inode.c), but for the times: there, all but the time of access are
// those of the moment. Here all are the directory's.
func (v *volume) statStub(id fstree.ID) (fstree.Stat, error) {
	dir, err := v.Stat(fstree.ID{Tree: id.Tree &^ stubs >> 32, Ino: id.Ino})
	if err != nil {
		return fstree.Stat{}, err
	}
	return fstree.Stat{
		Ino: stubIno, Mode: fs.ModeDir | 0o755, Nlink: 1,
		Mtime: dir.Mtime, Atime: dir.Atime, Ctime: dir.Ctime, Btime: dir.Btime,
	}, nil
}
