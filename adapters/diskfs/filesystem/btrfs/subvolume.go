package btrfs

import "github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"

// TopLevel is the subvolume that every other one lies in, number 5: what is
// mounted with subvolid=5, and where the paths of subvol= begin.
const TopLevel = fsTree

// SubvolumeRoot is the root directory of a subvolume, for [fstree.FS.Rooted].
func SubvolumeRoot(subvolume uint64) fstree.ID {
	return fstree.ID{Tree: subvolume, Ino: firstFree}
}
