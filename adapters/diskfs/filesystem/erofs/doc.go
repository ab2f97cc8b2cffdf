// Package erofs reads EROFS filesystems, as Android and container images have them.
//
//	superblock at 1 KiB
//	inodes in slots of 32 bytes, each followed by its attributes and,
//	    if it is small, by the end of its file
//	directories: blocks of entries, sorted by name
//	files: one run of blocks | chunks | compressed clusters, by an index of
//	    2, 4 or 8 bytes for each block of the file
//
// Use:
//
//	fsys, err := erofs.Open(r, size)
//	if err != nil {
//		return err
//	}
//	b, err := fs.ReadFile(fsys, "system/build.prop")
//
// # What is read
//
// What Linux shows: names, modes, owners, times, attributes, bytes and holes. Plain
// and inline files, chunks, and files that are compressed by LZ4 and LZ4HC: legacy
// and compact indexes, clusters of many blocks, the last cluster inline
// (ztailpacking).
//
// Refused by name, the volume or the single file: LZMA, deflate and Zstandard, a second
// compression, fragments and deduplicated compression, several devices, 48-bit
// addresses, compressed metadata, long prefixes of attributes.
//
// # Concurrency and damage
//
// An FS and its files are safe for concurrent use. Nothing is written. A damaged
// block of a directory costs its own entries, a damaged inode its file. What a
// cluster expands to is bounded as in Linux, to 12 MiB; 32 clusters of at most
// 1 MiB are kept.
//
// # How it is tested
//
// Against the kernel's mount of volumes that mkfs.erofs 1.5 makes with each of its
// options; it has no other compression than LZ4, and blocks of 4 KiB alone.
package erofs
