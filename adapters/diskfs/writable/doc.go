// Package writable writes into FAT filesystems through go-diskfs as far as that
// writes correctly: what it gets wrong is mended where that can be done from
// outside, and refused with an error that says so where it can't.
//
//	your program
//	     │ names, sizes and room are checked; files are gathered in memory
//	     v
//	writable.FS ──── go-diskfs fat12, fat16, fat32, ext4 ──> the disk
//	     │                                                      ^
//	     └── after each change: mend the FAT, read it anew ─────┘
//
// Use:
//
//	w, err := writable.New(fsys) // of disk.GetFilesystem or disk.CreateFilesystem
//	f, err := w.OpenFile("EFI/BOOT/grub.cfg", os.O_CREATE|os.O_RDWR)
//	_, err = f.Write(config)
//	err = f.Close() // written now
//
// # What go-diskfs v1.9.4 gets wrong, and what becomes of it
//
//   - Clusters are allocated as long as the table has entries, past the end
//     of the volume too, into the next partition. Room is counted first.
//
//   - CreateFilesystem makes a FAT32 whose table is too short for its clusters
//     at some sizes, 64 MiB among them. Such a volume is refused by New.
//
//   - The count of free clusters in a FAT32's FSInfo sector goes stale. It is
//     set to "unknown", which the specification has for this.
//
//   - A directory in the root of a FAT32 gets a wrong "..". It is set right.
//
//   - A full root directory of FAT12 or FAT16 leaks a cluster. Room is counted
//     first.
//
//   - Removing leaks the clusters, renaming onto a file too, an empty file has a
//     cluster that it must not have, and removing an empty file panics: refused.
//
//   - Names with characters outside Unicode's basic plane are stored wrong,
//     so are others at some lengths, as bytes are counted for characters; names
//     that begin with a dot get an invalid short name, and characters that FAT
//     forbids are not rejected: refused.
//
//   - Open flags O_EXCL and O_WRONLY are not understood, and a file opened for
//     reading can be written: handled here.
//
//   - Files are read by this module's reader, not by go-diskfs.
//
//   - Writing in several pieces after others, in the middle or at the end is
//     given to it as one piece.
//
// ext4 is refused as a whole: a file that is extended panics, O_TRUNC does
// nothing, removing leaves the inode and its blocks behind, and a block or an
// inode taken from a group that mke2fs left uninitialised (BLOCK_UNINIT, which is
// most of them) makes a volume that e2fsck rejects. There is nothing to write
// into in ISO 9660 and squashfs.
//
// What is left is proved by fsck.fat after random changes, and by mtools reading
// what was written.
//
// # Concurrency and limits
//
// An FS may be used by several goroutines; its changes are made one by one. A
// file is written when it is closed, and is of at most 256 MiB. Nothing else
// may write to the volume meanwhile. After a panic or an error of go-diskfs in
// a change the FS refuses further changes.
package writable
