package ext4

import (
	"encoding/binary"
	"hash/crc32"
)

var le = binary.LittleEndian

// castagnoli is the polynomial of metadata_csum and of jbd2.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crc32c continues a checksum as the kernel's crc32c_le does: without the
// inversions at the start and the end that hash/crc32 makes.
func crc32c(crc uint32, p []byte) uint32 {
	return ^crc32.Update(^crc, castagnoli, p)
}

// crc32cUint32 continues a checksum over a little-endian number.
func crc32cUint32(crc, n uint32) uint32 {
	return crc32cSmall(crc, n, 4)
}

// crc32cSmall continues a checksum over the lowest bytes of a number. crc32.Update
// would have them on the heap.
func crc32cSmall(crc, n uint32, bytes int) uint32 {
	for range bytes {
		crc = castagnoli[byte(crc)^byte(n)] ^ crc>>8
		n >>= 8
	}
	return crc
}

// crc32cWithout continues a checksum over p with the n bytes at off, where
// the checksum itself is stored, taken as zeroes.
func crc32cWithout(crc uint32, p []byte, off, n int) uint32 {
	crc = crc32cSmall(crc32c(crc, p[:off]), 0, n)
	return crc32c(crc, p[off+n:])
}

// crc16 continues the checksum of group descriptors before metadata_csum:
// polynomial 0x8005, bits reversed (the kernel's lib/crc16.c).
func crc16(crc uint16, p []byte) uint16 {
	for _, b := range p {
		crc ^= uint16(b)
		for range 8 {
			odd := crc & 1
			crc >>= 1
			if odd != 0 {
				crc ^= 0xA001
			}
		}
	}
	return crc
}

// crc32be continues the checksum of version 1 of the journal: the polynomial
// of hash/crc32's IEEE, but the highest bit first.
func crc32be(crc uint32, p []byte) uint32 {
	for _, b := range p {
		crc = crc<<8 ^ ieeeHighFirst[byte(crc>>24)^b]
	}
	return crc
}

var ieeeHighFirst = func() (table [256]uint32) {
	for i := range table {
		crc := uint32(i) << 24
		for range 8 {
			high := crc >> 31
			crc = crc<<1 ^ high*0x04C11DB7
		}
		table[i] = crc
	}
	return table
}()
