package squashfs

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/recent"
)

const (
	superblockSize = 96
	magic          = "hsqs"
	noTable        = ^uint64(0) // start of a table that is not there

	cacheBudget = 16 << 20 // bytes of decompressed blocks that are kept
	overhead    = 200      // bytes of one of them beside its contents
)

// superblock is struct squashfs_super_block of the kernel's squashfs_fs.h.
type superblock struct {
	inodes      uint32
	blockSize   int64
	fragments   uint32
	compression uint16
	ids         uint16
	root        uint64 // place of an inode
	used        int64  // bytes

	// Where tables begin, in bytes.
	idTable, xattrTable, inodeTable, dirTable, fragmentTable uint64
}

func parseSuperblock(b []byte, size int64) (superblock, error) {
	le := binary.LittleEndian
	if string(b[:4]) == "sqsh" {
		return superblock{}, fmt.Errorf("a big-endian volume of a version before 4: %w", fstree.ErrUnsupported)
	}
	if string(b[:4]) != magic {
		return superblock{}, fstree.ErrNotThis
	}
	if major, minor := le.Uint16(b[28:]), le.Uint16(b[30:]); major != 4 || minor != 0 {
		return superblock{}, fmt.Errorf("version %d.%d: %w", major, minor, fstree.ErrUnsupported)
	}
	s := superblock{
		inodes: le.Uint32(b[4:]), blockSize: int64(le.Uint32(b[12:])), fragments: le.Uint32(b[16:]),
		compression: le.Uint16(b[20:]), ids: le.Uint16(b[26:]), root: le.Uint64(b[32:]), used: int64(le.Uint64(b[40:])),
		idTable: le.Uint64(b[48:]), xattrTable: le.Uint64(b[56:]), inodeTable: le.Uint64(b[64:]),
		dirTable: le.Uint64(b[72:]), fragmentTable: le.Uint64(b[80:]),
	}
	log := le.Uint16(b[22:])
	switch {
	case s.blockSize < 4<<10 || s.blockSize > 1<<20 || bits.OnesCount64(uint64(s.blockSize)) != 1 || s.blockSize != 1<<min(log, 63):
		return s, damage("superblock", 0, fmt.Sprintf("block size %d", s.blockSize))
	case s.used < superblockSize || s.used > size:
		return s, damage("superblock", 0, fmt.Sprintf("%d bytes used of a volume of %d", s.used, size))
	case s.ids == 0:
		return s, damage("superblock", 0, "no owners")
	}
	for _, table := range [...]uint64{s.idTable, s.inodeTable, s.dirTable} {
		if table >= uint64(s.used) {
			return s, damage("superblock", 0, "a table begins past the end")
		}
	}
	return s, nil
}

// damage is an error of a structure at a place of the volume, in bytes.
func damage(structure string, at int64, why string) error {
	return &fstree.DamageError{FS: "squashfs", Structure: structure, Block: at, Why: why}
}

// engine is the reader behind FS.
type engine struct {
	superblock
	r      io.ReaderAt
	unpack decompressor
	blocks *recent.Cache[int64, block] // by where they lie
	owners []uint32
}

var _ fstree.Engine = (*engine)(nil)

// Open reads the filesystem that fills the size bytes of r. The error wraps
// [fstree.ErrNotThis] if there is none, and [fstree.ErrUnsupported] for a
// version before 4.
func Open(r io.ReaderAt, size int64) (*fstree.FS, error) {
	e, err := open(r, size)
	if err != nil {
		return nil, fmt.Errorf("squashfs: %w", err)
	}
	return fstree.Open(e)
}

func open(r io.ReaderAt, size int64) (*engine, error) {
	if size < superblockSize {
		return nil, fstree.ErrNotThis
	}
	e := &engine{r: r, blocks: recent.New[int64, block](cacheBudget)}
	b, err := e.read(0, superblockSize)
	if err != nil {
		return nil, err
	}
	if e.superblock, err = parseSuperblock(b, size); err != nil {
		return nil, err
	}
	if e.unpack, err = newDecompressor(e.compression); err != nil {
		return nil, err
	}
	return e, e.readOwners()
}

// readOwners reads the table of user and group numbers, which inodes refer to
// by index. It has at most 65,535 entries.
func (e *engine) readOwners() error {
	t := table{e: e, index: int64(e.idTable), entry: 4, count: int64(e.ids), name: "owner"}
	for i := range t.count {
		b, err := t.get(i)
		if err != nil {
			return err
		}
		e.owners = append(e.owners, binary.LittleEndian.Uint32(b))
	}
	return nil
}

// Info describes the filesystem, which is full by its nature.
func (e *engine) Info() fstree.Info {
	return fstree.Info{Type: "squashfs", BlockSize: e.blockSize, Size: e.used, Files: uint64(e.inodes)}
}

func (e *engine) Root() fstree.ID { return fstree.ID{Ino: e.root} }

// read reads n bytes, which is never more than a block, from the volume.
func (e *engine) read(off, n int64) ([]byte, error) {
	b := make([]byte, n)
	if _, err := backend.ReadFull(e.r, b, off); err != nil {
		return nil, err
	}
	return b, nil
}
