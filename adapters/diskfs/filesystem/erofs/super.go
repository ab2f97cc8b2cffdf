package erofs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/pieces"
)

const (
	fsType     = "erofs"
	superblock = 1024 // where it lies, bytes
	superSize  = 144  // of which the last 16 count if the superblock says so
	magic      = 0xE0F5E1E2
)

// Features without which a volume is not understood (EROFS_FEATURE_INCOMPAT_* in
// the kernel's erofs_fs.h). One bit may stand for two that came together.
const (
	incompatZeroPadding = 0x01
	incompatConfigs     = 0x02 // of compressors, and large clusters
	incompatChunked     = 0x04
	incompatDevices     = 0x08 // and a second compressor
	incompatTailPacking = 0x10
	incompatFragments   = 0x20 // and clusters that files share
	incompatPrefixes    = 0x40 // of attributes
	incompat48Bit       = 0x80
	incompatBox         = 0x100 // metadata in a file
	incompatKnown       = 0x1ff
)

// Features that change where attributes lie (EROFS_FEATURE_COMPAT_*).
const (
	compatSharedInBox   = 0x08
	compatPlainPrefixes = 0x10
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// engine implements [fstree.Engine]. The Ino of an ID is the number of the inode's
// slot, as in Linux, with the top bit set for those in the metadata file.
type engine struct {
	cache      *fstree.Cache
	size       int64
	bits       uint // log2 of a block
	dirBits    uint // log2 of a directory's block
	meta       int64
	xattrs     int64 // byte of the shared attributes
	root       uint64
	epoch      int64 // of compact inodes
	nsec       int64
	padded     bool
	algorithms uint16 // a bit for each
	features   uint32
	compat     uint32
	devices    []device
	prefixes   prefixes
	packed     special // the file of fragments
	box        special // the file of metadata
	info       fstree.Info
	clusters   pieces.Recent // decompressed, by where they lie
	deflate    streams
	zstd       streams
}

// Open reads the filesystem that fills the size bytes of r. The error wraps
// [fstree.ErrNotThis] if there is none, and [fstree.ErrUnsupported] if it has
// features that are not known here.
func Open(r io.ReaderAt, size int64) (*fstree.FS, error) {
	e := &engine{cache: fstree.NewCache(r, size, 0), size: size}
	e.deflate.open, e.zstd.open = newInflater, newZstd
	if size < superblock+superSize {
		return nil, fmt.Errorf("erofs: %w", fstree.ErrNotThis)
	}
	b, err := e.cache.Bytes(superblock, superSize)
	if err != nil {
		return nil, fmt.Errorf("erofs: %w", err)
	}
	if le.Uint32(b) != magic {
		return nil, fmt.Errorf("erofs: %w", fstree.ErrNotThis)
	}
	if err := e.readSuper(b, size); err != nil {
		return nil, err
	}
	return fstree.Open(e)
}

func (e *engine) readSuper(b []byte, size int64) error {
	e.bits, e.dirBits = uint(b[12]), uint(b[12])+uint(b[90])
	if e.bits < 9 || e.bits > 16 || b[90] > 7 {
		return damage("superblock", superblock, fmt.Sprintf("blocks of 2^%d bytes, directories of 2^%d", e.bits, e.dirBits))
	}
	e.features, e.compat = le.Uint32(b[80:]), le.Uint32(b[8:])
	if rest := e.features &^ incompatKnown; rest != 0 {
		return fmt.Errorf("erofs: features %#x: %w", rest, fstree.ErrUnsupported)
	}
	e.padded = e.has(incompatZeroPadding)
	e.algorithms = 1 << storedLZ4
	if e.has(incompatConfigs) {
		e.algorithms = le.Uint16(b[84:])
	}
	blocks := uint64(le.Uint32(b[36:]))
	e.root = uint64(le.Uint16(b[14:]))
	if root := le.Uint64(b[112:]); e.has(incompat48Bit) && root != 0 {
		blocks |= e.root << 32
		e.root = root
	}
	e.epoch, e.nsec = int64(le.Uint64(b[24:])), int64(le.Uint32(b[32:]))
	e.meta, e.xattrs = int64(le.Uint32(b[40:]))<<e.bits, int64(le.Uint32(b[44:]))<<e.bits
	e.packed = special{e: e, what: "the file of fragments", nid: le.Uint64(b[96:])}
	if e.has(incompatBox) {
		if b[13] == 0 {
			return damage("superblock", superblock, "too short to say where the metadata is")
		}
		e.box = special{e: e, what: "the file of metadata", nid: le.Uint64(b[128:])}
	}
	if (e.packed.nid|e.box.nid)&boxed != 0 {
		return damage("superblock", superblock, "a file that holds others lies in one itself")
	}
	claimed := e.byteOf(blocks)
	e.info = fstree.Info{
		Type: fsType, Label: string(bytes.TrimRight(b[64:80], "\x00")), UUID: fstree.FormatUUID([16]byte(b[48:64])),
		BlockSize: 1 << e.bits, Size: claimed, Files: le.Uint64(b[16:]),
	}
	e.info.CutOff(claimed, size)
	if err := e.readDevices(int64(le.Uint16(b[86:])), int64(le.Uint16(b[88:]))); err != nil {
		return err
	}
	e.prefixes = prefixes{count: int(b[91]), at: int64(le.Uint32(b[92:])) << 2}
	return nil
}

func (e *engine) has(feature uint32) bool { return e.features&feature != 0 }

func damage(structure string, at int64, why string) error {
	return &fstree.DamageError{FS: fsType, Structure: structure, Block: at, Why: why}
}
