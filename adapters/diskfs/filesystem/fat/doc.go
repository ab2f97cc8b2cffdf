// Package fat reads FAT12, FAT16 and FAT32 filesystems, with the long names of
// Windows, as Linux mounts them as vfat.
//
//	┌──────┬───────┬───────┬────────────────┬───────────────────────────┐
//	│ boot │ FAT 1 │ FAT 2 │ root directory │ cluster 2, 3, 4, ...      │
//	└──────┴───────┴───────┴────────────────┴───────────────────────────┘
//	 sizes  next cluster    FAT12 and 16; in FAT32 it is a chain
//	        of each         of clusters as every directory is
//
// A directory is slots of 32 bytes. A file has one with its name of eight and
// three characters, its size, times and first cluster, and before it slots
// with its long name, in UTF-16, last part first. The FAT chains the file's
// clusters. The number of clusters tells FAT12 from FAT16; FAT32 is told by
// the length of its table.
//
//	fsys, err := fat.Open(r, size)
//	if err != nil {
//		return err // wraps fstree.ErrNotThis if there is no FAT
//	}
//	b, err := fs.ReadFile(fsys, "EFI/BOOT/BOOTX64.EFI")
//
// # What files look like
//
// As in Linux with the options tz=UTC, utf8, codepage=437 and a umask of 022:
// everything belongs to root; directories and files have mode 0755, read-only
// files 0555. FAT stores local time of a zone that it does not store; here it
// is UTC. A short name is decoded by code page 437, and in lower case where
// Windows NT noted so. The inode number of a file is the position of its slot,
// in units of 32 bytes from the start of the volume, and 1 for the root: it
// is the same whenever the volume is read.
//
// A name is looked up as it is listed, else in any case and by the short name
// that a long one has. Two things differ from Linux: half a surrogate pair in
// a name is kept, in the escaped form of [fstree.EscapeName], where Linux
// drops it; and if mirroring is turned off, the FAT that is marked active is
// read, not the first.
//
// # Damage
//
// Long names whose checksum or numbers do not fit mean nothing, as in Linux.
// A chain that loops, leaves the volume or ends early is an error where it
// does so, with what precedes it readable; a directory is at most 65,536
// slots. Two files that share clusters both read them.
//
// An [FS] is safe for concurrent use and never writes. An open file holds its
// list of extents, found when it is opened.
package fat
