package exfat

import (
	"encoding/binary"
	"io/fs"
	"math"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/clusters"
)

// entrySize is the size of a directory's entry, in bytes.
const entrySize = 32

// Types of entry (section 6.2.1). Bit 7 is set in those in use, bit 6 in
// those that belong to the one before them.
const (
	typeEnd    = 0x00
	typeBitmap = 0x81
	typeUpcase = 0x82
	typeLabel  = 0x83
	typeFile   = 0x85
	typeStream = 0xC0
	typeName   = 0xC1

	inUse     = 0x80
	secondary = 0x40
)

const (
	attrReadOnly = 0x01
	attrDir      = 0x10

	flagNoChain = 0x02 // of a stream: its clusters follow each other

	nameUnits    = 15  // UTF-16 units of a name in one entry
	maxName      = 255 // units
	maxSecondary = 18  // entries of a set besides the first
)

// entry is 32 bytes of a directory.
type entry []byte

func (e entry) kind() byte        { return e[0] }
func (e entry) u16(at int) uint16 { return binary.LittleEndian.Uint16(e[at:]) }
func (e entry) u32(at int) uint32 { return binary.LittleEndian.Uint32(e[at:]) }
func (e entry) u64(at int) uint64 { return binary.LittleEndian.Uint64(e[at:]) }

// Of a file entry.
func (e entry) secondaries() int { return int(e[1]) }
func (e entry) isDir() bool      { return e.u16(4)&attrDir != 0 }

// fileKind is the type of the file that a file entry describes.
func (e entry) fileKind() fs.FileMode {
	if e.isDir() {
		return fs.ModeDir
	}
	return 0
}

// mode is what Linux shows with the usual umask of 022. It does not take the
// read-only attribute of a directory for a permission.
func (e entry) mode() fs.FileMode {
	if e.u16(4)&attrReadOnly != 0 && !e.isDir() {
		return 0o555
	}
	return e.fileKind() | 0o755
}

// stream is where the bytes of a file, a directory or one of the system's
// tables lie, and how many they are.
type stream struct {
	start   uint32
	size    int64 // bytes
	valid   int64 // bytes that were written
	noChain bool
}

// stream decodes a stream extension.
func (e entry) stream() (stream, error) {
	size, valid := e.u64(24), e.u64(8)
	if size > math.MaxInt64 {
		return stream{}, damage("stream extension", int64(e.u32(20)), "a length of more than 2^63 bytes")
	}
	return stream{start: e.u32(20), size: int64(size), valid: int64(min(valid, size)), noChain: e[1]&flagNoChain != 0}, nil
}

// table decodes the entry of the allocation bitmap or the upper-case table.
func (e entry) table() stream {
	size := int64(min(e.u64(24), math.MaxInt64))
	return stream{start: e.u32(20), size: size, valid: size}
}

// chain finds a stream's clusters, up to a limit of bytes.
func (e *engine) chain(name string, s stream, limit int64) clusters.Chain {
	size := min(s.size, limit)
	n := size >> e.vol.Bits
	if size&(e.vol.ClusterSize()-1) != 0 {
		n++
	}
	if s.noChain {
		return e.vol.Contiguous(name, s.start, n)
	}
	return e.vol.Chain(name, s.start, n)
}

// set is the entries of one file, gathered one after another: they may lie in
// different clusters.
type set struct {
	pos    int64 // of the file entry on the volume
	stream int64 // of the stream extension
	n      int   // entries that are there
	want   int   // entries of the whole set, 0 when none is being gathered
	b      [(1 + maxSecondary) * entrySize]byte
	units  [maxName]uint16
}

func (s *set) file() entry { return s.b[:entrySize] }

// begin starts a set with its file entry.
func (s *set) begin(e entry, pos int64) {
	copy(s.b[:], e)
	s.pos, s.n, s.want = pos, 1, 1+e.secondaries()
}

// add takes the next entry of the set.
func (s *set) add(e entry, pos int64) {
	copy(s.b[s.n*entrySize:], e)
	if s.n == 1 {
		s.stream = pos
	}
	s.n++
}

// name checks a whole set, and returns its name. With a wrong checksum both
// the name and an error are there: Linux shows such a file.
func (s *set) name() (units []uint16, err error) {
	length := int(s.b[entrySize+3])
	names := (length + nameUnits - 1) / nameUnits
	if s.b[entrySize] != typeStream || length == 0 || names > s.n-2 {
		return nil, s.damage("no stream extension with a name")
	}
	for i := range names {
		e := entry(s.b[(2+i)*entrySize:])
		if e.kind() != typeName {
			return nil, s.damage("a name of fewer entries than its length")
		}
		for j := range min(nameUnits, length-i*nameUnits) {
			s.units[i*nameUnits+j] = e.u16(2 + 2*j)
		}
	}
	if sum := s.checksum(); sum != s.file().u16(2) {
		err = s.damage("wrong checksum")
	}
	return s.units[:length], err
}

func (s *set) checksum() uint16 {
	var sum uint16
	for i, c := range s.b[:s.n*entrySize] {
		if i == 2 || i == 3 {
			continue
		}
		sum = sum>>1 | sum<<15
		sum += uint16(c)
	}
	return sum
}

func (s *set) id() fstree.ID {
	return fstree.ID{Tree: uint64(s.stream / entrySize), Ino: uint64(s.pos / entrySize)}
}

func (s *set) damage(why string) error { return damage("directory entry set", s.pos/entrySize, why) }

func damage(structure string, block int64, why string) error {
	return &fstree.DamageError{FS: fsType, Structure: structure, Block: block, Why: why}
}
