package qedfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"

	"github.com/qedfs/qedfs/backend"
)

// Limits of the format (QED specification, section "Header").
const (
	minClusterSize = 4 << 10
	maxClusterSize = 64 << 20
	minTableSize   = 1
	maxTableSize   = 16

	headerLen  = 64  // bytes of the header that are defined
	sectorSize = 512 // unit of image sizes and of atomic header writes
	entrySize  = 8   // bytes of a table entry

	// maxDiskSize is the length of any disk in qemu (BDRV_MAX_LENGTH). The end
	// of the last cluster of such a disk still fits into 63 bits.
	maxDiskSize = 1<<63 - 1<<30

	// maxBackingName is the longest name that current qemu opens; files made
	// here keep to maxNewBackingName, which every version opens.
	maxBackingName    = 4095
	maxNewBackingName = 1023
)

const magic = "QED\x00"

// Feature bits of [Header.Features]. A reader must refuse any other.
const (
	FeatureBacking   uint64 = 1 << iota // the image has a backing file
	FeatureNeedCheck                    // not closed properly: check before writing
	FeatureNoProbe                      // the backing file is raw, whatever it looks like

	knownFeatures = FeatureBacking | FeatureNeedCheck | FeatureNoProbe
)

// Header is the validated header of an image.
type Header struct {
	ClusterSize       int64  // bytes, a power of two from 4 KiB to 64 MiB
	TableSize         int64  // clusters of an L1 or L2 table, a power of two from 1 to 16
	HeaderSize        int64  // clusters before the first that may be allocated; an image with 0 can only be read
	Features          uint64 // Feature bits
	CompatFeatures    uint64 // may be ignored, kept as they are
	AutoclearFeatures uint64 // cleared when the image is opened for writing
	L1TableOffset     int64  // bytes
	ImageSize         int64  // bytes of the disk, a multiple of 512
	BackingFile       string // name as stored, up to a NUL; "" when there is none
	backingNameOffset uint32
	backingNameSize   uint32
}

// NeedCheck reports whether the image was not closed properly by its last
// writer.
func (h *Header) NeedCheck() bool { return h.Features&FeatureNeedCheck != 0 }

// BackingRaw reports whether the backing file is to be read as raw without
// looking at it.
func (h *Header) BackingRaw() bool { return h.Features&FeatureNoProbe != 0 }

// checkChangeable refuses an image without a header area for writing. qemu
// opens it, and takes the header itself for a table or a leaked cluster; its
// repair destroys such an image.
func (h *Header) checkChangeable() error {
	if h.HeaderSize == 0 {
		return fmt.Errorf("%w: writing to an image with a header area of 0 clusters", ErrUnsupported)
	}
	return nil
}

// entries is the number of entries of a table.
func (h *Header) entries() int64 { return h.TableSize * h.ClusterSize / entrySize }

// tableBytes is the length of an L1 or L2 table.
func (h *Header) tableBytes() int64 { return h.TableSize * h.ClusterSize }

// dataStart is the end of the header area: no cluster lies before it.
func (h *Header) dataStart() int64 { return h.HeaderSize * h.ClusterSize }

// MaxImageSize is the largest size, in bytes, that the geometry can address:
// entries squared times the cluster size, but at most 2^63-2^30, the longest
// disk that qemu opens. (qemu computes the first modulo 2^64 and so refuses the
// largest geometries; the specification has no such rule.)
func (h *Header) MaxImageSize() int64 { return maxImageSize(h.ClusterSize, h.TableSize) }

func maxImageSize(clusterSize, tableSize int64) int64 {
	entries := bits.Len64(uint64(tableSize*clusterSize/entrySize)) - 1
	if shift := 2*entries + bits.Len64(uint64(clusterSize)) - 1; shift < 63 {
		return 1 << shift
	}
	return maxDiskSize
}

// ReadHeader reads and validates the header of the image that r holds, and
// the name of its backing file, which need not exist. It is all of an image
// that can be known without opening it.
func ReadHeader(r backend.Reader) (*Header, error) {
	fileSize, err := r.Size()
	if err != nil {
		return nil, errorf("read header: %w", err)
	}
	var buf [headerLen]byte
	n, err := r.ReadAt(buf[:min(headerLen, fileSize)], 0)
	if err != nil && err != io.EOF {
		return nil, errorf("read header: %w", err)
	}
	h, err := parseHeader(buf[:n], fileSize)
	if err != nil {
		return nil, err
	}
	if h.Features&FeatureBacking == 0 || h.backingNameSize == 0 {
		return h, nil
	}
	name := make([]byte, h.backingNameSize)
	if n, err := r.ReadAt(name, int64(h.backingNameOffset)); n < len(name) {
		return nil, errorf("read backing file name: %w", unexpectedEOF(err))
	}
	// qemu takes the name for a C string.
	name, _, _ = bytes.Cut(name, []byte{0})
	h.BackingFile = string(name)
	return h, nil
}

// parseHeader validates the first bytes of an image, in the order in which
// qemu does. b may be shorter than the header: what a file lacks reads as
// zeroes, as qemu pads a file to whole sectors. fileSize is the length of the
// file in bytes. The backing file's name is left to ReadHeader.
func parseHeader(b []byte, fileSize int64) (*Header, error) {
	if fileSize == 0 {
		return nil, headerError(FieldMagic, "the file is empty")
	}
	var buf [headerLen]byte
	copy(buf[:], b)
	le := binary.LittleEndian
	if string(buf[:4]) != magic {
		return nil, headerError(FieldMagic, "it does not begin with %q", magic)
	}
	h := &Header{
		ClusterSize:       int64(le.Uint32(buf[4:])),
		TableSize:         int64(le.Uint32(buf[8:])),
		HeaderSize:        int64(le.Uint32(buf[12:])),
		Features:          le.Uint64(buf[16:]),
		CompatFeatures:    le.Uint64(buf[24:]),
		AutoclearFeatures: le.Uint64(buf[32:]),
		backingNameOffset: le.Uint32(buf[56:]),
		backingNameSize:   le.Uint32(buf[60:]),
	}
	if unknown := h.Features &^ knownFeatures; unknown != 0 {
		return nil, fmt.Errorf("%w: QED features %x", ErrUnsupported, unknown)
	}
	if !validClusterSize(h.ClusterSize) {
		return nil, headerError(FieldClusterSize, "cluster size %d is not a power of two from %d to %d", h.ClusterSize, minClusterSize, maxClusterSize)
	}
	if !validTableSize(h.TableSize) {
		return nil, headerError(FieldTableSize, "table size %d is not a power of two from %d to %d clusters", h.TableSize, minTableSize, maxTableSize)
	}
	size := le.Uint64(buf[48:])
	if size%sectorSize != 0 || size > uint64(h.MaxImageSize()) {
		return nil, headerError(FieldImageSize, "image size %d is not a multiple of %d up to %d", size, sectorSize, h.MaxImageSize())
	}
	h.ImageSize = int64(size)
	if h.HeaderSize > math.MaxUint32/h.ClusterSize {
		return nil, headerError(FieldHeaderSize, "header of %d clusters", h.HeaderSize)
	}
	l1 := le.Uint64(buf[40:])
	if why := h.checkTable(l1, h.usableSize(fileSize)); why != "" {
		return nil, headerError(FieldL1Table, "L1 table at %#x: %s", l1, why)
	}
	h.L1TableOffset = int64(l1)
	if h.Features&FeatureBacking != 0 {
		end := int64(h.backingNameOffset) + int64(h.backingNameSize)
		if end > h.dataStart() {
			return nil, headerError(FieldBackingName, "backing file name ends at %d, outside the header area of %d bytes", end, h.dataStart())
		}
		if h.backingNameSize > maxBackingName {
			return nil, headerError(FieldBackingName, "backing file name of %d bytes is longer than %d", h.backingNameSize, maxBackingName)
		}
	}
	return h, nil
}

// encode returns the header's defined bytes. What follows them in the header
// area belongs to others and is never rewritten.
func (h *Header) encode() [headerLen]byte {
	var b [headerLen]byte
	le := binary.LittleEndian
	copy(b[:], magic)
	le.PutUint32(b[4:], uint32(h.ClusterSize))
	le.PutUint32(b[8:], uint32(h.TableSize))
	le.PutUint32(b[12:], uint32(h.HeaderSize))
	le.PutUint64(b[16:], h.Features)
	le.PutUint64(b[24:], h.CompatFeatures)
	le.PutUint64(b[32:], h.AutoclearFeatures)
	le.PutUint64(b[40:], uint64(h.L1TableOffset))
	le.PutUint64(b[48:], uint64(h.ImageSize))
	le.PutUint32(b[56:], h.backingNameOffset)
	le.PutUint32(b[60:], h.backingNameSize)
	return b
}

func validClusterSize(n int64) bool {
	return n >= minClusterSize && n <= maxClusterSize && n&(n-1) == 0
}

func validTableSize(n int64) bool {
	return n >= minTableSize && n <= maxTableSize && n&(n-1) == 0
}

// usableSize is the part of a file of n bytes that counts as clusters: n
// rounded up to a sector, as qemu sees a file, then down to a cluster. The
// last cluster may so lack up to 511 bytes.
func (h *Header) usableSize(n int64) int64 {
	return roundUp(n, sectorSize) / h.ClusterSize * h.ClusterSize
}

// roundUp returns the next multiple of unit, a power of two, from n on; at the
// end of the range of int64 the last one.
func roundUp(n, unit int64) int64 {
	return (min(n, math.MaxInt64-unit) + unit - 1) &^ (unit - 1)
}

// checkCluster returns what is wrong with a cluster's offset, or "". usable is
// the file's usableSize.
func (h *Header) checkCluster(off uint64, usable int64) string {
	switch {
	case off%uint64(h.ClusterSize) != 0:
		return "not a multiple of the cluster size"
	case off < uint64(h.dataStart()):
		return "inside the header area"
	case off >= uint64(usable):
		return "past the end of the file"
	}
	return ""
}

// checkTable is checkCluster for a table: its first and its last cluster must
// lie in the file. A table of one cluster is legal; qemu refuses it by a
// mistake in its test for wrap-around.
func (h *Header) checkTable(off uint64, usable int64) string {
	if why := h.checkCluster(off, usable); why != "" {
		return why
	}
	if int64(off) > usable-h.tableBytes() {
		return "the table reaches past the end of the file"
	}
	return ""
}
