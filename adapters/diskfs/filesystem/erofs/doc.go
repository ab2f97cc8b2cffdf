// Package erofs shows EROFS filesystems, as Android and container images have
// them, through github.com/erofs/go-erofs v0.3.1.
//
//	superblock at 1 KiB
//	inodes in slots of 32 bytes, each followed by its attributes and,
//	    if it is small, by the end of its file
//	directories: blocks of entries, sorted by name
//	files: one run of blocks, or chunks
//
// Use:
//
//	fsys, err := erofs.Open(r, size)
//	if err != nil {
//		return err
//	}
//	b, err := fs.ReadFile(fsys, "system/build.prop")
//
// # What go-erofs does not do, and what becomes of it
//
//   - Compressed volumes (lz4, lzma, deflate, zstd), chunks with 48-bit
//     addresses and volumes on several devices are refused by name.
//   - It follows links by itself and finds files by paths. Here a table maps
//     identities to paths that it is asked for without a link in them.
//   - Its open files can be read by one goroutine, from front to back. Here
//     contents are read straight from the volume where they are stored as they
//     are, and else through a file that is opened again to go back.
//   - It names access control lists with a dot too many. It is taken off.
//   - It reads a directory whole or not at all: one damaged block costs all of
//     its entries. A damaged inode costs one.
//   - A panic becomes an error that names it. What one call may read is
//     bounded, so that directories that lead in circles end.
//
// # Concurrency
//
// An FS and its files are safe for concurrent use; go-erofs is entered by one
// goroutine at a time. Nothing is written. The table remembers every file that was
// listed, at most a million.
package erofs
