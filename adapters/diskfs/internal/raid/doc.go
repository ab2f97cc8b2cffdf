// Package raid is the arithmetic of arrays that Linux's md driver and, through
// dm-raid, LVM share: where a byte of the array lies, and how it is computed
// from the other devices where its own is not there.
//
//	array  | 0 | 1 | 2 | 3 | 4 | 5 | ...   chunks
//	         ╲   ╲   ╲
//	device  0: 0  3  P     raid5, left-symmetric: the parity goes to the left,
//	device  1: 1  P  4     the data begin after it
//	device  2: P  2  5
//
//	a, err := raid.New(geometry, devices) // nil for what is missing
//	n, err := a.ReadAt(p, off)
//
// A read that fails on one device is answered from the others, in pieces as
// small as a sector, so that devices may each have bad sectors of their own.
// An Array is safe for concurrent use as far as its devices are. A geometry is
// not trusted: New refuses what does not fit together, and memory depends on
// the number of devices alone.
//
// Layouts and their numbers are those of drivers/md/raid0.c, raid10.c and
// raid5.c in Linux; the field of 256 elements is that of lib/raid6 (H. Peter
// Anvin, The mathematics of RAID-6).
package raid
