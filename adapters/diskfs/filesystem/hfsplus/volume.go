package hfsplus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	fsType     = "hfsplus"
	headerAt   = 1024
	headerSize = 512
)

// Attributes of a volume.
const (
	attrUnmounted    = 1 << 8
	attrInconsistent = 1 << 11
	attrJournaled    = 1 << 13
)

var be = binary.BigEndian

func damage(structure string, block int64, format string, args ...any) error {
	return &fstree.DamageError{FS: fsType, Structure: structure, Block: block, Why: fmt.Sprintf(format, args...)}
}

// volume is what the volume header says, checked.
type volume struct {
	cache     *fstree.Cache
	base      int64 // byte where the volume begins inside its wrapper
	end       int64 // and ends, as far as the wrapper says; -1: it has none
	block     int64 // bytes
	blocks    int64
	free      int64
	attrs     uint32
	journal   uint32 // block of the description of the journal
	sensitive bool   // names differ by case
	notes     []string
	copied    error // why the copy of the header is used

	extents, catalog, attributes *btree

	// The numbers of the folders that hold what has several names, looked up once.
	privateFiles, privateFolders func() (uint32, error)
}

func openVolume(cache *fstree.Cache) (*volume, error) {
	v := &volume{cache: cache, end: -1}
	v.privateFiles = sync.OnceValues(func() (uint32, error) { return v.private(privateFiles) })
	v.privateFolders = sync.OnceValues(func() (uint32, error) { return v.private(privateFolders) })
	if cache.Size() < headerAt+headerSize {
		return nil, fmt.Errorf("hfsplus: a volume of %d bytes: %w", cache.Size(), fstree.ErrNotThis)
	}
	h, err := cache.Bytes(headerAt, headerSize)
	if err == nil && string(h[:2]) == "BD" {
		if err := v.unwrap(h); err != nil {
			return nil, err
		}
		h, err = cache.Bytes(v.base+headerAt, headerSize)
	}
	if err != nil {
		err = fmt.Errorf("hfsplus: volume header: %w", err)
	} else {
		err = v.parse(h)
	}
	if err != nil {
		if second := v.copy(h); second == nil || v.parse(second) != nil {
			return nil, err
		}
		v.copied = fmt.Errorf("the volume header is damaged and its copy is used: %w", err)
		h, err = cache.Bytes(v.copyAt(), headerSize)
		if err != nil {
			return nil, fmt.Errorf("hfsplus: %w", err)
		}
	}
	return v, v.trees(h)
}

// unwrap finds the volume inside an HFS volume (TN1150, "HFS Wrapper").
func (v *volume) unwrap(h []byte) error {
	if s := string(h[0x7c:0x7e]); s != "H+" && s != "HX" {
		return fmt.Errorf("hfsplus: an old HFS volume: %w", fstree.ErrNotThis)
	}
	block, first := int64(be.Uint32(h[20:])), int64(be.Uint16(h[28:]))
	v.base = first*512 + int64(be.Uint16(h[0x7e:]))*block
	v.end = v.base + int64(be.Uint16(h[0x80:]))*block
	if block == 0 || block%512 != 0 || v.base+headerAt+headerSize > v.cache.Size() {
		return damage("wrapper", -1, "a volume at byte %d", v.base)
	}
	return nil
}

// copyAt is where the copy of the header lies.
func (v *volume) copyAt() int64 {
	end := v.cache.Size()
	if v.end > 0 {
		end = min(end, v.end)
	}
	return end - 1024
}

// copy returns the copy of the header, if the first one says that it is of this kind, or
// cannot be read.
func (v *volume) copy(first []byte) []byte {
	if first != nil && string(first[:2]) != "H+" && string(first[:2]) != "HX" {
		return nil
	}
	b, err := v.cache.Bytes(v.copyAt(), headerSize)
	if err != nil || first != nil && !bytes.Equal(first[104:112], b[104:112]) { // of another volume
		return nil
	}
	return b
}

// parse decodes and checks a header.
func (v *volume) parse(h []byte) error {
	version := be.Uint16(h[2:])
	switch string(h[:2]) {
	case "H+", "HX":
	default:
		return fmt.Errorf("hfsplus: %w", fstree.ErrNotThis)
	}
	v.attrs, v.journal = be.Uint32(h[4:]), be.Uint32(h[12:])
	v.block, v.blocks, v.free = int64(be.Uint32(h[40:])), int64(be.Uint32(h[44:])), int64(be.Uint32(h[48:]))
	switch {
	case version < 4 || version > 5:
		return damage("volume header", -1, "version %d", version)
	case v.block < 512 || v.block > 1<<27 || v.block&(v.block-1) != 0:
		return damage("volume header", -1, "blocks of %d bytes", v.block)
	case v.blocks == 0 || v.free > v.blocks:
		return damage("volume header", -1, "%d blocks free of %d", v.free, v.blocks)
	}
	return nil
}

// trees opens the B-trees. Without the attributes there are still files.
func (v *volume) trees(h []byte) (err error) {
	if v.extents, err = v.openTree("extents file", fileExtents, h[192:272]); err != nil {
		return err
	}
	if v.catalog, err = v.openTree("catalog file", fileCatalog, h[272:352]); err != nil {
		return err
	}
	v.sensitive = string(h[:2]) == "HX" && v.catalog.binary
	if be.Uint32(h[352+12:]) > 0 {
		v.attributes, err = v.openTree("attributes file", fileAttributes, h[352:432])
		if err != nil {
			v.attributes = nil
			v.notes = append(v.notes, fmt.Sprintf("extended attributes cannot be read: %v", err))
		}
	}
	return nil
}

// state notes what a reader should know, and says whether the volume was in use.
func (v *volume) state() (dirty bool) {
	dirty = v.attrs&attrUnmounted == 0 || v.attrs&attrInconsistent != 0
	if v.attrs&attrJournaled == 0 {
		if dirty {
			v.notes = append(v.notes, "the filesystem was not unmounted cleanly")
		}
		return dirty
	}
	switch holds, err := v.journalHolds(); {
	case err != nil:
		v.notes = append(v.notes, fmt.Sprintf("the journal cannot be read: %v", err))
	case holds:
		dirty = true
		v.notes = append(v.notes, "the filesystem was not unmounted cleanly, and its journal is not replayed")
	case dirty:
		v.notes = append(v.notes, "the filesystem was not unmounted cleanly; its journal is empty")
	}
	return dirty
}

// journalHolds reports whether the journal has transactions (struct journal_header in
// Apple's hfs_journal.h, in the byte order of who wrote it).
func (v *volume) journalHolds() (bool, error) {
	b, err := v.cache.Bytes(v.base+int64(v.journal)*v.block, 52)
	if err != nil {
		return false, err
	}
	const inVolume = 1
	if be.Uint32(b)&inVolume == 0 {
		return false, errors.New("it is on another device")
	}
	at := be.Uint64(b[36:])
	if at > uint64(v.cache.Size()) {
		return false, damage("journal", -1, "at byte %d", at)
	}
	if b, err = v.cache.Bytes(v.base+int64(at), 24); err != nil {
		return false, err
	}
	for _, order := range [...]binary.ByteOrder{binary.LittleEndian, be} {
		if order.Uint32(b) == 0x4a4e4c78 && order.Uint32(b[4:]) == 0x12345678 {
			return order.Uint64(b[8:]) != order.Uint64(b[16:]), nil
		}
	}
	return false, damage("journal", -1, "no magic number")
}
