package qcow2

import (
	"bufio"
	"encoding/binary"
	"io"

	"github.com/qedfs/qedfs/adapters/images/layer"
)

// QEMU's limits of the directory of bitmaps.
const (
	maxBitmaps          = 65535
	maxBitmapsDirectory = 1024 * maxBitmaps
	maxBitmapTable      = 1 << 27 // entries
	bitmapInUse         = 1 << 0
	bitmapAuto          = 1 << 1
)

// A bitmap is an entry of the directory of persistent dirty bitmaps
// (docs/interop/qcow2.txt, "Bitmaps").
type bitmap struct {
	name        string
	flags       uint32
	granularity uint8
	table       int64 // where its table is, in bytes
	entries     int64 // of the table
}

// readBitmaps reads the directory of bitmaps. The extension counts only as long
// as a feature bit is set, which writers that do not know bitmaps clear.
func (m *Image) readBitmaps() ([]bitmap, error) {
	h, be := m.header, binary.BigEndian
	x := h.bitmaps
	if h.autoclear&autoclearBitmaps == 0 || x.count == 0 {
		return nil, nil
	}
	if x.count > maxBitmaps || x.size > maxBitmapsDirectory || x.offset > uint64(m.fileSize) {
		return nil, layer.Corrupt(format, "%d bitmaps in a directory of %d bytes at %#x", x.count, x.size, x.offset)
	}
	directory := bufio.NewReader(io.NewSectionReader(m.r, int64(x.offset), int64(x.size)))
	var list []bitmap
	for i := range x.count {
		var b [24]byte
		if _, err := io.ReadFull(directory, b[:]); err != nil {
			return list, layer.Corrupt(format, "the directory of bitmaps ends in entry %d of %d", i, x.count)
		}
		entry := bitmap{flags: be.Uint32(b[12:]), granularity: b[17], table: int64(be.Uint64(b[:])), entries: int64(be.Uint32(b[8:]))}
		nameLen, extraLen := int(be.Uint16(b[18:])), int64(be.Uint32(b[20:]))
		_, err := directory.Discard(int(min(extraLen, maxBitmapsDirectory)))
		name := make([]byte, nameLen)
		if err == nil {
			_, err = io.ReadFull(directory, name)
		}
		if err != nil || entry.granularity > 63 {
			return list, layer.Corrupt(format, "entry %d of the directory of bitmaps is damaged", i)
		}
		if pad := -(24 + extraLen + int64(nameLen)) & 7; pad > 0 {
			_, _ = directory.Discard(int(pad)) // the next entry finds it missing
		}
		entry.name = string(name)
		list = append(list, entry)
	}
	return list, nil
}
