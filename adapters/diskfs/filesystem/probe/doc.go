// Package probe says what a volume holds, by the signatures that
// filesystems, swap areas, RAID members, encrypted volumes and volume
// managers leave in fixed places. Type, label and UUID are those of blkid
// (util-linux), so that what is printed can be looked up in an fstab.
//
//	0      sector 0        64 KiB            end of the volume
//	|------|---------------|-----------------|
//	vfat, ntfs, xfs, LUKS  btrfs at 64 KiB   md 0.90 and 1.0, DDF
//	ext at 1 KiB, LVM in sectors 0 to 3      firmware RAID, DRBD, ZFS labels
//
// Use:
//
//	sig, err := probe.Identify(r, size)
//	if err != nil {
//		return err // r could not be read
//	}
//	fmt.Println(sig.Type, sig.Label, sig.UUID) // "" where nothing is known
//
// A signature is a name, not a promise: a volume that is recognised may be
// damaged, or be of a kind that nobody here can read. Labels and identifiers
// are bytes of the volume; whoever prints them escapes them.
//
// # Where it differs from blkid
//
// Where blkid finds two filesystems it calls the volume ambivalent and names
// none. Here a magic of four bytes and more wins over one of two, which may
// stand there by chance, and then the order of blkid decides. A UDF bridge disc
// is iso9660, the side that is read. Of two superblocks of nilfs2 the later one
// counts, as for the kernel.
//
// Identify is safe for concurrent use. Whatever the volume says it makes at
// most 400 reads of 4 MiB together; most often it is one of the first 68 KiB,
// one of the last 132 KiB and one or two more for a label.
package probe
