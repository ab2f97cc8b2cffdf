package udf

import (
	"encoding/binary"
	"fmt"
	"time"
	"unicode/utf16"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const fsType = "udf"

var le = binary.LittleEndian

// Numbers of descriptor tags (ECMA-167, 3/7.2.1 and 4/7.2.1).
const (
	tagAnchor         = 2
	tagPointer        = 3
	tagPartition      = 5
	tagLogicalVolume  = 6
	tagTerminating    = 8
	tagIntegrity      = 9
	tagFileSet        = 256
	tagFileIdentifier = 257
	tagAllocation     = 258
	tagIndirect       = 259
	tagFile           = 261
	tagExtendedFile   = 266
)

// tagSize is the length of a descriptor's tag in bytes.
const tagSize = 16

// checkTag says what is wrong with a descriptor that should be one of some kinds,
// recorded for a block: "" is nothing.
func checkTag(b []byte, block uint32, kinds ...uint16) string {
	sum := byte(0)
	for i, c := range b[:tagSize] {
		if i != 4 {
			sum += c
		}
	}
	kind := le.Uint16(b)
	known := false
	for _, k := range kinds {
		known = known || k == kind
	}
	n := int(le.Uint16(b[10:]))
	switch {
	case sum != b[4]:
		return "the tag's checksum is wrong"
	case !known:
		return fmt.Sprintf("the tag is %d", kind)
	case le.Uint32(b[12:]) != block:
		return fmt.Sprintf("it was recorded for block %d", le.Uint32(b[12:]))
	case n > len(b)-tagSize:
		return "its CRC is of more than a block"
	case crc(b[tagSize:tagSize+n]) != le.Uint16(b[8:]):
		return "wrong CRC"
	}
	return ""
}

// crc is the CRC of descriptors: x^16 + x^12 + x^5 + 1, the highest bit first
// (ECMA-167, 1/7.2.6).
func crc(b []byte) uint16 {
	var c uint16
	for _, x := range b {
		c ^= uint16(x) << 8
		for range 8 {
			if c&0x8000 != 0 {
				c = c<<1 ^ 0x1021
			} else {
				c <<= 1
			}
		}
	}
	return c
}

func damage(structure string, block int64, why string) error {
	return &fstree.DamageError{FS: fsType, Structure: structure, Block: block, Why: why}
}

// address is a block of a partition (lb_addr).
type address struct {
	block uint32
	part  uint16
}

// extent is a run of a file as it is stored: a long_ad, or a short_ad, which
// lies in the partition of its file.
type extent struct {
	length uint32 // bytes
	kind   uint32 // 0 recorded, 1 allocated and not recorded, 2 neither, 3 goes on elsewhere
	address
}

// extentLong decodes a long_ad.
func extentLong(b []byte) extent {
	n := le.Uint32(b)
	return extent{n & (1<<30 - 1), n >> 30, address{le.Uint32(b[4:]), le.Uint16(b[8:])}}
}

// name decodes an OSTA compressed unicode string (UDF 2.60, 2.1.1): of bytes, or of
// units of 16 bits.
func name(b []byte) (string, bool) {
	if len(b) == 0 {
		return "", true
	}
	switch b[0] {
	case 8:
		runes := make([]rune, len(b)-1)
		for i, c := range b[1:] {
			runes[i] = rune(c)
		}
		return string(runes), true
	case 16:
		units := make([]uint16, (len(b)-1)/2)
		for i := range units {
			units[i] = binary.BigEndian.Uint16(b[1+2*i:])
		}
		return string(utf16.Decode(units)), true
	}
	return "", false
}

// field decodes a dstring, whose last byte is its length.
func field(b []byte) string {
	n := int(b[len(b)-1])
	s, _ := name(b[:min(n, len(b)-1)])
	return s
}

// timestamp decodes a time as Linux does (fs/udf/udftime.c): a zone that is not
// known is UTC, and parts of a second that are none are left out.
func timestamp(b []byte) time.Time {
	zone := le.Uint16(b)
	var offset int16
	if zone>>12 == 1 {
		offset = int16(zone<<4) >> 4 // minutes
		if offset == -2047 {
			offset = 0
		}
	}
	nanos := 0
	if b[9] < 100 && b[10] < 100 && b[11] < 100 {
		nanos = 1000 * (int(b[9])*10000 + int(b[10])*100 + int(b[11]))
	}
	t := time.Date(int(int16(le.Uint16(b[2:]))), time.Month(b[4]), int(b[5]), int(b[6]), int(b[7]), int(b[8]), nanos, time.UTC)
	return t.Add(-time.Duration(offset) * time.Minute)
}
