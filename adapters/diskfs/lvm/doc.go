// Package lvm reads LVM2: it finds the volume groups on a set of physical
// volumes and gives their logical volumes as io.ReaderAt. It reads only, and
// needs neither device-mapper nor root.
//
// A physical volume is a partition or a disk:
//
//	sector 0..3   label "LABELONE", type "LVM2 001"  -> physical volume header
//	4 KiB ..      metadata area: header, then a ring of texts
//	pe_start ..   physical extents, all of one size
//
// The text describes the whole volume group, on every one of its physical
// volumes: for each logical volume, the extents of devices or of other logical
// volumes that it consists of.
//
//	devices := []lvm.Device{{Name: "p2", Reader: r, Size: size}}
//	groups, err := lvm.Scan(devices)
//	for _, v := range groups[0].Volumes {
//		r, err := v.Open() // an *io.SectionReader over its bytes
//	}
//
// # Kinds of volumes
//
// Linear, striped and mirrored volumes are read; raid0, 1, 4, 5, 6 and 10 in
// every layout that lvcreate takes; snapshots; thin volumes, their snapshots and
// origins outside of the pool; cached volumes, with what only the cache has; and
// those with a writecache. What a missing or bad leg held is computed from the
// others; a leg that has missed changes or was not rebuilt is not used, and
// [Volume.Notes] says so. VDO, integrity, a reshape in progress and a snapshot
// that is being merged are refused with [ErrUnsupported], which names them; a
// volume that needs a missing physical volume with [ErrMissing].
//
// Parity that may not fit the data, because the volume was not in step when it
// was last seen, is not used: what it would be needed for is an error.
//
// # Concurrency and safety
//
// Volumes are safe for concurrent use, as far as their devices are. Metadata
// is not trusted: its size is bounded by the metadata area, its checksums are
// verified, those of pools and caches block by block, and no segment reaches
// outside its device. Opening a cached volume or a snapshot reads its list of
// blocks, and keeps some 50 bytes for each.
//
// The layout is that of lib/format_text in LVM2's sources, of lvm2-metadata in
// its documentation, and of drivers/md in Linux. The tests compare with what
// device-mapper read, in a virtual machine, of volumes that LVM made there.
package lvm
