// Package iso9660 reads ISO 9660 filesystems as the Linux kernel shows them:
// with the names, modes, owners, links and devices of Rock Ridge where they are
// there, else with the long names of Joliet, else with its plain names in lower
// case.
//
// The volume is in blocks of 2 KiB. Numbers are stored in both byte orders:
//
//	block 0      16          17           ..   terminator
//	+------------+-----------+------------+----+-----+
//	| boot code, | primary   | Joliet's   |    |     |
//	| partitions | descriptor| descriptor |    |     |
//	+------------+-----------+------------+----+-----+
//	                  |            |
//	                  v            v
//	       root directory     root directory, names in UTF-16
//	       record | record | ...  a record: name, first block, length,
//	                              system use area: Rock Ridge's fields,
//	                              continued elsewhere in the volume (CE)
//
// Use:
//
//	fsys, err := iso9660.Open(r, size)
//	if err != nil {
//		return err
//	}
//	b, err := fs.ReadFile(fsys, "boot/grub/grub.cfg")
//
// Files in several extents, deep directories that Rock Ridge has moved, and
// records with gaps in the system use area are followed as the kernel does
// (fs/isofs). Files of the zisofs extension are decompressed. Interleaved files,
// sparse files of Rock Ridge and High Sierra volumes are refused.
//
// # Concurrency and safety
//
// An FS and its files are safe for concurrent use, and nothing is written.
// Damage is a [fstree.DamageError] for the record or directory that it concerns;
// a directory goes on in the next block. Nothing is allocated by a number of the
// image, and every chain of continuations or extents is bounded.
package iso9660
