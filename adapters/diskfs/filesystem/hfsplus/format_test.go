package hfsplus_test

import (
	"encoding/binary"
	"unicode/utf16"
)

var be = binary.BigEndian

// layout is how a volume is laid out that holds nothing yet, as newfs_hfs does it
// (TN1150): no tool at hand makes one.
type layout struct {
	block, node, size int
	sensitive         bool // HFSX, whose names differ by case
	catalogBlocks     int
}

func put(b []byte, values ...any) []byte {
	for _, v := range values {
		switch v := v.(type) {
		case uint8:
			b = append(b, v)
		case uint16:
			b = be.AppendUint16(b, v)
		case uint32:
			b = be.AppendUint32(b, v)
		case uint64:
			b = be.AppendUint64(b, v)
		case []byte:
			b = append(b, v...)
		}
	}
	return b
}

// forkData describes a fork in one piece.
func (l layout) forkData(start, blocks int) []byte {
	b := put(nil, uint64(blocks*l.block), uint32(l.block), uint32(blocks), uint32(start), uint32(blocks))
	return append(b, make([]byte, 80-len(b))...)
}

// tree writes the header of a B-tree and, if there are records, its one leaf.
func (l layout) tree(image []byte, start, blocks int, maxKey uint16, kind uint8, attrs uint32, records ...[]byte) {
	nodes := blocks * l.block / l.node
	file := image[start*l.block:][:blocks*l.block]
	h := file[:l.node]
	h[8] = 1 // header
	be.PutUint16(h[10:], 3)
	used := 1
	if len(records) > 0 {
		used = 2
		be.PutUint16(h[14:], 1)
		be.PutUint32(h[16:], 1)
		be.PutUint32(h[20:], uint32(len(records)))
		be.PutUint32(h[24:], 1)
		be.PutUint32(h[28:], 1)
		leaf, at := file[l.node:][:l.node], 14
		leaf[8], leaf[9] = 0xFF, 1
		be.PutUint16(leaf[10:], uint16(len(records)))
		for i, r := range records {
			be.PutUint16(leaf[l.node-2*(i+1):], uint16(at))
			at += copy(leaf[at:], r)
		}
		be.PutUint16(leaf[l.node-2*(len(records)+1):], uint16(at))
	}
	be.PutUint16(h[32:], uint16(l.node))
	be.PutUint16(h[34:], maxKey)
	be.PutUint32(h[36:], uint32(nodes))
	be.PutUint32(h[40:], uint32(nodes-used))
	be.PutUint32(h[46:], uint32(blocks*l.block))
	h[51] = kind
	be.PutUint32(h[52:], attrs)
	h[248] = 0xFF << (8 - used) & 0xFF // the map of nodes in use
	for i, at := range []int{14, 120, 248, l.node - 8} {
		be.PutUint16(h[l.node-2*(i+1):], uint16(at))
	}
}

const made = 3600000000 // 2018, in seconds from 1904

func catalogKey(parent uint32, name string) []byte {
	units := utf16.Encode([]rune(name))
	b := put(nil, uint16(6+2*len(units)), parent, uint16(len(units)))
	for _, u := range units {
		b = be.AppendUint16(b, u)
	}
	return b
}

// image makes the volume.
func (l layout) image() []byte {
	image := make([]byte, l.size)
	blocks := l.size / l.block
	bitmapAt := (1536 + l.block - 1) / l.block
	bitmap := (blocks/8 + l.block - 1) / l.block
	extentsAt, extents := bitmapAt+bitmap, max(4*l.node/l.block, 4)
	catalogAt := extentsAt + extents
	used := catalogAt + l.catalogBlocks
	last := (1024 + l.block - 1) / l.block // blocks of the copy of the header

	kind := uint8(0)
	if l.sensitive {
		kind = 0xBC
	}
	const label = "Grüße"
	folder := append(catalogKey(1, label), put(nil, uint16(1), uint16(0), uint32(0), uint32(2), uint32(made), uint32(made), uint32(made), uint32(made), uint32(0),
		uint32(0), uint32(0), uint8(0), uint8(0), uint16(0o40755), uint32(0), make([]byte, 40))...)
	thread := append(catalogKey(2, ""), put(nil, uint16(3), uint16(0), catalogKey(1, label)[2:])...)
	l.tree(image, extentsAt, extents, 10, 0, 2)
	l.tree(image, catalogAt, l.catalogBlocks, 516, kind, 6, folder, thread)
	for i := range blocks {
		if i < used || i >= blocks-last {
			image[bitmapAt*l.block+i/8] |= 0x80 >> (i % 8)
		}
	}
	sign, version := []byte("H+"), uint16(4)
	if l.sensitive {
		sign, version = []byte("HX"), 5
	}
	h := put(nil, sign, version, uint32(0x100), []byte("10.0"), uint32(0), uint32(made), uint32(made), uint32(0), uint32(made), uint32(0), uint32(0),
		uint32(l.block), uint32(blocks), uint32(blocks-used-last), uint32(used), uint32(l.block), uint32(l.block), uint32(16), uint32(0), uint64(1), make([]byte, 24), uint64(0x0123456789abcdef),
		l.forkData(bitmapAt, bitmap), l.forkData(extentsAt, extents), l.forkData(catalogAt, l.catalogBlocks), make([]byte, 160))
	copy(image[1024:], h)
	copy(image[l.size-1024:], h)
	return image
}

// wrapped is a volume inside an old HFS volume.
func wrapped(inside []byte) []byte {
	const block, first = 4096, 16 // bytes, sectors
	h := make([]byte, 512)
	copy(h, "BD")
	be.PutUint16(h[10:], 0x8200) // locked, as what Mac OS 8 must not write
	be.PutUint16(h[18:], uint16(len(inside)/block+8))
	be.PutUint32(h[20:], block)
	be.PutUint16(h[28:], first)
	copy(h[0x7c:], "H+")
	be.PutUint16(h[0x7e:], 2)
	be.PutUint16(h[0x80:], uint16(len(inside)/block))
	image := make([]byte, first*512+2*block, first*512+2*block+len(inside)+4*block)
	copy(image[1024:], h)
	image = append(image, inside...)
	return append(image, make([]byte, 4*block)...)
}
