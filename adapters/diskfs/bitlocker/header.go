package bitlocker

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
	"unicode/utf16"
)

const (
	metadataSize = 64 << 10 // bytes of a copy of the metadata
	blockHeader  = 64       // of a copy
	headerSize   = 48       // of the entries
	signature    = "-FVE-FS-"
	stateNormal  = 4 // of a volume that is encrypted
)

// Which kind of volume it is, in its header.
var (
	kindNormal         = guid{0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a, 0x83, 0x99, 0xf6, 0xa3, 0x39, 0xe3, 0xd0, 0x01}
	kindEncryptOnWrite = guid{0x3b, 0x4d, 0xa8, 0x92, 0x80, 0xdd, 0x0e, 0x4d, 0x9e, 0x4e, 0xb1, 0xe3, 0x28, 0x4e, 0xae, 0xd8}
)

// placement says what of a volume is not data at its place.
type placement struct {
	size     int64
	sector   int64
	metadata [3]int64 // where the copies are
	header   span     // where the first sectors are kept
}

type span struct{ offset, size int64 }

// readMetadata reads the header of the volume, and the first copy of the metadata
// that is sound.
func (c *Container) readMetadata(size int64) error {
	var b [512]byte
	if n, err := c.data.ReadAt(b[:], 0); n < len(b) {
		if errors.Is(err, io.EOF) {
			return ErrNotThis
		}
		return err
	}
	if err := c.readHeader(b[:]); err != nil {
		return err
	}
	c.place.size = size &^ (c.place.sector - 1)
	var damaged error
	for i, at := range c.place.metadata {
		block, err := c.copyAt(at, size)
		if err == nil {
			err = c.readCopy(block)
		}
		if err == nil {
			if damaged != nil {
				c.info.Notes = append(c.info.Notes, fmt.Sprintf("copy %d of the BitLocker metadata is used: %v", i+1, damaged))
			}
			return nil
		}
		if errors.Is(err, ErrUnsupported) {
			return err
		}
		damaged = errors.Join(damaged, fmt.Errorf("copy %d at byte %d: %w", i+1, at, err))
		c.locks, c.key = nil, sealed{}
	}
	return damaged
}

// readHeader reads the first sector.
func (c *Container) readHeader(b []byte) error {
	c.place.sector = int64(le.Uint16(b[11:]))
	at := 0
	switch {
	case string(b[3:11]) == signature && bytes.HasPrefix(b, []byte{0xeb, 0x52, 0x90}):
		return fmt.Errorf("a volume of Windows Vista: %w", ErrUnsupported)
	case string(b[3:11]) == signature:
		at = 160
	case string(b[3:11]) == "MSWIN4.1" && (guid(b[424:440]) == kindNormal || guid(b[424:440]) == kindEncryptOnWrite):
		at = 424
	default:
		return ErrNotThis
	}
	if c.place.sector == 0 {
		c.place.sector = 512
	}
	if c.place.sector != 512 && c.place.sector != 4096 {
		return fmt.Errorf("sectors of %d bytes: %w", c.place.sector, ErrUnsupported)
	}
	switch kind := guid(b[at : at+16]); kind {
	case kindNormal:
	case kindEncryptOnWrite:
		return fmt.Errorf("encryption on write: %w", ErrUnsupported)
	default:
		return fmt.Errorf("a volume of the kind %s: %w", kind, ErrUnsupported)
	}
	for i := range c.place.metadata {
		c.place.metadata[i] = int64(le.Uint64(b[at+16+8*i:]))
	}
	return nil
}

// copyAt reads a copy of the metadata and checks it as a whole.
func (c *Container) copyAt(at, size int64) ([]byte, error) {
	if at <= 0 || at > size-blockHeader-headerSize || at%c.place.sector != 0 {
		return nil, fmt.Errorf("outside the volume: %w", ErrDamaged)
	}
	b := make([]byte, min(metadataSize, size-at))
	if n, err := c.data.ReadAt(b, at); n < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	if string(b[:8]) != signature {
		return nil, fmt.Errorf("no metadata: %w", ErrDamaged)
	}
	n := int(le.Uint16(b[8:])) * 16
	if n < blockHeader+headerSize || n > len(b)-8 {
		return nil, fmt.Errorf("metadata of %d bytes: %w", n, ErrDamaged)
	}
	if checksum(b[:n]) != le.Uint32(b[n+4:]) { // which comes after what it is of
		return nil, fmt.Errorf("wrong checksum: %w", ErrDamaged)
	}
	return b[:n], nil
}

// readCopy reads a copy of the metadata.
func (c *Container) readCopy(b []byte) error {
	if version := le.Uint16(b[10:]); version != 2 {
		return fmt.Errorf("metadata of version %d: %w", version, ErrUnsupported)
	}
	if now, next := le.Uint16(b[12:]), le.Uint16(b[14:]); now != stateNormal || next != stateNormal {
		return fmt.Errorf("being encrypted or decrypted (state %d, next %d): %w", now, next, ErrUnsupported)
	}
	h := b[blockHeader:]
	length := int64(le.Uint32(h))
	if length < headerSize || length > int64(len(h)) {
		return fmt.Errorf("entries of %d bytes: %w", length, ErrDamaged)
	}
	c.info.Version, c.info.UUID = 2, guid(h[16:32]).String()
	c.info.SectorSize, c.info.Size, c.info.Created = c.place.sector, c.place.size, filetime(le.Uint64(h[40:]))
	if err := c.setMode(le.Uint16(h[36:])); err != nil {
		return err
	}
	c.place.header = span{int64(le.Uint64(b[56:])), int64(le.Uint32(b[28:])) * c.place.sector}
	if claimed := le.Uint64(b[16:]); claimed != uint64(c.place.size) {
		c.info.Notes = append(c.info.Notes, fmt.Sprintf("BitLocker encrypted %d bytes of a volume of %d", claimed, c.place.size))
	}
	for i := range c.place.metadata {
		c.place.metadata[i] = int64(le.Uint64(b[32+8*i:]))
	}
	return c.readEntries(h[headerSize:length])
}

// readEntries reads what the metadata holds.
func (c *Container) readEntries(b []byte) error {
	found := false
	for e, err := range entries(b) {
		if err != nil {
			return err
		}
		switch {
		case e.kind == entryMasterKey && e.value == valueMasterKey:
			l, err := newLock(e.data)
			if err != nil {
				return err
			}
			c.locks = append(c.locks, l)
		case e.kind == entryDataKey && e.value == valueSealedKey && !found:
			if c.key, err = e.sealedKey(); err != nil {
				return err
			}
			found = true
		case e.kind == entryDescription && e.value == valueString:
			c.info.Description = text(e.data)
		case e.kind == entryHeaderBlock && e.value == valueRange && len(e.data) >= 16:
			c.place.header = span{int64(le.Uint64(e.data)), int64(le.Uint64(e.data[8:]))}
		}
	}
	if !found {
		return fmt.Errorf("no key of the data: %w", ErrDamaged)
	}
	if h := c.place.header; h.offset <= 0 || h.size <= 0 || (h.offset|h.size)&(c.place.sector-1) != 0 || h.size > c.place.size || h.offset > c.place.size-h.size {
		return fmt.Errorf("%d bytes of first sectors at byte %d: %w", h.size, h.offset, ErrDamaged)
	}
	for _, at := range c.place.metadata {
		if at < 0 || at&(c.place.sector-1) != 0 {
			return fmt.Errorf("a copy at byte %d: %w", at, ErrDamaged)
		}
	}
	return nil
}

// What protectors protect by, in two bytes.
var kinds = map[uint16]string{
	0x0000: ClearKey, 0x0100: "TPM", 0x0200: StartupKey, 0x0400: "network", 0x0500: "TPM and PIN", 0x0600: "TPM and startup key",
	0x0700: "TPM, PIN and startup key", 0x0800: RecoveryPassword, 0x1000: "smart card", 0x2000: Password,
}

// newLock reads a protector.
func newLock(b []byte) (lock, error) {
	const header = 28
	if len(b) < header {
		return lock{}, fmt.Errorf("a protector of %d bytes: %w", len(b), ErrDamaged)
	}
	l := lock{id: guid(b[:16])}
	kind := le.Uint16(b[26:])
	l.ID, l.Kind = l.id.String(), kinds[kind]
	if l.Kind == "" {
		l.Kind = fmt.Sprintf("protector %#x", kind)
	}
	for e, err := range entries(b[header:]) {
		if err != nil {
			return lock{}, fmt.Errorf("protector %s: %w", l.ID, err)
		}
		switch {
		case e.value == valueString && l.Name == "":
			l.Name = text(e.data)
		case e.value == valueStretchKey && len(e.data) >= keyMethod+16 && l.salt == nil:
			l.salt = e.data[keyMethod : keyMethod+16]
		case e.value == valueKey && len(e.data) > keyMethod:
			l.clear = e.data[keyMethod:]
		case e.value == valueSealedKey && !l.sealed:
			if l.master, err = e.sealedKey(); err != nil {
				return lock{}, fmt.Errorf("protector %s: %w", l.ID, err)
			}
			l.sealed = true
		}
	}
	return l, nil
}

// text reads UTF-16 that ends with a 0.
func text(b []byte) string {
	var units []uint16
	for ; len(b) >= 2 && le.Uint16(b) != 0; b = b[2:] {
		units = append(units, le.Uint16(b))
	}
	return string(utf16.Decode(units))
}

// filetime is a time in units of 100 ns since 1601.
func filetime(t uint64) time.Time {
	const seconds = 11644473600 // from then to 1970
	return time.Unix(int64(t/1e7)-seconds, int64(t%1e7)*100).UTC()
}

func checksum(b []byte) uint32 { return crc32.ChecksumIEEE(b) }
