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
// # The log
//
// Changes of metadata go to a log first. Where the filesystem was not
// unmounted, which is so for every disk copied from a running machine, the log
// is replayed when it is opened: into sectors held in memory, never into the
// image. [fstree.Info] then says Dirty, and its Notes what was done. What the
// log leaves out is what the kernel leaves out: records that were not written
// whole. A log that is damaged elsewhere, which the kernel does not mount, is
// replayed up to the damage, and a note says so.
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
// An FS and its files are safe for concurrent use. It holds 16 MiB of metadata
// at most, and up to 128 MiB more of a replayed log; an open file holds a copy
// of its inode's data fork. No number in the image decides how much is
// allocated or how long a loop runs; what is damaged gives a
// [fstree.DamageError] that names the structure and its block, and leaves the
// rest readable.
//
// Refused by name: versions before 4, directories of version 1, the metadata
// directory tree and zoned devices. Files on a realtime device are listed but
// not opened. A log on a device of its own is not looked at. Operations of
// several steps that the log holds begun but not ended are finished where they
// change what blocks a file has; others (an exchange of extents, attributes
// written by intents) are left as they are, with a note. Free space and quotas are not corrected by the replay
// beyond what the log says of them.
package xfs
