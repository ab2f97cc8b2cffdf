package qedfile

import (
	"fmt"
	"strings"
)

// SetBackingOptions says what is stored with the name of a backing file.
type SetBackingOptions struct {
	// Raw says that the file is raw and not to be probed.
	Raw bool
}

// SetBacking changes the name of the backing file in the header, and nothing
// else: it is for those who know that the new file shows what the old one
// did. An empty name removes the backing file. The open image goes on reading
// through the chain that it was opened with.
//
// The name goes to offset 64, as qemu puts it, unless a crash could then mix it
// with the old one: the header and a name of up to 448 bytes are one sector,
// which changes as a whole; a longer one goes where the old one is not. It must
// fit into the header area and have at most 1023 bytes, which every
// version of qemu opens. No compat bits are known here: an image that has
// some can only lose its backing file, anything else is [ErrUnsupported].
func (m *Image) SetBacking(name string, opts *SetBackingOptions) error {
	if opts == nil {
		opts = &SetBackingOptions{}
	}
	w := &m.write
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := m.checkWritable(); err != nil {
		return err
	}
	if err := m.flushTables(); err != nil {
		return err
	}
	if err := m.syncStorage(); err != nil {
		return err
	}
	h := m.Header()
	if err := h.setBacking(name, opts.Raw); err != nil {
		return err
	}
	b := h.encode()
	update := b[:]
	if h.nameInSector() {
		update = append(update, name...)
	} else {
		if err := m.writeFile([]byte(name), int64(h.backingNameOffset)); err != nil {
			return err
		}
		if err := m.syncStorage(); err != nil {
			return err
		}
	}
	if err := m.writeFile(update, 0); err != nil {
		return err
	}
	if err := m.syncStorage(); err != nil {
		return err
	}
	m.header.Store(h)
	w.ordered = w.ordered || name != ""
	return nil
}

// setBacking changes the fields of the header that tell of a backing file.
func (h *Header) setBacking(name string, raw bool) error {
	oldStart, oldEnd := int64(h.backingNameOffset), int64(h.backingNameOffset)+int64(h.backingNameSize)
	if h.Features&FeatureBacking == 0 {
		oldEnd = 0
	}
	h.Features &^= FeatureBacking | FeatureNoProbe
	h.BackingFile, h.backingNameOffset, h.backingNameSize = name, headerLen, uint32(len(name))
	if name == "" {
		return nil
	}
	switch room := h.dataStart() - headerLen; {
	case h.CompatFeatures != 0:
		return fmt.Errorf("%w: compat features %x of an image that gets a backing file", ErrUnsupported, h.CompatFeatures)
	case int64(len(name)) > min(room, maxNewBackingName):
		return fmt.Errorf("%w: a backing file name of %d bytes where %d fit", ErrRange, len(name), min(room, maxNewBackingName))
	case strings.IndexByte(name, 0) >= 0:
		return invalid("a backing file name with a NUL")
	}
	h.Features |= FeatureBacking
	if raw {
		h.Features |= FeatureNoProbe
	}
	if end := headerLen + int64(len(name)); end > sectorSize && oldStart < end && oldEnd > headerLen {
		h.backingNameOffset = uint32(oldEnd)
		if oldEnd+int64(len(name)) > h.dataStart() {
			return fmt.Errorf("%w: a backing file name of %d bytes beside the old one", ErrRange, len(name))
		}
	}
	return nil
}

// nameInSector reports whether the name of the backing file follows the header
// in its sector.
func (h *Header) nameInSector() bool {
	return h.backingNameOffset == headerLen && headerLen+len(h.BackingFile) <= sectorSize
}
