package wof

import "errors"

// ErrCorrupt is returned for a chunk that is not validly compressed.
var ErrCorrupt = errors.New("not validly compressed")

// Algorithm is the number by which a reparse point names a compression.
type Algorithm uint32

// The algorithms, with the size of their chunks.
const (
	XPRESS4K  Algorithm = 0
	LZX32K    Algorithm = 1
	XPRESS8K  Algorithm = 2
	XPRESS16K Algorithm = 3
)

// ChunkSize returns how many bytes of the file are compressed together, 0 for an
// algorithm that is not known.
func (a Algorithm) ChunkSize() int64 {
	switch a {
	case XPRESS4K:
		return 4 << 10
	case XPRESS8K:
		return 8 << 10
	case XPRESS16K:
		return 16 << 10
	case LZX32K:
		return 32 << 10
	}
	return 0
}

// A Decoder holds the tables of a chunk. The zero value is ready; it is for one
// goroutine at a time.
type Decoder struct {
	in                           input
	main, length, aligned, first code
	lengths                      [mainSymbols + lengthSymbols]byte
}

// Decode decompresses a chunk. It fills dst, whose length is at most that of a
// chunk.
func (d *Decoder) Decode(a Algorithm, dst, src []byte) error {
	if int64(len(dst)) > a.ChunkSize() {
		return ErrCorrupt
	}
	if len(src) == len(dst) {
		copy(dst, src)
		return nil
	}
	if a == LZX32K {
		return d.lzx(dst, src)
	}
	return d.xpress(dst, src)
}

// copyMatch appends length bytes from distance before at to dst[:at]. The two
// may overlap.
func copyMatch(dst []byte, at, distance, length int) error {
	if distance > at || length > len(dst)-at {
		return ErrCorrupt
	}
	if distance >= length {
		copy(dst[at:at+length], dst[at-distance:])
		return nil
	}
	for end := at + length; at < end; at++ {
		dst[at] = dst[at-distance]
	}
	return nil
}
