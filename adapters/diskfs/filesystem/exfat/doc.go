// Package exfat reads exFAT filesystems as Linux mounts them.
//
//	┌──────────────┬──────────────┬─────┬───────────────────────────────┐
//	│ boot region  │ its backup   │ FAT │ cluster 2, 3, 4, ...          │
//	└──────────────┴──────────────┴─────┴───────────────────────────────┘
//	 12 sectors, the last a checksum     allocation bitmap, upper-case
//	                                     table, root directory, files
//
// A directory is entries of 32 bytes in sets. A file's set is a file entry
// (attributes, times), a stream extension (size, first cluster, and how much
// of the size was ever written) and its name in UTF-16, fifteen units to an
// entry; a checksum covers the set. A file that lies in one piece says so and
// has no chain in the FAT.
//
//	fsys, err := exfat.Open(r, size)
//	if err != nil {
//		return err // wraps fstree.ErrNotThis if there is no exFAT
//	}
//	b, err := fs.ReadFile(fsys, "DCIM/100CANON/IMG_0001.JPG")
//
// # What files look like
//
// As in Linux with a umask of 022: everything belongs to root, directories
// and files have mode 0755, read-only files 0555. Times are stored with their
// distance from UTC, and taken as UTC where that is missing. The inode number
// of a file is the position of its entry, in units of 32 bytes from the start of the
// volume, and 1 for the root. A name is looked up as it is listed, else
// through the volume's upper-case table. Half a surrogate pair in a name is
// kept, in the escaped form of [fstree.EscapeName]. What lies between the
// valid data and the end of a file reads as zeroes and is a hole.
//
// # Damage
//
// The checksum of the boot region decides whether the volume is opened at
// all. A set whose checksum is wrong, or that is not whole, is an error in the
// listing of its directory, and the rest is listed; with a wrong checksum
// alone the file is listed too, as Linux lists it. A chain that loops, leaves the
// volume or ends early is an error where it does so, and what precedes it is
// readable. Directories are at most 256 MiB long, as the specification has it.
//
// An [FS] is safe for concurrent use and never writes.
package exfat
