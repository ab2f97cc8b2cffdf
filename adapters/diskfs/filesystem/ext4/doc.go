// Package ext4 reads ext2, ext3 and ext4 filesystems: read-only, made for
// untrusted images, and with the kernel's view of every file.
//
//	superblock  group descriptors   one group                      the next
//	+--------+--------------------+---------------------------+----------
//	| at 1024| 32 or 64 bytes for | bitmaps, inode table,     | bitmaps,
//	|        | each block group   | blocks of files           | ...
//	+--------+--------------------+---------------------------+----------
//	                |                      ^   |
//	                +---- inode table -----+   +- inode: mode, owner, times,
//	                                              map of blocks -> file data
//
// A volume is cut into blocks of 1 to 64 KiB, and these into groups. A group
// descriptor tells where the group's inodes lie; inode 2 is the root
// directory. An inode maps its file's blocks by pointers (ext2, ext3) or by a
// tree of extents (ext4), or holds a small file itself. A directory is a file
// of entries: an inode's number and a name. The format is described in the
// kernel's Documentation/filesystems/ext4; where this package and the
// documentation could differ, it follows fs/ext4 and fs/jbd2, which the
// comments name.
//
//	vol, err := ext4.Open(r, size) // r is an io.ReaderAt over the volume
//	if err != nil {
//		return err
//	}
//	passwd, err := fs.ReadFile(vol, "etc/passwd")
//
// # What it reads
//
// Revisions 0 and 1 and every feature of Linux 6.18 that is not refused
// below, alone and together: block maps, extents, 64bit, meta_bg, flex_bg,
// sparse_super2, gdt_csum, metadata_csum, bigalloc, inline_data, ea_inode,
// large_dir, casefold, encrypt, verity and the rest. Checksums are verified
// on what is read.
//
// A journal that was not written back, as in the image of a machine that was
// running, is replayed in memory, fast commits too; the image stays as it is.
// A damaged journal is replayed up to the damage, as e2fsck -E journal_only does;
// an external journal is left out, as by a mount with noload. [fstree.Info] says
// so in its notes.
//
// The names of an encrypted directory are those that the kernel lists without
// a key; contents are refused with [fstree.ErrEncrypted].
//
// Refused with [fstree.ErrUnsupported] are journal devices and unknown
// incompatible features, by the names that debugfs has for them.
//
// # Concurrency and safety
//
// An [FS] and its files may be used by many goroutines at once. Nothing is
// written. Damage is reported as a [*fstree.DamageError] that names the
// structure and its block, and concerns that structure alone. No number that
// an image claims sizes an allocation or bounds a loop: trees end at their
// legal depth, a directory at the blocks that the volume has.
//
// # Limits
//
// Unlike a mount for writing, orphaned inodes are left alone: a file that was
// being truncated may show blocks past its end in [fstree.Stat.Blocks]. A
// damaged superblock or group descriptor is replaced by its copy in another
// group, with a note; the copy may be as old as the last change of the
// filesystem's features.
// In casefolded directories a lookup folds case by Unicode's simple rule and
// does not normalize.
package ext4
