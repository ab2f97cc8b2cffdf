package vhdx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/qedfs/qedfs/adapters/images/layer"
)

// Places and lengths in the first MiB of a file, in bytes (specification,
// "Header Section").
const (
	fileSignature = "vhdxfile"

	header1At   = 64 << 10
	header2At   = 128 << 10
	headerBytes = 4 << 10

	regions1At   = 192 << 10
	regions2At   = 256 << 10
	regionsBytes = 64 << 10
	regionEntry  = 32
	maxRegions   = 2047

	alignment = 1 << 20 // of regions, the log and blocks
)

// A fileHeader is one of the two headers.
type fileHeader struct {
	sequence  uint64
	dataWrite GUID // changes with the contents of the disk
	logID     GUID // of the entries of the log that count; zero when there are none
	logOffset int64
	logBytes  int64
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checkSum compares a checksum, which counts as zero itself.
func checkSum(b []byte, at int) error {
	want := binary.LittleEndian.Uint32(b[at:])
	sum := crc32.Update(0, castagnoli, b[:at])
	sum = crc32.Update(sum, castagnoli, make([]byte, 4))
	if sum = crc32.Update(sum, castagnoli, b[at+4:]); sum != want {
		return fmt.Errorf("its checksum is %#08x, not %#08x", want, sum)
	}
	return nil
}

// readHeader returns the current header: of those that are valid the one with
// the higher number.
func readHeader(f *layer.File) (*fileHeader, error) {
	var signature [len(fileSignature)]byte
	if err := f.Header(Format, "signature", signature[:], 0); err != nil {
		return nil, err
	}
	if string(signature[:]) != fileSignature {
		return nil, invalid("no signature")
	}
	h1, err1 := parseHeader(f, header1At)
	h2, err2 := parseHeader(f, header2At)
	switch {
	case err1 != nil && err2 != nil:
		return nil, invalid("no header: %w", errors.Join(err1, err2))
	case err1 != nil || err2 == nil && h2.sequence > h1.sequence:
		return h2, nil
	}
	return h1, nil
}

func parseHeader(f *layer.File, at int64) (*fileHeader, error) {
	var b [headerBytes]byte
	if err := f.Header(Format, "header", b[:], at); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	if string(b[:4]) != "head" {
		return nil, fmt.Errorf("header at %d: no signature", at)
	}
	if err := checkSum(b[:], 4); err != nil {
		return nil, fmt.Errorf("header at %d: %w", at, err)
	}
	if v := le.Uint16(b[66:]); v != 1 {
		return nil, fmt.Errorf("header at %d: version %d", at, v)
	}
	if v := le.Uint16(b[64:]); v != 0 {
		return nil, fmt.Errorf("header at %d: log of version %d", at, v)
	}
	offset := le.Uint64(b[72:])
	h := &fileHeader{sequence: le.Uint64(b[8:]), dataWrite: GUID(b[32:]), logID: GUID(b[48:]), logBytes: int64(le.Uint32(b[68:])), logOffset: int64(offset)}
	if offset < alignment || offset > 1<<62 || offset%alignment != 0 || h.logBytes%alignment != 0 {
		return nil, fmt.Errorf("header at %d: a log of %d bytes at %d", at, h.logBytes, offset)
	}
	return h, nil
}

// A region is a part of the file.
type region struct{ offset, bytes int64 }

// readRegions returns where the block allocation table and the metadata are.
func readRegions(f *layer.File) (bat, metadata region, err error) {
	regions, err := parseRegions(f, regions1At)
	if err != nil {
		var err2 error
		if regions, err2 = parseRegions(f, regions2At); err2 != nil {
			return bat, metadata, errors.Join(err, err2)
		}
	}
	bat, ok := regions[regionBAT]
	if metadata = regions[regionMetadata]; !ok || metadata.bytes == 0 {
		return bat, metadata, invalid("no block allocation table, or no metadata")
	}
	return bat, metadata, nil
}

func parseRegions(f *layer.File, at int64) (map[string]region, error) {
	b := make([]byte, regionsBytes)
	if err := f.Header(Format, "region table", b, at); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	if string(b[:4]) != "regi" {
		return nil, invalid("no region table at %d", at)
	}
	if err := checkSum(b, 4); err != nil {
		return nil, invalid("region table at %d: %w", at, err)
	}
	n := le.Uint32(b[8:])
	if n > maxRegions {
		return nil, invalid("region table at %d: %d entries", at, n)
	}
	regions := make(map[string]region)
	for i := range int(n) {
		e := b[16+i*regionEntry:]
		id, offset, length, required := GUID(e).String(), le.Uint64(e[16:]), int64(le.Uint32(e[24:])), le.Uint32(e[28:])&1 != 0
		if id != regionBAT && id != regionMetadata {
			if required {
				return nil, unsupported("the region %s", id)
			}
			continue
		}
		if offset < alignment || offset > 1<<62 || offset%alignment != 0 || length == 0 || length%alignment != 0 {
			return nil, invalid("region %s has %d bytes at %d", id, length, offset)
		}
		if _, twice := regions[id]; twice {
			return nil, invalid("region %s is there twice", id)
		}
		regions[id] = region{int64(offset), length}
	}
	return regions, nil
}
