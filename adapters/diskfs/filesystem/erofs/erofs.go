package erofs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/erofs/go-erofs"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/probe"
)

// Where the superblock lies, and in it the logarithm of the block size and the
// number of blocks (struct erofs_super_block in the kernel's erofs_fs.h).
const (
	superblock = 1024
	blockShift = 12
	blockCount = 36
)

// Open reads the filesystem that fills the size bytes of r. The error wraps
// [fstree.ErrNotThis] if there is none, and [fstree.ErrUnsupported] if it is
// compressed or needs anything else that go-erofs does not have.
func Open(r io.ReaderAt, size int64) (*fstree.FS, error) {
	sig, err := probe.Identify(r, size)
	if err != nil {
		return nil, fmt.Errorf("erofs: %w", err)
	}
	if sig.Type != "erofs" {
		return nil, fmt.Errorf("erofs: %w", fstree.ErrNotThis)
	}
	e := &engine{
		meter: &meter{r: r, cache: fstree.NewCache(r, size, 0), size: size},
		info:  fstree.Info{Type: sig.Type, Label: sig.Label, UUID: sig.UUID},
	}
	if err := e.call("superblock", e.open); err != nil {
		return nil, fmt.Errorf("erofs: %w", err)
	}
	return fstree.Open(e)
}

// open begins the table with the root directory.
func (e *engine) open() (err error) {
	e.fsys, err = erofs.Open(e.meter)
	if errors.Is(err, erofs.ErrNotImplemented) {
		return fmt.Errorf("%w: %w", fstree.ErrUnsupported, err)
	}
	if err != nil {
		return err
	}
	// go-erofs keeps the size of a block to itself, and has checked it.
	var b [blockCount + 4]byte
	if _, err := e.meter.ReadAt(b[:], superblock); err != nil {
		return err
	}
	e.info.BlockSize = 1 << (b[blockShift] & 31)
	claimed := int64(binary.LittleEndian.Uint32(b[blockCount:])) * e.info.BlockSize
	e.info.Size, e.end = claimed, max(claimed, e.meter.size)
	e.info.CutOff(claimed, e.meter.size)
	info, err := fs.Stat(e.fsys, ".")
	if err != nil {
		return err
	}
	d, err := e.describe(".", info)
	e.byIno = map[uint64]int{}
	e.add(node{info: info, details: d})
	return err
}

// describe collects what go-erofs says of a file.
func (e *engine) describe(path string, info fs.FileInfo) (details, error) {
	s, ok := info.Sys().(*erofs.Stat)
	if !ok {
		return details{}, fmt.Errorf("no details of %s", path)
	}
	if s.Size < 0 {
		return details{}, &fstree.DamageError{FS: "erofs", Structure: "inode of " + path, Block: -1, Why: fmt.Sprintf("size %d", s.Size)}
	}
	d := details{stat: fstree.Stat{
		Ino: uint64(s.Ino), Mode: s.Mode, Nlink: uint64(s.Nlink), UID: s.UID, GID: s.GID,
		Size: s.Size, Mtime: time.Unix(int64(s.Mtime), int64(s.MtimeNs)),
	}}
	// The kernel has one time for all.
	d.stat.Atime, d.stat.Ctime = d.stat.Mtime, d.stat.Mtime
	if s.Mode&fs.ModeDevice != 0 {
		d.stat.Major, d.stat.Minor = decodeDevice(s.Rdev)
	}
	d.stat.Blocks = (s.Size + e.info.BlockSize - 1) / e.info.BlockSize * (e.info.BlockSize / 512)
	d.xattrs = make(map[string][]byte, len(s.Xattrs))
	for name, value := range s.Xattrs {
		if acl, ok := strings.CutSuffix(name, "."); ok && strings.HasPrefix(name, "system.posix_acl_") {
			name = acl // go-erofs takes the whole name for a prefix
		}
		d.xattrs[name] = []byte(value)
	}
	if s.Mode&fs.ModeSymlink == 0 {
		return d, nil
	}
	target, err := fs.ReadLink(e.fsys, path)
	d.target = target
	return d, err
}

// decodeDevice takes apart a device number as Linux encodes it on disks
// (new_decode_dev in include/linux/kdev_t.h).
func decodeDevice(n uint32) (major, minor uint32) {
	return n >> 8 & 0xfff, n&0xff | n>>12&0xfff00
}

// ranged is implemented by what go-erofs describes a file with.
type ranged interface{ DataRange() []erofs.DataRange }

// content opens a file: straight on the volume where go-erofs can say where it
// lies.
func (e *engine) content(path string, info fs.FileInfo) (fstree.Content, error) {
	if r, ok := info.(ranged); ok {
		list := r.DataRange()
		for _, x := range list {
			if x.Offset >= 0 && (x.Size > e.end || x.Offset > e.end-x.Size) {
				return nil, &fstree.DamageError{FS: "erofs", Structure: "file " + path, Block: x.Offset / e.info.BlockSize,
					Why: fmt.Sprintf("%d bytes at byte %d of %d", x.Size, x.Offset, e.end)}
			}
		}
		if c, ok := newRuns(e.meter.r, info.Size(), list); ok {
			return c, nil
		}
	}
	f, err := e.fsys.Open(path)
	if err != nil {
		return nil, err
	}
	return &handle{engine: e, where: path, file: &rewinder{fsys: e.fsys, path: path, f: f}, size: info.Size()}, nil
}
