// Package squashfs reads squashfs filesystems of version 4, as mksquashfs and
// every Linux since 2.6.29 make and mount them, in all their compressions: gzip,
// lzma, lzo, xz, lz4 and zstd.
//
//	+------------+------+-----------+--------+-------------+-----------+-----+--------+
//	| superblock | data | fragments | inodes | directories | fragments'| IDs | xattrs |
//	|            |      |           |        |             | places    |     |        |
//	+------------+------+-----------+--------+-------------+-----------+-----+--------+
//	              \_ blocks of 4 KiB to 1 MiB \_ metadata blocks of 8 KiB, each after
//	                 each compressed by itself   two bytes of length; a place in them is
//	                                             block << 16 | offset
//
// Use:
//
//	fsys, err := squashfs.Open(r, size)
//	if err != nil {
//		return err
//	}
//	b, err := fs.ReadFile(fsys, "etc/os-release")
//
// A file is a list of blocks; its last part may lie in a fragment that it shares
// with others. A block of no length is a hole. Names, modes, owners, times,
// devices, links, and extended attributes are those that the kernel shows
// (fs/squashfs). Versions before 4 are refused.
//
// # Concurrency and safety
//
// An FS and its files are safe for concurrent use, and nothing is written.
// Decompressed blocks are kept within 16 MiB. A block never decompresses to more
// than its kind may have, tables are read as far as they are asked for, and a
// file's list of blocks has at most four million entries. Damage is a
// [fstree.DamageError] for what it concerns.
package squashfs
