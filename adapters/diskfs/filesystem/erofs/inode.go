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
	where    uint64 // of the contents, or how many blocks they have, or the numbers of a device, or the kind of chunks
	hole     bool   // all of a plain file
	mtime    time.Time
	xattrs   int64 // bytes of attributes that follow
	end      int64 // byte after the inode and them
	slots    slots // in which it lies, and what follows it
}

func (in *inode) name() string { return fmt.Sprintf("inode %d", in.nid) }

// oneLink is the bit of the format of a compact inode that has one link, and the
// upper bits of an address in its place. That of a directory says that it does not
// list itself.
const oneLink = 0x10

// inode reads the inode in a slot.
func (e *engine) inode(nid uint64) (*inode, error) {
	in := &inode{nid: nid, slots: e.slotsOf(nid)}
	at, err := in.slots.at(nid)
	if err != nil {
		return nil, err
	}
	b, err := in.slots.Bytes(at, 32)
	if err != nil {
		return nil, fmt.Errorf("erofs: inode %d: %w", nid, err)
	}
	format, count := le.Uint16(b), int64(le.Uint16(b[2:]))
	in.layout, in.mode, in.where = format>>1&7, uint32(le.Uint16(b[4:])), uint64(le.Uint32(b[16:]))
	length, none := int64(32), uint64(1<<48-1)
	high := uint64(le.Uint16(b[6:])) << 32
	if format&1 == 0 {
		in.nlink, in.size = 1, int64(le.Uint32(b[8:]))
		in.uid, in.gid = uint32(le.Uint16(b[24:])), uint32(le.Uint16(b[26:]))
		in.mtime = time.Unix(e.epoch+int64(le.Uint32(b[12:])), e.nsec)
		if format&oneLink == 0 || fstree.UnixMode(in.mode).IsDir() {
			in.nlink, high, none = uint32(high>>32), 0, 1<<32-1
		}
	} else {
		length = 64
		if b, err = in.slots.Bytes(at, 64); err != nil {
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
	if format>>5 != 0 || in.layout > layoutChunks {
		return nil, fmt.Errorf("erofs: inode %d: format %#x: %w", nid, format, fstree.ErrUnsupported)
	}
	if fstree.UnixMode(in.mode)&fs.ModeDevice == 0 && in.layout != layoutChunks {
		in.where |= high
		in.hole = in.layout == layoutPlain && in.where == none
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
		Ino: e.number(in.nid), Mode: fstree.UnixMode(in.mode), Nlink: uint64(in.nlink), UID: in.uid, GID: in.gid, Size: in.size,
		Mtime: in.mtime, Atime: in.mtime, Ctime: in.mtime, // Linux has one time for all
		Blocks: (in.size + mask) &^ mask / 512,
	}
	if in.layout == layoutFull || in.layout == layoutCompact {
		st.Blocks = int64(in.where) << e.bits / 512 // of the compressed contents
	}
	if st.Mode&fs.ModeDevice != 0 {
		// new_decode_dev in include/linux/kdev_t.h
		st.Major, st.Minor = uint32(in.where>>8&0xfff), uint32(in.where&0xff|in.where>>12&0xfff00)
	}
	return st, nil
}

// number is the number that Linux shows of an inode: where metadata is in a file, the
// bit for that comes to the end of 32 bits (erofs_nid_to_ino64).
func (e *engine) number(nid uint64) uint64 {
	if !e.has(incompatBox) {
		return nid
	}
	return nid<<1>>32<<32 | nid&(1<<31-1) | nid>>63<<31
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
