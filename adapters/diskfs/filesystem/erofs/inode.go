package erofs

import (
	"fmt"
	"io/fs"
	"math"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// How the contents of a file are stored (EROFS_INODE_* in erofs_fs.h).
const (
	layoutPlain   = 0
	layoutFull    = 1 // compressed, with an index of 8 bytes for each cluster
	layoutInline  = 2 // the last block lies after the inode
	layoutCompact = 3 // compressed, with an index of 2 or 4 bytes
	layoutChunks  = 4
)

// inode is a file as it is stored.
type inode struct {
	nid      uint64
	layout   uint16
	mode     uint32
	nlink    uint32
	uid, gid uint32
	size     int64
	where    uint32 // of the contents, or the numbers of a device, or the kind of chunks
	mtime    time.Time
	xattrs   int64 // bytes of attributes that follow
	end      int64 // byte after the inode and them
}

func (in *inode) name() string { return fmt.Sprintf("inode %d", in.nid) }

// inode reads the inode in a slot.
func (e *engine) inode(nid uint64) (*inode, error) {
	if nid > uint64(e.size)/32 {
		return nil, damage(fmt.Sprintf("inode %d", nid), -1, "outside the volume")
	}
	at := e.meta + int64(nid)*32
	b, err := e.cache.Bytes(at, 32)
	if err != nil {
		return nil, fmt.Errorf("erofs: inode %d: %w", nid, err)
	}
	format, count := le.Uint16(b), int64(le.Uint16(b[2:]))
	in := &inode{nid: nid, layout: format >> 1 & 7, mode: uint32(le.Uint16(b[4:])), where: le.Uint32(b[16:])}
	length := int64(32)
	if format&1 == 0 {
		in.nlink, in.size = uint32(le.Uint16(b[6:])), int64(le.Uint32(b[8:]))
		in.uid, in.gid, in.mtime = uint32(le.Uint16(b[24:])), uint32(le.Uint16(b[26:])), e.built
	} else {
		length = 64
		if b, err = e.cache.Bytes(at, 64); err != nil {
			return nil, fmt.Errorf("erofs: inode %d: %w", nid, err)
		}
		size := le.Uint64(b[8:])
		if size > math.MaxInt64 {
			return nil, damage(in.name(), -1, fmt.Sprintf("size %d", int64(size)))
		}
		in.nlink, in.size = le.Uint32(b[44:]), int64(size)
		in.uid, in.gid = le.Uint32(b[24:]), le.Uint32(b[28:])
		in.mtime = time.Unix(int64(le.Uint64(b[32:])), int64(le.Uint32(b[40:])))
	}
	if format>>4 != 0 || in.layout > layoutChunks {
		return nil, fmt.Errorf("erofs: inode %d: format %#x: %w", nid, format, fstree.ErrUnsupported)
	}
	if count > 0 {
		in.xattrs = 12 + (count-1)*4
	}
	in.end = at + length + in.xattrs
	return in, nil
}

// Info implements [fstree.Engine].
func (e *engine) Info() fstree.Info { return e.info }

// Root implements [fstree.Engine].
func (e *engine) Root() fstree.ID { return fstree.ID{Ino: e.root} }

// Stat implements [fstree.Engine].
func (e *engine) Stat(id fstree.ID) (fstree.Stat, error) {
	in, err := e.inode(id.Ino)
	if err != nil {
		return fstree.Stat{}, err
	}
	mask := e.info.BlockSize - 1
	if in.size > math.MaxInt64-mask {
		return fstree.Stat{}, damage(in.name(), -1, fmt.Sprintf("size %d", in.size))
	}
	st := fstree.Stat{
		Ino: in.nid, Mode: fstree.UnixMode(in.mode), Nlink: uint64(in.nlink), UID: in.uid, GID: in.gid, Size: in.size,
		Mtime: in.mtime, Atime: in.mtime, Ctime: in.mtime, // Linux has one time for all
		Blocks: (in.size + mask) &^ mask / 512,
	}
	if in.layout == layoutFull || in.layout == layoutCompact {
		st.Blocks = int64(in.where) << e.bits / 512 // of the compressed contents
	}
	if st.Mode&fs.ModeDevice != 0 {
		// new_decode_dev in include/linux/kdev_t.h
		st.Major, st.Minor = in.where>>8&0xfff, in.where&0xff|in.where>>12&0xfff00
	}
	return st, nil
}

// maxLink is the longest symbolic link, in bytes: Linux reads a page.
const maxLink = 4096

// Readlink implements [fstree.Engine].
func (e *engine) Readlink(id fstree.ID) (string, error) {
	in, err := e.inode(id.Ino)
	if err != nil {
		return "", err
	}
	if fstree.UnixMode(in.mode).Type() != fs.ModeSymlink {
		return "", fs.ErrInvalid
	}
	if in.size > maxLink {
		return "", damage(in.name(), -1, fmt.Sprintf("a link of %d bytes", in.size))
	}
	c, err := e.content(in)
	if err != nil {
		return "", err
	}
	b := make([]byte, in.size)
	if n, err := c.ReadAt(b, 0); n < len(b) {
		return "", err
	}
	return string(b), nil
}

// Open implements [fstree.Engine].
func (e *engine) Open(id fstree.ID) (fstree.Content, error) {
	in, err := e.inode(id.Ino)
	if err != nil {
		return nil, err
	}
	return e.content(in)
}

// xattrPrefixes are the beginnings of names of attributes by their number.
var xattrPrefixes = map[byte]string{
	1: "user.", 2: "system.posix_acl_access", 3: "system.posix_acl_default", 4: "trusted.", 6: "security.",
}

// Xattrs implements [fstree.Engine].
func (e *engine) Xattrs(id fstree.ID) (map[string][]byte, error) {
	in, err := e.inode(id.Ino)
	if err != nil || in.xattrs == 0 {
		return nil, err
	}
	b, err := e.cache.Bytes(in.end-in.xattrs, in.xattrs)
	if err != nil {
		return nil, fmt.Errorf("erofs: attributes of inode %d: %w", in.nid, err)
	}
	broken := damage("attributes of "+in.name(), -1, "end early")
	list := map[string][]byte{}
	shared := int(b[4])
	if 12+4*shared > len(b) {
		return nil, broken
	}
	for i := range shared {
		at := e.xattrs + int64(le.Uint32(b[12+4*i:]))*4
		head, err := e.cache.Bytes(at, 4)
		if err != nil {
			return list, broken
		}
		entry, err := e.cache.Bytes(at, 4+int64(head[0])+int64(le.Uint16(head[2:])))
		if err != nil {
			return list, broken
		}
		addXattr(list, entry)
	}
	for b = b[12+4*shared:]; len(b) >= 4; {
		n := 4 + int(b[0]) + int(le.Uint16(b[2:]))
		if n == 4 && b[1] == 0 {
			return list, nil // what is left is empty
		}
		if n > len(b) {
			return list, broken
		}
		addXattr(list, b[:n])
		b = b[min((n+3)&^3, len(b)):]
	}
	return list, nil
}

func addXattr(list map[string][]byte, entry []byte) {
	n := 4 + int(entry[0])
	if prefix, ok := xattrPrefixes[entry[1]]; ok { // Linux shows no others
		list[prefix+string(entry[4:n])] = append([]byte{}, entry[n:]...)
	}
}
