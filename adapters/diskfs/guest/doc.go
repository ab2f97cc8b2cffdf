// Package guest finds the operating systems on a disk, shows the files of each
// as it sees them itself, and says what it is.
//
//	p1: vfat ─────────────┐ /boot/efi
//	p2: ext4 ──────┐ /boot│
//	p3: ext4, /etc/fstab ─┴──── [Root]: one fs.FS, "etc/fstab", "boot/efi/EFI", ...
//	p4: btrfs, subvol=home ─┘ /home
//	                  [System] ── Root, Mounts, Inspect
//	                      │
//	                    [Find] ── imagefs.Disk
//
// Use:
//
//	systems, err := guest.Find(disk)
//	if err != nil {
//		return err
//	}
//	for _, s := range systems {
//		release, err := fs.ReadFile(s.Root(), "etc/os-release")
//		...
//	}
//
// # Systems
//
// A system is a filesystem with /etc in it and one of the files that tell
// systems apart, such as /etc/os-release or /etc/fstab, or one with
// Windows\System32. In a btrfs the default subvolume is looked at, and then
// those in the top-level one; a snapshot of a system is not another system.
//
// # Mounts
//
// The root shows what /etc/fstab mounts at boot, each mount after those that
// it lies on: volumes by UUID=, LABEL=, PARTUUID=, PARTLABEL=, their links in
// /dev/disk, /dev/sda2 and the like, /dev/vg/lv, /dev/mapper/vg-lv and the names
// of encrypted ones in /etc/crypttab; of btrfs the default subvolume or that of
// subvol= and subvolid=; bound directories and files. Partitions of a second disk
// are not those of this one.
//
// What should be there and is not (a device of another disk, a damaged
// filesystem, an overlay) is the error of its mount point, or of the directory
// in which that is missing. [System.Mounts] lists all lines with what became
// of them. Mounts that hide nothing of the disk only have a note: those of the
// kernel, of other machines, not made at boot, or missing with "nofail".
// Mount units of systemd are not looked at, and the root of a Windows is its
// system volume: which other volumes have drive letters is in [Info].
//
// # Concurrency and safety
//
// Everything is safe for concurrent use, and nothing is executed or written.
// Guests are not trusted: links and ".." never lead out of a guest, at most
// 256 filesystems are mounted, and each file that is parsed is read up to a
// limit; one that has more is an error.
package guest
