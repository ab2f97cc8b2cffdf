//go:build (linux && !386 && !arm && !mips && !mipsle) || darwin

package mounted

import (
	"context"
	"errors"
	iofs "io/fs"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/guest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

// node is a file of the mount, under the first of its names that was asked
// for.
type node struct {
	fs.Inode
	mount *mount
	path  string // in the tree
	stat  *fstree.Stat
	file  atomic.Pointer[fstree.File] // open, or nil
}

var (
	_ fs.NodeLookuper       = (*node)(nil)
	_ fs.NodeOpendirHandler = (*node)(nil)
	_ fs.NodeGetattrer      = (*node)(nil)
	_ fs.NodeReadlinker     = (*node)(nil)
	_ fs.NodeStatfser       = (*node)(nil)
	_ fs.NodeGetxattrer     = (*node)(nil)
	_ fs.NodeListxattrer    = (*node)(nil)
)

// errno is an error as the kernel takes it. What has no number of its own is
// told in words besides.
func (n *node) errno(err error) syscall.Errno {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, guest.ErrNoDevice), errors.Is(err, guest.ErrNoMountPoint):
		n.mount.Problem(n.path, err)
		return syscall.EIO // something should be there
	case errors.Is(err, iofs.ErrNotExist):
		return syscall.ENOENT
	case errors.Is(err, fstree.ErrNotDir):
		return syscall.ENOTDIR
	case errors.Is(err, fstree.ErrTooManyLinks):
		return syscall.ELOOP
	}
	n.mount.Problem(n.path, err)
	if errors.Is(err, fstree.ErrUnsupported) || errors.Is(err, fstree.ErrEncrypted) {
		return syscall.EOPNOTSUPP
	}
	return syscall.EIO
}

// child is the path of an entry.
func (n *node) child(name string) string {
	if n.path == "." {
		return name
	}
	return n.path + "/" + name
}

// shownName is a name as the mount has it: the stored bytes, unless they are
// none that a name can have.
func shownName(name string) string {
	stored := fstree.UnescapeName(name)
	if stored == "." || stored == ".." || strings.ContainsAny(stored, "/\x00") {
		return name
	}
	return stored
}

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	path := n.child(fstree.EscapeName(name))
	info, err := n.mount.Tree.Lstat(path)
	if errors.Is(err, iofs.ErrNotExist) && !errors.Is(err, guest.ErrNoDevice) && path != n.child(name) {
		path = n.child(name) // as shownName leaves some
		info, err = n.mount.Tree.Lstat(path)
	}
	if err != nil {
		return nil, n.lookupErrno(path, err)
	}
	return n.inode(ctx, path, info.Sys().(*fstree.Stat), out), 0
}

// inode is the file at a path of the tree, in the mount.
func (n *node) inode(ctx context.Context, path string, st *fstree.Stat, out *fuse.EntryOut) *fs.Inode {
	c := &node{mount: n.mount, path: path, stat: st}
	c.fill(&out.Attr)
	return n.NewInode(ctx, c, fs.StableAttr{Mode: fstree.UnixBits(st.Mode.Type()), Ino: out.Ino})
}

// lookupErrno is errno for a name that could not be looked up. Where something
// is there, whatever is wrong with it, it does not become ENOENT; a volume
// without a filesystem is nothing that the tree has.
func (n *node) lookupErrno(path string, err error) syscall.Errno {
	if errors.Is(err, imagefs.ErrNoFilesystem) {
		return syscall.ENOENT
	}
	errno := (&node{mount: n.mount, path: path}).errno(err)
	if errno == syscall.EOPNOTSUPP {
		return syscall.EIO
	}
	return errno
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.fill(&out.Attr)
	return 0
}

// fill says what the inode says.
func (n *node) fill(out *fuse.Attr) {
	st := n.stat
	out.Ino = n.mount.numbers.of(n.path, st)
	out.Mode = fstree.UnixBits(st.Mode)
	out.Nlink = uint32(min(st.Nlink, 1<<32-1))
	out.Owner = fuse.Owner{Uid: st.UID, Gid: st.GID}
	out.Size = uint64(max(st.Size, 0))
	out.Blocks = uint64(max(st.Blocks, 0))
	out.Blksize = 4096 // where it is 0, go-fuse makes up the blocks
	out.Rdev = rdev(st.Major, st.Minor)
	setTimes(out, st)
}

// setTimes sets the times; the time of change stands for those that the
// filesystem does not keep.
func setTimes(out *fuse.Attr, st *fstree.Stat) {
	mtime, atime, ctime := st.Mtime, st.Atime, st.Ctime
	if mtime.IsZero() {
		mtime = time.Unix(0, 0)
	}
	if atime.IsZero() {
		atime = mtime
	}
	if ctime.IsZero() {
		ctime = mtime
	}
	out.Mtime, out.Mtimensec = uint64(mtime.Unix()), uint32(mtime.Nanosecond())
	out.Atime, out.Atimensec = uint64(atime.Unix()), uint32(atime.Nanosecond())
	out.Ctime, out.Ctimensec = uint64(ctime.Unix()), uint32(ctime.Nanosecond())
}

// rdev is a device number as the kernel encodes it for FUSE
// (include/linux/kdev_t.h, new_encode_dev).
func rdev(major, minor uint32) uint32 { return minor&0xff | major<<8 | minor&^0xff<<12 }

func (n *node) Readlink(context.Context) ([]byte, syscall.Errno) {
	target, err := n.mount.Tree.ReadLink(n.path)
	return []byte(target), n.errno(err)
}

func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	fsys, _, err := n.mount.Tree.Locate(n.path)
	if err != nil || fsys == nil {
		return n.errno(err) // the root over the volumes has no size
	}
	info := fsys.Info()
	block := max(info.BlockSize, 512)
	out.Bsize, out.Frsize = uint32(min(block, 1<<20)), uint32(min(block, 1<<20))
	out.Blocks = uint64(max(info.Size, 0)) / uint64(out.Bsize)
	out.Bfree = uint64(max(info.Free, 0)) / uint64(out.Bsize)
	out.Bavail = out.Bfree
	out.Files, out.Ffree = info.Files, info.FreeFiles
	out.NameLen = 255
	return 0
}

func (n *node) Getxattr(_ context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	xattrs, err := n.stat.Xattrs()
	if err != nil {
		return 0, n.errno(err)
	}
	value, ok := xattrs[name]
	if !ok {
		return 0, fs.ENOATTR
	}
	return give(dest, value)
}

func (n *node) Listxattr(_ context.Context, dest []byte) (uint32, syscall.Errno) {
	xattrs, err := n.stat.Xattrs()
	if err != nil {
		return 0, n.errno(err)
	}
	var names []byte
	for _, name := range slices.Sorted(maps.Keys(xattrs)) {
		if n.mount.acl || !strings.HasPrefix(name, "system.posix_acl_") {
			names = append(append(names, name...), 0)
		}
	}
	return give(dest, names)
}

// give fills dest, or says how large it would have to be.
func give(dest, value []byte) (uint32, syscall.Errno) {
	if len(dest) < len(value) {
		return uint32(len(value)), syscall.ERANGE
	}
	return uint32(copy(dest, value)), 0
}
