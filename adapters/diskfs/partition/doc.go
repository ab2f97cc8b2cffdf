// Package partition reads partition tables: GPT, MBR with its logical
// partitions, in sectors of 512 or 4096 bytes, and the disklabels of BSD, Sun
// and SGI. It gives each partition the number that the Linux kernel gives it.
//
//	MBR  sector 0                             GPT  sector 0: protective MBR
//	     446: four entries of 16 bytes             sector 1: header  ----+
//	     one may be an extended partition:         sector 2: entries     |
//	     EBR -> EBR -> EBR                         ...                   | alternate
//	     each one logical partition and a link     last sector: header <-+
//
// Use:
//
//	table, err := partition.Read(disk, size, nil)
//	if errors.Is(err, partition.ErrNoTable) {
//		... // perhaps a filesystem fills the disk
//	}
//	for _, p := range table.Partitions {
//		fmt.Println(p.Number, p.Type, p.Offset, p.Size)
//	}
//
// # What counts as a table
//
// GPT is parsed by go-diskfs, after the numbers that would make it allocate
// have been checked. The primary header wins; if it is damaged, the backup at
// the end of the disk is used, and Table.Notes says so. A GPT is believed
// where the MBR has a protective entry (type EE, also one beside others, as
// in a hybrid MBR) or no entries at all; beside an ordinary MBR it is a
// remainder of earlier days, as it is to the kernel.
//
// MBR is parsed here by the rules of the kernel's block/partitions/msdos.c:
// entries of no length do not exist, logical partitions are numbered from 5
// in the order of the chain, and entries that leave the extended partition
// are passed over. A boot sector of FAT, NTFS or exFAT is not a table,
// although it ends in 55 AA too.
//
// The disklabels follow block/partitions/sun.c, sgi.c and, for BSD inside an
// MBR partition, msdos.c: what such a slice holds comes after the logical
// partitions. A BSD label that has the disk for itself, which Linux does not
// read, numbers its partitions from a = 1. Entries for the whole disk or slice
// are containers, as an extended partition is.
//
// # Limits
//
// A chain of EBRs ends where it comes back to a sector, after 100 links in a
// row without a partition, and at partition 256, like the kernel's. GPT entry
// arrays have at most 4096 entries of 128 bytes. Partitions that begin past
// the end of the disk are left out, with a note; those that end past it
// (the image was cut) keep the part that is there. A part of a table that can't
// be read hides what it describes, with a note. Reading takes at most a few
// hundred small reads. Everything is safe for concurrent use.
package partition
