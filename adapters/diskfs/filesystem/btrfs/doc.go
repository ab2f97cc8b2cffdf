// Package btrfs reads btrfs on one device or several. It is read-only and made for
// untrusted images.
//
// Everything in btrfs is an item in a B-tree, found by a key of an object's
// number, a type and an offset. Addresses are logical; chunks map them to the
// devices:
//
//	superblock (64 KiB) -> chunk tree   logical address -> devices, and how it is spread
//	                    -> root tree    subvolume -> its tree, default subvolume
//	                         -> subvolume tree   inodes, names, xattrs, file extents
//	                         -> checksum tree    of each sector of data
//
//	fsys, err := btrfs.Open(r, size)
//	entries, err := fsys.ReadDir("home")
//	info, err := fsys.Stat("home/user/file")
//	st := info.Sys().(*fstree.Stat)
//
// The tree begins at the default subvolume, as the kernel mounts it; other
// subvolumes and snapshots are directories in it, and a file's identity
// holds its subvolume. A subvolume inside a snapshot is an empty directory, as
// on Linux. Inline, zlib, lzo and zstd extents are read.
//
// # Several devices
//
// [Scan] finds the filesystems of some devices, [OpenDevices] opens one. Chunks
// of all profiles are read, mixed as they may be: single, DUP, RAID0, RAID1,
// RAID1C3, RAID1C4, RAID10, RAID5 and RAID6. Devices are told by their number and
// UUID: one that was replaced or removed is left out, and [fstree.Info] says so.
// Of a filesystem that was made from a seed, the seed is one of the devices.
//
// A device may be missing; [fstree.Info] then names it. What it held is read from
// copies or computed from parity, and the rest fails with [ErrMissing], which
// names it too.
//
// # Checksums
//
// Nodes and data are verified (CRC-32C, xxHash, SHA-256, BLAKE2b), data by sectors.
// A node must also be the one that its parent means, so that a device which has
// missed changes is found out. Where one copy is wrong, the others are tried,
// with RAID6 also what is computed without a second device. Where all are wrong,
// reading ends with a [*fstree.DamageError] at that byte, as it does with EIO on
// Linux. Files that were made without checksums (chattr +C, nodatasum) are read
// as they are. [Options] can ignore the checksums of data.
//
// # A log tree
//
// A log tree, left by a machine that was not shut down, holds the
// files that were synced after the last commit. It is replayed when the volume
// is opened: into items held in memory, never into the image. [fstree.Info]
// then says Dirty. A log that is damaged, which the kernel does not mount, is
// left out, and a note says so.
//
// # Limits
//
// Refused by name: zoned filesystems, those with a raid stripe tree or the second
// version of the extent tree, and features that this package does not know. A
// superblock is read at its first place alone, as the kernel does.
//
// An FS is safe for concurrent use as far as the devices are. It keeps up to
// 16 MiB of metadata, 4 MiB of decompressed data, and up to 64 MiB of a replayed
// log.
//
// The format is that of include/uapi/linux/btrfs_tree.h and fs/btrfs. Every
// profile is compared with what Linux reads: whole, without devices, and with
// damaged ones. The tree of block groups, which mkfs.btrfs makes since 6.11, is not
// needed for reading.
package btrfs
