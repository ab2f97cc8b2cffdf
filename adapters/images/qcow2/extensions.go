package qcow2

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/qedfs/qedfs/adapters/images/layer"
)

// Header extensions (docs/interop/qcow2.txt, "Header extensions").
const (
	extensionEnd           = 0
	extensionBackingFormat = 0xe2792aca
	extensionFeatures      = 0x6803f857
	extensionBitmaps       = 0x23852875
	extensionDataFile      = 0x44415441

	featureNameLen = 48
	maxFeatures    = 3 * 64
)

// bitmapsExtension says where the directory of persistent dirty bitmaps is.
type bitmapsExtension struct {
	count  uint32
	size   uint64 // of the directory, in bytes
	offset uint64
}

// readExtensions reads what follows the fixed header of length bytes: the
// extensions, and the name of the backing file.
func (h *header) readExtensions(r io.ReaderAt, length, backing, backingLen int64) error {
	end := h.clusterSize()
	if backing != 0 {
		if backing < 0 || backing > end || backingLen > min(maxNameLen, end-backing) {
			return layer.Invalid(format, "a backing file name of %d bytes at %#x", backingLen, uint64(backing))
		}
		end = backing
		name := make([]byte, backingLen)
		if _, err := r.ReadAt(name, backing); err != nil && err != io.EOF {
			return fmt.Errorf("qcow2: read the backing file's name: %w", err)
		}
		h.backingFile = string(name)
	}
	s := bufio.NewReaderSize(io.NewSectionReader(r, length, max(0, end-length)), 512)
	var features []byte
	for left := end - length; left >= 8; {
		var head [8]byte
		if _, err := io.ReadFull(s, head[:]); err != nil {
			break // the file ends, and so do the extensions
		}
		kind, n := binary.BigEndian.Uint32(head[:]), int64(binary.BigEndian.Uint32(head[4:]))
		if kind == extensionEnd {
			break
		}
		left -= 8
		if n > left {
			return layer.Invalid(format, "header extension %#x of %d bytes", kind, n)
		}
		data, err := h.readExtension(s, kind, n)
		if err != nil {
			return err
		}
		if kind == extensionFeatures {
			features = data
		}
		skip := min(left, (n+7)&^7) - int64(len(data))
		if _, err := s.Discard(int(skip)); err != nil {
			break
		}
		left -= (n + 7) &^ 7
	}
	h.nameFeatures(features)
	return nil
}

// readExtension reads the data of an extension that is of use, and decodes it.
// It returns as much as it has read.
func (h *header) readExtension(s io.Reader, kind uint32, n int64) ([]byte, error) {
	limit := int64(0)
	switch kind {
	case extensionBackingFormat:
		limit = maxFormatLen
	case extensionDataFile:
		limit = maxNameLen
	case extensionBitmaps:
		limit = 24
	case extensionFeatures:
		n = min(n, maxFeatures*featureNameLen)
		limit = n
	default:
		return nil, nil
	}
	if n > limit || kind == extensionBitmaps && n < limit {
		return nil, layer.Invalid(format, "header extension %#x of %d bytes", kind, n)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(s, data); err != nil {
		return nil, layer.Invalid(format, "header extension %#x is cut off", kind)
	}
	switch kind {
	case extensionBackingFormat:
		h.backingFormat = string(data)
	case extensionDataFile:
		h.dataFile = string(data)
	case extensionBitmaps:
		be := binary.BigEndian
		h.bitmaps = bitmapsExtension{be.Uint32(data), be.Uint64(data[8:]), be.Uint64(data[16:])}
	}
	return data, nil
}

// nameFeatures keeps what the image calls its incompatible features.
func (h *header) nameFeatures(table []byte) {
	h.names = make(map[int]string)
	for ; len(table) >= featureNameLen; table = table[featureNameLen:] {
		name, _, _ := strings.Cut(string(table[2:featureNameLen]), "\x00")
		if table[0] == 0 && table[1] < 64 && name != "" {
			h.names[int(table[1])] = name
		}
	}
}

// featureName is what the image calls an incompatible feature.
func (h *header) featureName(bit int) string {
	if name, ok := h.names[bit]; ok {
		return fmt.Sprintf("%q (bit %d)", name, bit)
	}
	return "bit " + strconv.Itoa(bit)
}
