package lvm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/qedfs/qedfs/backend"
)

// On-disk constants of lib/format_text/layout.h and lib/label/label.h.
const (
	sectorSize   = 512
	labelSectors = 4
	labelMagic   = "LABELONE"
	labelType    = "LVM2 001"
	areaMagic    = " LVM2 x[5A%r0N*>"
	areaHeader   = 512 // bytes, and where the ring of texts begins
	idLen        = 32
	initialCRC   = 0xf597a6cf

	rawIgnored = 1 // flag of a location: the area is not in use

	// maxText bounds the metadata of one group, which takes 30 times its length
	// once it is parsed. A volume has less than 1 KiB of it.
	maxText = 4 << 20
)

var le = binary.LittleEndian

// A label is the header of a physical volume.
type label struct {
	id    string // 32 characters without the hyphens
	areas []extent
}

type extent struct{ off, size int64 } // bytes

// checksum is LVM's CRC-32: the usual polynomial, another initial value, no
// inversion at the end (calc_crc in lib/misc/crc.c).
func checksum(b []byte) uint32 {
	return ^crc32.Update(^uint32(initialCRC), crc32.IEEETable, b)
}

// readLabel finds the label in the first sectors of a device. It returns nil
// without an error where there is none.
func readLabel(r io.ReaderAt, size int64) (*label, error) {
	if size < labelSectors*sectorSize {
		return nil, nil
	}
	b := make([]byte, labelSectors*sectorSize)
	if err := readFull(r, b, 0); err != nil {
		return nil, err
	}
	for i := range labelSectors {
		sector := b[i*sectorSize : (i+1)*sectorSize]
		if string(sector[:8]) != labelMagic || string(sector[24:32]) != labelType || le.Uint64(sector[8:]) != uint64(i) {
			continue
		}
		if checksum(sector[20:]) != le.Uint32(sector[16:]) {
			return nil, errors.New("lvm: the label's checksum does not match")
		}
		return parseLabel(sector)
	}
	return nil, nil
}

// parseLabel reads the physical volume header that a label's sector holds:
// an identifier, the device's size, data areas and metadata areas, each list
// ended by zeroes.
func parseLabel(sector []byte) (*label, error) {
	off := le.Uint32(sector[20:])
	if off < 32 || off > sectorSize-idLen-8 {
		return nil, fmt.Errorf("lvm: physical volume header at byte %d of its label", off)
	}
	l := &label{id: string(sector[off : off+idLen])}
	lists := sector[off+idLen+8:]
	for list := 0; list < 2; {
		if len(lists) < 16 {
			return nil, errors.New("lvm: the lists of areas are cut off")
		}
		e := extent{int64(le.Uint64(lists)), int64(le.Uint64(lists[8:]))}
		lists = lists[16:]
		switch {
		case e == extent{}:
			list++
		case list == 1:
			l.areas = append(l.areas, e)
		}
	}
	return l, nil
}

// readArea returns the committed metadata text of an area, nil if it holds
// none.
func readArea(r io.ReaderAt, size int64, area extent) ([]byte, error) {
	if area.off < 0 || area.size < areaHeader || area.off > size-areaHeader || area.size > size-area.off {
		return nil, errors.New("lvm: a metadata area lies outside the device")
	}
	h := make([]byte, areaHeader)
	if err := readFull(r, h, area.off); err != nil {
		return nil, err
	}
	if string(h[4:20]) != areaMagic || checksum(h[4:]) != le.Uint32(h) {
		return nil, errors.New("lvm: the header of the metadata area is damaged")
	}
	off, n := int64(le.Uint64(h[40:])), int64(le.Uint64(h[48:]))
	sum, flags := le.Uint32(h[56:]), le.Uint32(h[60:])
	if n == 0 || flags&rawIgnored != 0 {
		return nil, nil
	}
	if off < areaHeader || off >= area.size || n < 0 || n > area.size-areaHeader || n > maxText {
		return nil, errors.New("lvm: the metadata text lies outside its area")
	}
	text, err := readRing(r, area, off, n)
	if err != nil {
		return nil, err
	}
	if checksum(text) != sum {
		return nil, errors.New("lvm: the metadata text's checksum does not match")
	}
	return text, nil
}

// readRing reads a text that may go on after the area's header when it has
// reached the area's end.
func readRing(r io.ReaderAt, area extent, off, n int64) ([]byte, error) {
	first := min(n, area.size-off)
	var text bytes.Buffer
	// Copying grows the buffer with what is read, not with what is claimed.
	for _, part := range []extent{{off, first}, {areaHeader, n - first}} {
		got, err := io.Copy(&text, io.NewSectionReader(r, area.off+part.off, part.size))
		if err == nil && got != part.size {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, fmt.Errorf("lvm: metadata: %w", err)
		}
	}
	return text.Bytes(), nil
}

func readFull(r io.ReaderAt, b []byte, off int64) error {
	if _, err := backend.ReadFull(r, b, off); err != nil {
		return fmt.Errorf("lvm: %w", err)
	}
	return nil
}
