// Package filesystem opens the filesystem that a volume holds, whichever of the
// readers below it serves it.
//
//	r, size ── probe ── "ext4", "xfs", "vfat", ... ── its reader ── *fstree.FS
//
// Use:
//
//	fsys, err := filesystem.Open(r, size)
//	if err != nil {
//		return err
//	}
//	b, err := fs.ReadFile(fsys, "etc/os-release")
//
// [Open] looks at the volume's signatures as blkid does. A caller that has
// done so already, as package imagefs has, uses [OpenType]. The result is an
// [fs.FS] that is safe for concurrent use and never writes; package fstree
// documents it. Volumes are not trusted: see there for what damage does.
package filesystem
