//go:build (linux && !386 && !arm && !mips && !mipsle) || darwin

package mounted

import (
	"context"
	iofs "io/fs"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// dirHandle is an open directory. An entry comes with its inode, for its
// number; the kernel may take that along (READDIRPLUS) and then need not ask
// for the entries one by one.
type dirHandle struct {
	node *node
	list []iofs.DirEntry
	next int // entry that is read next: "." and ".." come before the list

	path string       // of the last entry that was read
	last *fstree.Stat // and its inode, nil if that is damaged
	err  error        // why
}

var (
	_ fs.FileReaddirenter = (*dirHandle)(nil)
	_ fs.FileLookuper     = (*dirHandle)(nil)
	_ fs.FileSeekdirer    = (*dirHandle)(nil)
)

// dots is how many entries every directory has.
const dots = 2

func (n *node) OpendirHandle(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	list, err := n.mount.Tree.ReadDir(n.path)
	if err != nil && len(list) == 0 {
		return nil, 0, n.errno(err)
	}
	if err != nil { // the rest can be shown
		n.mount.Problem(n.path, err)
	}
	return &dirHandle{node: n, list: list}, fuse.FOPEN_CACHE_DIR | fuse.FOPEN_KEEP_CACHE, 0
}

func (h *dirHandle) Readdirent(context.Context) (*fuse.DirEntry, syscall.Errno) {
	i := h.next
	if i >= dots+len(h.list) {
		return nil, 0
	}
	h.next++
	e := &fuse.DirEntry{Off: uint64(h.next), Mode: fuse.S_IFDIR}
	switch i {
	case 0:
		e.Name, e.Ino = ".", h.node.StableAttr().Ino
		return e, 0
	case 1:
		e.Name, e.Ino = "..", h.node.StableAttr().Ino
		if _, parent := h.node.Parent(); parent != nil {
			e.Ino = parent.StableAttr().Ino
		}
		return e, 0
	}
	d := h.list[i-dots]
	e.Name, e.Mode = shownName(d.Name()), fstree.UnixBits(d.Type())
	h.path, h.last = h.node.child(d.Name()), nil
	var info iofs.FileInfo
	if info, h.err = d.Info(); h.err == nil {
		h.last = info.Sys().(*fstree.Stat)
		e.Ino, e.Mode = h.node.mount.numbers.of(h.path, h.last), fstree.UnixBits(h.last.Mode.Type())
	}
	return e, 0
}

// Lookup gives the inode of the entry that was read last.
func (h *dirHandle) Lookup(ctx context.Context, _ string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if h.last == nil {
		return nil, h.node.lookupErrno(h.path, h.err)
	}
	return h.node.inode(ctx, h.path, h.last, out), 0
}

func (h *dirHandle) Seekdir(_ context.Context, off uint64) syscall.Errno {
	if off > uint64(dots+len(h.list)) {
		return syscall.EINVAL
	}
	h.next = int(off)
	return 0
}
