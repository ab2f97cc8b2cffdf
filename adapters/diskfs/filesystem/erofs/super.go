package erofs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/recent"
)

const (
	fsType     = "erofs"
	superblock = 1024 // where it lies, bytes
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
	incompatKnown       = incompatZeroPadding | incompatConfigs | incompatChunked | incompatTailPacking
)

// unknownFeatures are those that are refused by name.
var unknownFeatures = []struct {
	bit  uint32
	name string
}{
	{incompatDevices, "several devices, or a second compression"},
	{0x20, "fragments, or deduplicated compression"},
	{0x40, "long prefixes of attributes"},
	{0x80, "48-bit addresses"},
	{0x100, "compressed metadata"},
}

var le = binary.LittleEndian

// engine implements [fstree.Engine]. The Ino of an ID is the number of the inode's
// slot, as in Linux.
type engine struct {
	cache    *fstree.Cache
	size     int64
	bits     uint // log2 of a block
	dirBits  uint // log2 of a directory's block
	meta     int64
	xattrs   int64 // byte of the shared attributes
	root     uint64
	built    time.Time
	padded   bool
	info     fstree.Info
	clusters recent.Pieces // decompressed, by where they lie and how long they are
}

// Open reads the filesystem that fills the size bytes of r. The error wraps
// [fstree.ErrNotThis] if there is none, and [fstree.ErrUnsupported] if it has
// features that are not known here.
func Open(r io.ReaderAt, size int64) (*fstree.FS, error) {
	e := &engine{cache: fstree.NewCache(r, size, 0), size: size}
	if size < superblock+128 {
		return nil, fmt.Errorf("erofs: %w", fstree.ErrNotThis)
	}
	b, err := e.cache.Bytes(superblock, 128)
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
	features := le.Uint32(b[80:])
	for _, f := range unknownFeatures {
		if features&f.bit != 0 {
			return fmt.Errorf("erofs: %s: %w", f.name, fstree.ErrUnsupported)
		}
	}
	if rest := features &^ incompatKnown; rest != 0 {
		return fmt.Errorf("erofs: features %#x: %w", rest, fstree.ErrUnsupported)
	}
	e.padded = features&incompatZeroPadding != 0
	e.root = uint64(le.Uint16(b[14:]))
	e.built = time.Unix(int64(le.Uint64(b[24:])), int64(le.Uint32(b[32:])))
	e.meta, e.xattrs = int64(le.Uint32(b[40:]))<<e.bits, int64(le.Uint32(b[44:]))<<e.bits
	claimed := int64(le.Uint32(b[36:])) << e.bits
	e.info = fstree.Info{
		Type: fsType, Label: string(bytes.TrimRight(b[64:80], "\x00")), UUID: fstree.FormatUUID([16]byte(b[48:64])),
		BlockSize: 1 << e.bits, Size: claimed, Files: le.Uint64(b[16:]),
	}
	e.info.CutOff(claimed, size)
	return nil
}

func damage(structure string, at int64, why string) error {
	return &fstree.DamageError{FS: fsType, Structure: structure, Block: at, Why: why}
}
