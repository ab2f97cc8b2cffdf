package btrfs

import (
	"fmt"
	"math"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const inodeSize = 160

// Stat returns what the inode item says.
func (v *volume) Stat(id fstree.ID) (fstree.Stat, error) {
	if isStub(id) {
		return v.statStub(id)
	}
	b, err := v.inode(id)
	if err != nil {
		return fstree.Stat{}, err
	}
	size, err := inodeBytes(id, b)
	if err != nil {
		return fstree.Stat{}, err
	}
	rdev := le.Uint64(b[56:])
	// The kernel counts whole sectors (btrfs_getattr).
	sector := uint64(v.sb.sectorSize)
	blocks := min(le.Uint64(b[24:]), math.MaxInt64)
	return fstree.Stat{
		Ino: id.Ino, Mode: fstree.UnixMode(le.Uint32(b[52:])), Nlink: uint64(le.Uint32(b[40:])),
		UID: le.Uint32(b[44:]), GID: le.Uint32(b[48:]),
		Size: size, Blocks: int64((blocks + sector - 1) / sector * (sector / 512)),
		Major: uint32(rdev >> 20), Minor: uint32(rdev & (1<<20 - 1)),
		Atime: parseTime(b[112:]), Ctime: parseTime(b[124:]), Mtime: parseTime(b[136:]), Btime: parseTime(b[148:]),
	}, nil
}

// inodeBytes is the size of a file.
func inodeBytes(id fstree.ID, b []byte) (int64, error) {
	size := le.Uint64(b[16:])
	if size > math.MaxInt64 {
		return 0, damaged(inodeName(id), -1, "size %d", size)
	}
	return int64(size), nil
}

func parseTime(b []byte) time.Time {
	return time.Unix(int64(le.Uint64(b)), int64(le.Uint32(b[8:])))
}

func inodeName(id fstree.ID) string { return fmt.Sprintf("inode %d of subvolume %d", id.Ino, id.Tree) }

func (v *volume) inode(id fstree.ID) ([]byte, error) {
	t, err := v.subvolume(id.Tree)
	if err != nil {
		return nil, err
	}
	it, ok, err := v.get(t, key{id.Ino, inodeItem, 0})
	if err != nil {
		return nil, err
	}
	if !ok || len(it.data) < inodeSize {
		return nil, damaged(inodeName(id), -1, "there is no such inode")
	}
	return it.data, nil
}

// Xattrs returns the attributes, whose names are stored whole.
func (v *volume) Xattrs(id fstree.ID) (map[string][]byte, error) {
	all := map[string][]byte{}
	if isStub(id) {
		return all, nil
	}
	t, err := v.subvolume(id.Tree)
	if err != nil {
		return nil, err
	}
	for it, err := range v.scan(t, key{id.Ino, xattrItem, 0}, key{id.Ino, xattrItem, ^uint64(0)}) {
		if err != nil {
			return all, err
		}
		for e, err := range dirEntries(it) {
			if err != nil {
				return all, err
			}
			if e.kind == typeXattr {
				all[e.name] = append([]byte{}, e.data...)
			}
		}
	}
	return all, nil
}

// Readlink returns a target, which is stored as an inline extent.
func (v *volume) Readlink(id fstree.ID) (string, error) {
	c, err := v.Open(id)
	if err != nil {
		return "", err
	}
	if c.Size() > v.sb.sectorSize {
		return "", damaged(inodeName(id), -1, "a target of %d bytes", c.Size())
	}
	target := make([]byte, c.Size())
	if n, err := c.ReadAt(target, 0); n < len(target) {
		return "", err
	}
	return string(target), nil
}
