// Package erofs reads EROFS filesystems, as Android and container images have them.
//
//	superblock at 1 KiB
//	inodes in slots of 32 bytes, each followed by its attributes and,
//	    if it is small, by the end of its file
//	directories: blocks of entries, sorted by name
//	files: one run of blocks | chunks | compressed clusters, by an index of
//	    2, 4 or 8 bytes for each block of the file, or by a table of extents
//	a file without a name that holds the ends of others (fragments), and one that
//	    holds inodes
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
// and inline files, chunks, and files that are compressed by LZ4, LZMA, deflate and
// Zstandard, or by two of them: legacy and compact indexes, tables of extents,
// clusters of many blocks, the last cluster inline (ztailpacking) or in the file of
// fragments, clusters that files share (dedupe), addresses of 48 bits, compressed
// directories and metadata, long prefixes of attributes. Of a volume on several
// devices, an image that has them one after the other.
//
// Refused by name, the volume or the single file: features and algorithms that are
// not known, and what lies on a device that is not part of the image.
//
// # Concurrency and damage
//
// An FS and its files are safe for concurrent use. Nothing is written. A damaged
// block of a directory costs its own entries, a damaged inode its file. What a
// cluster expands to is bounded as in Linux, to 12 MiB, and takes memory as it is
// decoded; 32 clusters of at most 1 MiB are kept.
//
// # How it is tested
//
// Against the kernel's mount of volumes that mkfs.erofs 1.5 and 1.9 make with each of
// their options; LZMA besides against another encoder. No mkfs.erofs at hand makes
// files of two compressions.
package erofs
