// Package udf reads the filesystem of DVDs, Blu-ray discs, Windows install media and
// some sticks: UDF 1.02 to 2.60 (ECMA-167).
//
//	anchor at block 256, at the last block, or 256 before it
//	    -> volume descriptors (and a copy): logical volume, partitions
//	partition: as it lies | with packets moved (sparable)
//	    | by a table at the disc's end (virtual) | in a file, with a mirror (metadata)
//	file set descriptor -> root directory
//	file entry: owner, times, and where the contents lie, or they themselves
//	directory: a file of identifiers, each a name and the address of an entry
//
// Use:
//
//	fsys, err := udf.Open(r, size)
//	if err != nil {
//		return err
//	}
//	b, err := fs.ReadFile(fsys, "sources/install.wim")
//
// # What is shown
//
// What Linux shows of a read-only mount: inode numbers (the block of the file's
// entry), modes, owners, links, device numbers, targets of symbolic links, times,
// bytes and holes. Besides, the time of birth, and named streams by
// [fstree.Streams]. Different from Linux on purpose: files that are marked as hidden
// are listed, and a name that no path can hold has the escaped form of package
// fstree and not one with a checksum in it.
//
// Blocks are of 512, 1024, 2048 or 4096 bytes. The second descriptor sequence, the
// mirror of a metadata partition and copies of a sparing table are used where the
// first is damaged, and a note says so. Checksums of all descriptors are verified.
//
// Not read: volumes on several discs, extended allocation descriptors (nothing writes
// them), ECMA-167 volumes of another domain than UDF.
//
// # Concurrency and damage
//
// An FS and its files are safe for concurrent use. Nothing is written. Every loop is
// bounded by what the volume can hold; a damaged file entry costs its file, a
// damaged identifier the rest of its directory.
//
// # How it is tested
//
// Against the tree that Linux 6.1 shows: volumes that mkudffs made and Linux filled,
// with blocks of all sizes, sparing tables, strategy 4096 and all allocation
// descriptors, and a bridge disc of genisoimage. No tool at hand writes virtual and
// metadata partitions with files in them, or named streams: those are made by hand
// from the specification, which shows that the reader follows it as its author
// understands it, and no more.
package udf
