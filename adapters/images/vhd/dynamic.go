package vhd

import (
	"bytes"
	"encoding/binary"

	"github.com/qedfs/qedfs/adapters/images/layer"
)

// Fields of the dynamic header, by their offset in bytes (specification,
// "Dynamic Disk Header Format").
const (
	dynamicBytes  = 1024
	dynamicCookie = "cxsparse"

	atTable        = 16
	atHeaderVer    = 24
	atEntries      = 28
	atBlockSize    = 32
	atHeaderSum    = 36
	atParentID     = 40
	atParentName   = 64
	parentNameSize = 512
	atLocators     = 576
	locatorBytes   = 24
	locators       = 8
)

// maxBlockSize bounds the blocks, in bytes. Virtual PC makes them 2 MiB large.
const maxBlockSize = 1 << 30

// A dynamicHeader is what the header of an image that is not fixed says.
type dynamicHeader struct {
	tableOffset int64 // of the block allocation table in the file
	entries     int64 // of the table
	blockSize   int64 // bytes of the disk in a block
	parentID    ID
	parent      []string // names of the parent, the best first
}

// bitmapBytes is how many bytes the map of sectors takes before a block.
func (h *dynamicHeader) bitmapBytes() int64 {
	return layer.RoundUp(h.blockSize/sectorSize/8+min(1, h.blockSize/sectorSize%8), sectorSize)
}

func readDynamic(r *layer.File, f *Footer) (*dynamicHeader, error) {
	b := make([]byte, dynamicBytes)
	if err := r.Header(Format, "dynamic header", b, f.dataOffset); err != nil {
		return nil, err
	}
	if string(b[:len(dynamicCookie)]) != dynamicCookie {
		return nil, invalid("no dynamic header at %d", f.dataOffset)
	}
	be := binary.BigEndian
	if got, want := be.Uint32(b[atHeaderSum:]), checksum(b, atHeaderSum); got != want {
		return nil, invalid("the checksum of the dynamic header is %#x, not %#x", got, want)
	}
	if v := be.Uint32(b[atHeaderVer:]); v>>16 != version>>16 {
		return nil, unsupported("dynamic header of version %d.%d", v>>16, v&0xffff)
	}
	h := &dynamicHeader{entries: int64(be.Uint32(b[atEntries:])), blockSize: int64(be.Uint32(b[atBlockSize:])), parentID: ID(b[atParentID:])}
	table := be.Uint64(b[atTable:])
	switch {
	case h.blockSize < sectorSize || h.blockSize&(h.blockSize-1) != 0 || h.blockSize > maxBlockSize:
		return nil, invalid("blocks of %d bytes", h.blockSize)
	case table > 1<<62 || table%4 != 0:
		return nil, invalid("the block allocation table is at %#x", table)
	case h.entries*h.blockSize < f.Size:
		return nil, invalid("%d blocks of %d bytes do not hold a disk of %d", h.entries, h.blockSize, f.Size)
	}
	h.tableOffset = int64(table)
	if f.Type == Differencing {
		var err error
		if h.parent, err = parentNames(r, b); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// Codes of the platforms for which a locator names the parent.
const (
	locatorRelative = "W2ru" // path from the image's directory, UTF-16LE
	locatorAbsolute = "W2ku" // path of Windows, UTF-16LE
	locatorURL      = "MacX" // file URL, UTF-8
)

// maxLocator bounds the names, in bytes.
const maxLocator = 64 << 10

// parentNames returns the names that a differencing image has for its parent,
// the best first.
func parentNames(r *layer.File, header []byte) ([]string, error) {
	var relative, absolute []string
	be := binary.BigEndian
	for i := range locators {
		b := header[atLocators+i*locatorBytes:]
		code, n, off := string(b[:4]), be.Uint32(b[8:]), be.Uint64(b[16:])
		if code != locatorRelative && code != locatorAbsolute && code != locatorURL {
			continue
		}
		if n > maxLocator || off > 1<<62 {
			return nil, invalid("parent locator %d has %d bytes at %d", i, n, off)
		}
		name := make([]byte, n)
		if err := r.Header(Format, "parent locator", name, int64(off)); err != nil {
			return nil, err
		}
		switch code {
		case locatorRelative:
			relative = append(relative, layer.UTF16(name, binary.LittleEndian))
		case locatorAbsolute:
			absolute = append(absolute, layer.UTF16(name, binary.LittleEndian))
		case locatorURL:
			name, _, _ = bytes.Cut(name, []byte{0})
			absolute = append(absolute, string(name))
		}
	}
	absolute = append(absolute, layer.UTF16(header[atParentName:atParentName+parentNameSize], be))
	names := layer.ParentNames(relative, absolute)
	if len(names) == 0 {
		return nil, invalid("a differencing image without the name of its parent")
	}
	return names, nil
}
