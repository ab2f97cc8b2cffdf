// Package xfs reads XFS filesystems as the Linux kernel shows them: names,
// types, modes, owners, times, extended attributes and every byte of the
// files, of versions 4 and 5, without mounting and without writing.
//
// # Format
//
// The volume is cut into allocation groups of equal size. Numbers are
// big-endian. An inode's number, and a block's, is the group's number followed
// by the place within the group:
//
//	group 0                              group 1
//	+----+-----+-----+------+---------+  +----+-----+ ...
//	| SB | AGF | AGI | AGFL | blocks  |  | SB | AGF |
//	+----+-----+-----+------+---------+  +----+-----+
//	                            |
//	   inode: core | data fork | attribute fork
//	                   local:   the contents themselves (small directories, links)
//	                   extents: runs of blocks
//	                   B+tree:  its root, the leaves hold runs of blocks
//
// A directory is a file of entries, with an index of name hashes from byte
// 32 GiB of it on. Version 5 has a checksum and its own address in every
// block of metadata; both are verified wherever a block is used.
//
// # Use
//
//	fsys, err := xfs.Open(partition, size)
//	if err != nil {
//		return err
//	}
//	data, err := fs.ReadFile(fsys, "etc/fstab")
//
// # Concurrency, safety, limits
//
// An FS and its files are safe for concurrent use. No number in the image
// decides how much is allocated or how long a loop runs; what is damaged gives
// a [fstree.DamageError] that names the structure and its block, and leaves
// the rest readable.
//
// Refused by name: versions before 4, directories of version 1, the metadata
// directory tree and zoned devices. Files on a realtime device are listed but
// not opened.
package xfs
