// Package ufs reads the filesystems of the BSDs: UFS1 and UFS2 (FFS) of FreeBSD,
// NetBSD and OpenBSD in both byte orders, and UFS1 as Solaris and SunOS write it.
//
//	superblock at 64 KiB (UFS2) or 8 KiB (UFS1), a copy in each cylinder group
//	cylinder group: copy of the superblock | its bitmaps | inodes | data
//	inode: owner, times, 12 blocks, and blocks of addresses of one to three levels
//	block: 1 to 8 fragments; addresses count fragments, and a small file's last
//	    block has only as many as it needs
//	directory: records of an inode, a type and a name, none across 512 bytes
//
// Use:
//
//	fsys, err := ufs.Open(r, size)
//	if err != nil {
//		return err
//	}
//	b, err := fs.ReadFile(fsys, "etc/rc.conf")
//
// # What is shown
//
// What Linux shows of a read-only mount: inode numbers, modes, owners, links, sizes,
// targets of symbolic links, times, bytes and holes. Linux leaves out the nanoseconds
// of UFS1 and the extended attributes and times of birth of UFS2, which are here:
// attributes by their namespace, as in "user.comment" and "system.posix1e.acl_access".
// Numbers of devices that do not fit in two bytes are decoded as NetBSD encodes them.
//
// A copy of the superblock is used where the first is damaged, and a note says so. Notes
// name what else a reader should know: a volume that was not unmounted cleanly, whose
// journal (of soft updates, of gjournal, of NetBSD, or of Solaris) is not replayed, and
// snapshots. A snapshot's contents are refused: they are blocks of the volume as it was.
// Extended attributes of UFS1 are files below ".attribute", shown as such.
//
// # Concurrency and damage
//
// An FS and its files are safe for concurrent use. Nothing is written. Every loop is
// bounded by what the volume can hold; a damaged inode costs its file, a damaged record
// the rest of its 512 bytes of a directory.
//
// # How it is tested
//
// Against the tree that Linux 6.1 shows of volumes that makefs made, UFS1 and UFS2, both
// byte orders and several sizes of blocks. The driver of Linux shows no attributes, no
// times of birth and no nanoseconds of UFS1, and makefs writes no snapshots, journals, or
// volumes of Solaris: those are put in by hand from the definitions in FreeBSD's
// sys/ufs (fs.h, dinode.h, dir.h, extattr.h), which shows no more than that the reader
// follows them. Check hashes of FreeBSD 13 are not verified.
package ufs
