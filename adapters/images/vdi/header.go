package vdi

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/qedfs/qedfs/adapters/images/layer"
)

// Fields of the header, by their offset in bytes (VirtualBox's
// src/VBox/Storage/VDICore.h, version 1.1 of the format).
const (
	atSignature  = 0x40
	atVersion    = 0x44
	atHeaderSize = 0x48
	atType       = 0x4c
	atMap        = 0x154
	atData       = 0x158
	atSectorSize = 0x168
	atDiskSize   = 0x170
	atBlockSize  = 0x178
	atBlockExtra = 0x17c
	atBlocks     = 0x180
	atAllocated  = 0x184
	atID         = 0x188
	atModified   = 0x198
	atParentID   = 0x1a8
	atParentMod  = 0x1b8
	headerBytes  = 512
)

const (
	signature  = 0xbeda107f
	version1_1 = 1<<16 | 1
	sectorSize = 512
)

// maxBlockSize bounds the blocks, in bytes. VirtualBox makes them 1 MiB large.
const maxBlockSize = 1 << 30

// Type says how an image stores its disk.
type Type uint32

// The types of images.
const (
	Dynamic      Type = 1 // blocks are added when they are first written
	Fixed        Type = 2 // all blocks are there from the beginning
	Undo         Type = 3 // changes to a parent that may be given up
	Differencing Type = 4 // changes to a parent
)

func (t Type) String() string {
	switch t {
	case Dynamic:
		return "dynamic"
	case Fixed:
		return "fixed"
	case Undo:
		return "undo"
	case Differencing:
		return "differencing"
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// hasParent reports whether images of the type lie over another.
func (t Type) hasParent() bool { return t == Undo || t == Differencing }

// An ID is the UUID by which VirtualBox knows an image.
type ID [16]byte

// String returns the usual form of a UUID. The first three fields are stored
// with the lowest byte first.
func (id ID) String() string {
	b := [16]byte{id[3], id[2], id[1], id[0], id[5], id[4], id[7], id[6]}
	copy(b[8:], id[8:])
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// Header is what the header of an image says.
type Header struct {
	Type       Type
	Size       int64 // bytes of the disk, in whole sectors
	BlockSize  int64 // bytes of the disk in a block
	BlockExtra int64 // bytes before those, in a block of the file
	Blocks     int64 // of the disk
	Allocated  int64 // blocks in the file, as the header has it
	MapOffset  int64 // where the map of blocks begins in the file, in bytes
	DataOffset int64 // where the blocks begin
	ID         ID    // of the image
	Modified   ID    // changes when the image is changed

	// Of the parent; zero where there is none.
	ParentID, ParentModified ID
}

// ReadHeader reads and checks the header of an image.
func ReadHeader(r io.ReaderAt) (*Header, error) {
	var b [headerBytes]byte
	if n, err := r.ReadAt(b[:], 0); err == io.EOF {
		return nil, invalid("%d bytes are no header", n)
	} else if n < len(b) {
		return nil, fmt.Errorf("vdi: read the header: %w", err)
	}
	le := binary.LittleEndian
	u32 := func(at int) int64 { return int64(le.Uint32(b[at:])) }
	if u32(atSignature) != signature {
		return nil, invalid("no signature")
	}
	if v := u32(atVersion); v != version1_1 {
		return nil, unsupported("version %d.%d", v>>16, v&0xffff)
	}
	size := le.Uint64(b[atDiskSize:])
	h := &Header{
		Type: Type(u32(atType)), BlockSize: u32(atBlockSize), BlockExtra: u32(atBlockExtra),
		Blocks: u32(atBlocks), Allocated: u32(atAllocated), MapOffset: u32(atMap), DataOffset: u32(atData),
		ID: ID(b[atID:]), Modified: ID(b[atModified:]), ParentID: ID(b[atParentID:]), ParentModified: ID(b[atParentMod:]),
	}
	if err := h.check(size, u32(atSectorSize)); err != nil {
		return nil, err
	}
	// VirtualBox makes disks of any number of bytes out of raw ones.
	h.Size = layer.RoundUp(int64(size), sectorSize)
	return h, nil
}

func (h *Header) check(size uint64, sector int64) error {
	switch {
	case h.Type < Dynamic || h.Type > Differencing:
		return unsupported("images of %v", h.Type)
	case sector != sectorSize:
		return unsupported("sectors of %d bytes", sector)
	case h.BlockSize == 0 || h.BlockSize%sectorSize != 0 || h.BlockSize > maxBlockSize || h.BlockExtra > maxBlockSize:
		return invalid("blocks of %d+%d bytes", h.BlockExtra, h.BlockSize)
	case h.MapOffset%4 != 0 || h.MapOffset < headerBytes:
		return invalid("the map of blocks is at %d", h.MapOffset)
	case size > uint64(h.Blocks*h.BlockSize):
		return invalid("%d blocks of %d bytes do not hold a disk of %d", h.Blocks, h.BlockSize, size)
	case h.Type.hasParent() && h.ParentID == ID{}:
		return invalid("a %v image without a parent", h.Type)
	}
	return nil
}

func invalid(why string, args ...any) error     { return layer.Invalid(Format, why, args...) }
func unsupported(why string, args ...any) error { return layer.Unsupported(Format, why, args...) }
