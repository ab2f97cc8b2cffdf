package qcow2

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"

	"github.com/qedfs/qedfs/adapters/images/layer"
)

const (
	format     = "qcow2"
	magic      = "QFI\xfb"
	sectorSize = 512

	headerLenV2 = 72
	headerLenV3 = 104 // the least of version 3

	minClusterBits = 9
	maxClusterBits = 21
	subclusters    = 32                   // of a cluster, with extended L2 entries
	minExtended    = 14                   // cluster bits for them: a subcluster has a sector at least
	maxL1Entries   = 32 << 20 / entrySize // QEMU's QCOW_MAX_L1_SIZE
	entrySize      = 8

	maxNameLen   = 1023 // of a backing or data file: QEMU's limit
	maxFormatLen = 15   // of the name of a backing file's format
)

// Incompatible features (docs/interop/qcow2.txt, "Header").
const (
	featureDirty       = 1 << iota // refcounts may be wrong: of no concern to a reader
	featureCorrupt                 // some metadata is known to be wrong
	featureDataFile                // guest clusters are in an external file
	featureCompression             // the compression type is not zlib
	featureExtendedL2              // L2 entries with subclusters

	knownFeatures = featureDirty | featureCorrupt | featureDataFile | featureCompression | featureExtendedL2
)

const (
	compatLazyRefcounts  = 1 << 0
	autoclearBitmaps     = 1 << 0
	autoclearDataFileRaw = 1 << 1
)

// Compression types.
const (
	compressionZlib = 0
	compressionZstd = 1
)

// header is the header of an image, validated.
type header struct {
	version     int
	clusterBits uint
	size        int64 // of the disk, in bytes, whole sectors

	l1Offset  int64
	l1Entries int64

	refcounts        int64 // where the refcount table is
	refcountClusters int64 // of the table

	snapshots       uint32
	snapshotsOffset int64

	incompatible  uint64
	compatible    uint64
	autoclear     uint64
	refcountOrder uint
	compression   uint8

	backingFile   string
	backingFormat string // empty when not stated
	dataFile      string // empty when not stated
	bitmaps       bitmapsExtension
	names         map[int]string // of incompatible features, by bit
}

func (h *header) clusterSize() int64 { return 1 << h.clusterBits }
func (h *header) extendedL2() bool   { return h.incompatible&featureExtendedL2 != 0 }
func (h *header) hasDataFile() bool  { return h.incompatible&featureDataFile != 0 }

// l2EntryBits is log2 of the bytes of an L2 entry.
func (h *header) l2EntryBits() uint {
	if h.extendedL2() {
		return 4
	}
	return 3
}

// l2Bits is log2 of the entries of an L2 table.
func (h *header) l2Bits() uint { return h.clusterBits - h.l2EntryBits() }

// neededL1 is how many L1 entries a disk of size bytes needs.
func (h *header) neededL1(size int64) int64 {
	span := h.clusterBits + h.l2Bits()
	n := size >> span
	if size&(1<<span-1) != 0 {
		n++
	}
	return n
}

// readHeader reads and validates the header of an image in a file of fileSize
// bytes.
func readHeader(r io.ReaderAt, fileSize int64) (*header, error) {
	var b [headerLenV3 + 8]byte
	n, err := r.ReadAt(b[:], 0)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("qcow2: read the header: %w", err)
	}
	if n < headerLenV2 || string(b[:4]) != magic {
		return nil, layer.Invalid(format, "no header")
	}
	be := binary.BigEndian
	h := &header{version: int(be.Uint32(b[4:]))}
	if h.version != 2 && h.version != 3 {
		return nil, layer.Unsupported(format, "version %d", be.Uint32(b[4:]))
	}
	length := int64(headerLenV2)
	h.refcountOrder = 4
	if h.version == 3 {
		length = int64(be.Uint32(b[100:]))
		if n < headerLenV3 || length < headerLenV3 {
			return nil, layer.Invalid(format, "a header of %d bytes", length)
		}
		h.incompatible, h.compatible, h.autoclear = be.Uint64(b[72:]), be.Uint64(b[80:]), be.Uint64(b[88:])
		if order := be.Uint32(b[96:]); order <= 6 {
			h.refcountOrder = uint(order)
		} else {
			return nil, layer.Invalid(format, "refcounts of 2^%d bits", order)
		}
		if length > headerLenV3 {
			h.compression = b[headerLenV3]
		}
	}
	if err := h.decodeGeometry(b[:], length, fileSize); err != nil {
		return nil, err
	}
	if err := h.readExtensions(r, length, int64(be.Uint64(b[8:])), int64(be.Uint32(b[16:]))); err != nil {
		return nil, err
	}
	return h, h.checkFeatures(be.Uint32(b[32:]))
}

// decodeGeometry decodes and checks sizes and the places of tables.
func (h *header) decodeGeometry(b []byte, length, fileSize int64) error {
	be := binary.BigEndian
	clusterBits := be.Uint32(b[20:])
	if clusterBits < minClusterBits || clusterBits > maxClusterBits {
		return layer.Invalid(format, "clusters of 2^%d bytes", clusterBits)
	}
	h.clusterBits = uint(clusterBits)
	if length > h.clusterSize() {
		return layer.Invalid(format, "a header of %d bytes in clusters of %d", length, h.clusterSize())
	}
	if h.extendedL2() && clusterBits < minExtended {
		return layer.Invalid(format, "subclusters in clusters of %d bytes", h.clusterSize())
	}
	size := be.Uint64(b[24:])
	if size > math.MaxInt64 {
		return layer.Invalid(format, "a disk of %d bytes", size)
	}
	h.size = int64(size) &^ (sectorSize - 1) // as QEMU: a sector that is not whole is not there

	h.l1Entries = int64(be.Uint32(b[36:]))
	h.l1Offset = int64(be.Uint64(b[40:]))
	if err := h.checkL1(h.l1Offset, h.l1Entries, fileSize); err != nil {
		return err
	}
	if need := h.neededL1(h.size); h.l1Entries < need {
		return layer.Invalid(format, "an L1 table of %d entries for a disk that needs %d", h.l1Entries, need)
	}
	h.refcounts, h.refcountClusters = int64(be.Uint64(b[48:])), int64(be.Uint32(b[56:]))
	h.snapshots = be.Uint32(b[60:])
	h.snapshotsOffset = int64(be.Uint64(b[64:]))
	return nil
}

// checkL1 checks the place of an L1 table: it must be in the file, so that an
// image that was cut off does not look like an empty one.
func (h *header) checkL1(offset, entries, fileSize int64) error {
	switch {
	case entries > maxL1Entries:
		return layer.Invalid(format, "an L1 table of %d entries, more than %d", entries, maxL1Entries)
	case offset < 0 || offset&(h.clusterSize()-1) != 0:
		return layer.Invalid(format, "an L1 table at %#x", uint64(offset))
	case entries > 0 && offset > fileSize-entries*entrySize:
		return layer.Invalid(format, "the L1 table at %#x, of %d entries, is past the end of the file of %d bytes", offset, entries, fileSize)
	}
	return nil
}

// checkFeatures refuses what is not read here.
func (h *header) checkFeatures(crypt uint32) error {
	if crypt != 0 {
		return layer.Unsupported(format, "the image is encrypted")
	}
	if unknown := h.incompatible &^ knownFeatures; unknown != 0 {
		return layer.Unsupported(format, "feature %s", h.featureName(bits.TrailingZeros64(unknown)))
	}
	switch {
	case h.compression > compressionZstd:
		return layer.Unsupported(format, "compression type %d", h.compression)
	case (h.compression != compressionZlib) != (h.incompatible&featureCompression != 0):
		return layer.Invalid(format, "compression type %d contradicts the feature bits", h.compression)
	case h.hasDataFile() && h.dataFile == "":
		return layer.Invalid(format, "the data file is not named")
	}
	return nil
}
