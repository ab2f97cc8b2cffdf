package backend

import (
	"os"

	"golang.org/x/sys/unix"
)

// Filesystems whose pages come from another machine or another program, by
// the f_type that statfs(2) gives; those that x/sys does not name are in their
// kernel sources.
const (
	magicCeph   = 0x00c36400 // fs/ceph/super.h
	magicLustre = 0x0bd00bd0
	magicGFS2   = 0x01161970 // include/uapi/linux/gfs2_ondisk.h
	magicVBox   = 0x786f4256 // fs/vboxsf
)

// isRemote is true where it cannot be told.
func isRemote(f *os.File) bool {
	var st unix.Statfs_t
	if err := control(f, func(fd uintptr) error { return unix.Fstatfs(int(fd), &st) }); err != nil {
		return true
	}
	switch uint32(st.Type) { // of differing width and sign over the architectures
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC,
		unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC, unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC,
		unix.CODA_SUPER_MAGIC, unix.NCP_SUPER_MAGIC, unix.OCFS2_SUPER_MAGIC,
		magicCeph, magicLustre, magicGFS2, magicVBox:
		return true
	}
	return false
}
