// Package probe says what a volume holds, by the signatures that
// filesystems, swap areas, RAID members, encrypted volumes and volume
// managers leave in fixed places. Type, label and UUID are those of blkid
// (util-linux), so that what is printed can be looked up in an fstab.
//
//	0      sector 0        64 KiB            end of the volume
//	|------|---------------|-----------------|
//	vfat, ntfs, xfs, LUKS  btrfs at 64 KiB   md 0.90 and 1.0
//	ext at 1 KiB, LVM in sectors 0 to 3      second ZFS labels
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
// damaged, or be of a kind that nobody here can read.
//
// Identify is safe for concurrent use. Whatever the volume says it makes at
// most 400 reads of 4 MiB together; most often it is one of the first 68 KiB and
// one or two more for a label.
package probe
