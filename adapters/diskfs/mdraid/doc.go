// Package mdraid reads the software RAID of Linux (md): it finds the arrays
// whose members are among some devices, and gives their bytes. It reads only,
// and needs neither the kernel's driver nor root.
//
// A member is a disk or a partition. Its superblock, of one of four versions,
// describes the whole array and this device:
//
//	0       4 KiB                                      last 64 KiB   end
//	| 1.1   | 1.2   bitmap, bad blocks | data ...      | 0.90        | 1.0
//
// The data of the members make up the array: one after the other (linear), in
// stripes (raid0), as copies (raid1, raid10) or with parity (raid4, 5 and 6).
//
//	devices := []mdraid.Device{{Name: "p2", Reader: r, Size: size}}
//	arrays, err := mdraid.Scan(devices)
//	for _, a := range arrays {
//		r, err := a.Open() // an *io.SectionReader over its bytes
//	}
//
// Levels linear, 0, 1, 4, 5, 6 and 10 are read in every layout that mdadm
// makes. What a missing device held is computed from the others, and so is
// what cannot be read of one that is there, what its list of bad blocks names,
// and what was not rebuilt yet. A member that has missed changes is left out,
// with a note. Where too many are missing, [Array.Open] fails with
// [ErrMissing].
//
// An array that was in use when it was last seen (its machine crashed, or the
// image was taken while it ran) is read as far as its data are there; parity
// is not used, for it may be older than the data. Write-intent bitmaps are not
// used. A reshape in progress, a write journal, multipath, and levels and
// layouts that are not known are refused with [ErrUnsupported]. The formats of
// firmware, IMSM and DDF, are not of this package.
//
// Arrays are safe for concurrent use, as far as their devices are. Superblocks
// are not trusted: their checksums are verified, what does not fit together is
// refused, and memory depends on the number of devices, 4096 at most.
//
// The tests compare with arrays that the kernel's driver wrote and read. The
// formats are those of include/uapi/linux/raid/md_p.h and of drivers/md/md.c.
package mdraid
