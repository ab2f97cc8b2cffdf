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
// volumes: which extents of which devices, or of other logical volumes, make
// up each logical volume.
//
//	devices := []lvm.Device{{Name: "p2", Reader: r, Size: size}}
//	groups, err := lvm.Scan(devices)
//	for _, v := range groups[0].Volumes {
//		r, err := v.Open() // an *io.SectionReader over its bytes
//	}
//
// Linear, striped (raid0 too) and mirrored volumes are read, a mirror (raid1
// too) from its first leg that is there. A volume whose physical volume is missing is
// named and refused with [ErrMissing]; a thin volume, a snapshot, a cache and
// parity RAID with [ErrUnsupported].
//
// Volumes are safe for concurrent use, as far as their devices are. Metadata
// is not trusted: its size is bounded by the metadata area, its checksums are
// verified, and no segment reaches outside its device.
//
// The layout is that of lib/format_text in LVM2's sources and of
// lvm2-metadata in its documentation.
package lvm
