// Package imagefs shows what is on a disk: its partitions and logical volumes,
// the filesystems in them, and the files in those, as one [fs.FS].
//
//	           fs.FS of the whole disk: p1/..., p2/..., vg-root/...
//	                                │
//	[Disk] ── Volumes ── p1: vfat ──┼── fat ──┐
//	                     p2: ext4 ──┼── ext4 ─┤ fstree: io/fs, links, holes
//	                     p3: LVM ───┴── lvm   ┘
//	   │
//	qedfile.Disk: a QED image with its backing chain, a raw file, anything readable
//
// Use:
//
//	disk, err := imagefs.Open("debian.qed", nil)
//	if err != nil {
//		return err
//	}
//	defer disk.Close()
//	release, err := fs.ReadFile(disk.FS(), "p2/etc/os-release")
//
// # Volumes and the tree
//
// [Disk.Volumes] lists everything that can hold a filesystem: partitions as
// p1, p2, ... by the number that the Linux kernel gives them (logical ones
// from 5), logical volumes as vg-lv by their name in /dev/mapper, and "disk"
// where a filesystem fills the disk. Each says what it holds as blkid does,
// whether it can be read here or not.
//
// [Disk.FS] is one tree of the whole disk. Its top directories are the
// volumes. A volume that holds no files ([ErrNoFiles]), as swap does, is not in
// the tree; every other one is. What cannot be read is an error where it would
// have been: of a volume, damaged, encrypted or of an unknown kind, the
// directory is listed, and each use of it gives the reason; of a directory, the
// entries that can be read come with an error. What hides nothing is a note
// ([Disk.Notes]), what may hide whole volumes is one of [Disk.Problems].
// Symbolic links stay inside their volume.
//
// # Several disks
//
// [OpenDisks] opens the disks of one machine as a whole. Volume groups and the
// arrays of Linux software RAID (md-NAME, md0, with partitions as md0p1) are put
// together by their UUIDs, from whichever disks their members are on; an array
// may stand on a group, and a group on an array. What a missing disk leaves
// unreadable is one of the Problems, and an error of the volumes that need it;
// where redundancy makes up for it there is a note.
//
// # Concurrency and safety
//
// A Disk, its volumes and its trees are safe for concurrent use. Nothing here
// writes to an image. Images are not trusted: a damaged table or filesystem is
// an error for what is damaged, the rest stays readable.
package imagefs
