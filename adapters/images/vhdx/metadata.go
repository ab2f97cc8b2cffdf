package vhdx

import (
	"encoding/binary"

	"github.com/qedfs/qedfs/adapters/images/layer"
)

// The metadata table (specification, "Metadata Region").
const (
	metadataSignature = "metadata"
	metadataBytes     = 64 << 10 // of the table; the items lie behind it
	metadataEntry     = 32
	maxMetadata       = 2047

	flagRequired = 1 << 2 // of an item: who does not know it must not open the file

	flagHasParent = 1 << 1 // of the file parameters

	maxItem = 64 << 10 // bytes of an item that are read
)

// Limits of the format.
const (
	minBlockSize = 1 << 20
	maxBlockSize = 256 << 20
	maxDiskSize  = 64 << 40
)

// Metadata describes the disk.
type Metadata struct {
	Size           int64 // bytes
	BlockSize      int64 // bytes
	LogicalSector  int64 // bytes: 512 or 4096
	PhysicalSector int64 // bytes: 512 or 4096
	DiskID         GUID  // that the guest sees
	HasParent      bool
	Parent         map[string]string // of the parent locator, by key
}

func readMetadata(f *layer.File, r region) (*Metadata, error) {
	items, err := readItems(f, r)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	for id, n := range map[string]int{itemFileParameters: 8, itemDiskSize: 8, itemLogicalSector: 4} {
		if len(items[id]) < n {
			return nil, invalid("metadata: item %s has %d bytes", id, len(items[id]))
		}
	}
	flags, size := le.Uint32(items[itemFileParameters][4:]), le.Uint64(items[itemDiskSize])
	m := &Metadata{
		BlockSize:     int64(le.Uint32(items[itemFileParameters])),
		LogicalSector: int64(le.Uint32(items[itemLogicalSector])),
		HasParent:     flags&flagHasParent != 0,
	}
	if b := items[itemPhysicalSector]; len(b) >= 4 {
		m.PhysicalSector = int64(le.Uint32(b))
	}
	if b := items[itemPage83]; len(b) >= 16 {
		m.DiskID = GUID(b)
	}
	switch {
	case m.BlockSize < minBlockSize || m.BlockSize > maxBlockSize || m.BlockSize&(m.BlockSize-1) != 0:
		return nil, invalid("blocks of %d bytes", m.BlockSize)
	case m.LogicalSector != 512 && m.LogicalSector != 4096:
		return nil, invalid("logical sectors of %d bytes", m.LogicalSector)
	case size > maxDiskSize || size%uint64(m.LogicalSector) != 0:
		return nil, invalid("a disk of %d bytes", size)
	}
	m.Size = int64(size)
	if m.HasParent {
		m.Parent, err = parseLocator(items[itemParentLocator])
	}
	return m, err
}

// readItems returns the items that this package knows, by their identity.
func readItems(f *layer.File, r region) (map[string][]byte, error) {
	table := make([]byte, metadataBytes)
	if err := f.Header(Format, "metadata", table, r.offset); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	if string(table[:len(metadataSignature)]) != metadataSignature {
		return nil, invalid("no metadata at %d", r.offset)
	}
	n := int(le.Uint16(table[10:]))
	if n > maxMetadata {
		return nil, invalid("metadata with %d items", n)
	}
	items := make(map[string][]byte)
	for i := range n {
		e := table[32+i*metadataEntry:]
		id, offset, length, flags := GUID(e).String(), int64(le.Uint32(e[16:])), int64(le.Uint32(e[20:])), le.Uint32(e[24:])
		switch id {
		case itemFileParameters, itemDiskSize, itemPage83, itemLogicalSector, itemPhysicalSector, itemParentLocator:
		default:
			if flags&flagRequired != 0 {
				return nil, unsupported("the metadata item %s", id)
			}
			continue
		}
		if _, twice := items[id]; twice || offset < metadataBytes || length > maxItem || offset+length > r.bytes {
			return nil, invalid("metadata: item %s has %d bytes at %d, or is there twice", id, length, offset)
		}
		b := make([]byte, length)
		if err := f.Header(Format, "metadata", b, r.offset+offset); err != nil {
			return nil, err
		}
		items[id] = b
	}
	return items, nil
}

// parseLocator reads a parent locator: its type, and pairs of strings.
func parseLocator(b []byte) (map[string]string, error) {
	le := binary.LittleEndian
	if len(b) < 20 {
		return nil, invalid("a parent locator of %d bytes", len(b))
	}
	if id := GUID(b).String(); id != locatorVHDX {
		return nil, unsupported("parents of type %s", id)
	}
	pairs := make(map[string]string)
	for i := range int(le.Uint16(b[18:])) {
		at := 20 + 12*i
		if at+12 > len(b) {
			return nil, invalid("the parent locator ends after %d entries", i)
		}
		text := func(at, n int) string {
			if at < 0 || at > len(b) || n > len(b)-at {
				return ""
			}
			return layer.UTF16(b[at:at+n], le)
		}
		e := b[at:]
		key := text(int(le.Uint32(e)), int(le.Uint16(e[8:])))
		pairs[key] = text(int(le.Uint32(e[4:])), int(le.Uint16(e[10:])))
	}
	return pairs, nil
}

// Keys of a parent locator.
const (
	keyLinkage  = "parent_linkage"  // identity of the parent's contents
	keyLinkage2 = "parent_linkage2" // another one, while the parent is changed
	keyRelative = "relative_path"
	keyAbsolute = "absolute_win32_path"
	keyVolume   = "volume_path"
)

// parentNames returns the names of the parent, the best first.
func (m *Metadata) parentNames() []string {
	return layer.ParentNames([]string{m.Parent[keyRelative]}, []string{m.Parent[keyAbsolute], m.Parent[keyVolume]})
}

// isParent reports whether an image has the contents that the parent had.
func (m *Metadata) isParent(dataWrite GUID) bool {
	for _, key := range []string{keyLinkage, keyLinkage2} {
		if id, ok := parseGUID(m.Parent[key]); ok && id == dataWrite {
			return true
		}
	}
	return false
}
