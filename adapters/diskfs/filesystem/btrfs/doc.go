// Package btrfs reads btrfs on a single device. It is read-only and made for
// untrusted images.
//
// Everything in btrfs is an item in a B-tree, found by a key of an object's
// number, a type and an offset. Addresses are logical; chunks map them to the
// device:
//
//	superblock (64 KiB) -> chunk tree   logical address -> device
//	                    -> root tree    subvolume -> its tree, default subvolume
//	                         -> subvolume tree   inodes, names, xattrs, file extents
//
//	fsys, err := btrfs.Open(r, size)
//	entries, err := fsys.ReadDir("home")
//	info, err := fsys.Stat("home/user/file")
//	st := info.Sys().(*fstree.Stat)
//
// The tree begins at the default subvolume, as the kernel mounts it; other
// subvolumes and snapshots are directories in it, and a file's identity
// holds its subvolume. A subvolume inside a snapshot is an empty directory, as
// on Linux. Inline, zlib, lzo and zstd extents are read; checksums of metadata
// (CRC-32C, xxHash, SHA-256, BLAKE2b) are verified and a second copy (DUP) is
// used where the first is damaged. Checksums of file data are not verified.
//
// A log tree, left by a machine that was not shut down, holds the
// files that were synced after the last commit. It is replayed when the volume
// is opened: into items held in memory, never into the image. [fstree.Info]
// then says Dirty. A log that is damaged, which the kernel does not mount, is
// left out, and a note says so.
//
// Refused by name: filesystems on several devices, zoned ones, and features
// that this package does not know.
//
// An FS is safe for concurrent use. It keeps up to 16 MiB of metadata, 4 MiB of
// decompressed data, and up to 64 MiB of a replayed log.
//
// The format is that of include/uapi/linux/btrfs_tree.h and fs/btrfs.
package btrfs
