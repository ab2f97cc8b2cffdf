package fat

import (
	"encoding/binary"
	"io/fs"
	"slices"
	"unicode/utf8"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/utf16name"
)

// dirent is the size of a directory's slot, in bytes.
const dirent = 32

// Bits of a slot's attribute byte.
const (
	attrReadOnly = 0x01
	attrVolume   = 0x08
	attrDir      = 0x10
	attrLong     = 0x0F // exactly: a slot of a long name
)

// First bytes of a slot's name.
const (
	markFree    = 0x00
	markDeleted = 0xE5
	markKanji   = 0x05 // stands for 0xE5, the first byte of a name
)

// slot is 32 bytes of a directory.
type slot []byte

func (s slot) attr() byte        { return s[11] }
func (s slot) isLong() bool      { return s[11] == attrLong }
func (s slot) isDir() bool       { return s[11]&attrDir != 0 }
func (s slot) size() int64       { return int64(binary.LittleEndian.Uint32(s[28:])) }
func (s slot) u16(at int) uint16 { return binary.LittleEndian.Uint16(s[at:]) }

// isFile says whether it is the slot of a file or directory, and not free, a
// part of a long name or the volume's label.
func (s slot) isFile() bool {
	return s[0] != markFree && s[0] != markDeleted && s[11]&attrVolume == 0
}

// isDot says whether it is "." or "..".
func (s slot) isDot() bool {
	return string(s[:11]) == ".          " || string(s[:11]) == "..         "
}

// mode is what Linux shows to root with the usual umask of 022. It does not
// take the read-only attribute of a directory for a permission.
func (s slot) mode() fs.FileMode {
	if s.attr()&attrReadOnly != 0 && !s.isDir() {
		return 0o555
	}
	return s.kind() | 0o755
}

func (s slot) kind() fs.FileMode {
	if s.isDir() {
		return fs.ModeDir
	}
	return 0
}

// checksum ties the slots of a long name to the short one that follows them.
func (s slot) checksum() byte {
	var sum byte
	for _, c := range s[:11] {
		sum = sum>>1 | sum<<7
		sum += c
	}
	return sum
}

// appendShort appends the short name in UTF-8, or nothing if there is none.
// Windows NT keeps in byte 12 that the base (bit 3) or the extension (bit 4)
// of a name is all lower case.
func (s slot) appendShort(b []byte, cp *codepage) []byte {
	stem := [8]byte(s[:8])
	if stem[0] == markKanji {
		stem[0] = 0xE5
	}
	b = appendPart(b, stem[:], cp, s[12]&0x08 != 0)
	base := len(b)
	b = appendPart(append(b, '.'), s[8:11], cp, s[12]&0x10 != 0)
	if len(b) == base+1 {
		b = b[:base]
	}
	return b
}

// appendPart appends bytes of a code page up to a zero, without the spaces
// that fill them up.
func appendPart(b, part []byte, cp *codepage, lower bool) []byte {
	table := &cp.upper
	if lower {
		table = &cp.lower
	}
	last := len(b)
	for _, c := range part {
		if c == 0 {
			break
		}
		b = utf8.AppendRune(b, table[c])
		if c != ' ' {
			last = len(b)
		}
	}
	return b[:last]
}

const (
	slotUnits = 13 // UTF-16 units of a name in one slot
	maxSlots  = 20 // of one name
)

// longName gathers a long name from the slots before a short one, by the
// rules of Linux (fs/fat/dir.c, fat_parse_long): they come last part first,
// numbered down to 1, and all carry the checksum of the short name. Slots
// that do not fit are orphans and mean nothing.
type longName struct {
	units  [maxSlots * slotUnits]uint16
	slots  int // of the whole name; 0 when there is none
	wanted int // number of the slot that has to follow; 0 when all are there
	sum    byte
}

func (l *longName) reset() { l.slots = 0 }

// add takes the next slot.
func (l *longName) add(s slot) {
	number := int(s[0] &^ 0x40)
	if l.slots == 0 || l.wanted == 0 || number != l.wanted || s[13] != l.sum {
		if s[0]&0x40 == 0 || number == 0 || number > maxSlots {
			l.reset()
			return
		}
		l.slots, l.sum = number, s[13]
	}
	part := l.units[(number-1)*slotUnits:]
	for i := range 5 {
		part[i] = s.u16(1 + 2*i)
	}
	for i := range 6 {
		part[5+i] = s.u16(14 + 2*i)
	}
	part[11], part[12] = s.u16(28), s.u16(30)
	l.wanted = number - 1
}

// append appends the name in UTF-8 if it is whole and belongs to the short
// one.
func (l *longName) append(b []byte, short slot) []byte {
	if l.slots == 0 || l.wanted != 0 || l.sum != short.checksum() {
		return b
	}
	units := l.units[:l.slots*slotUnits]
	if n := slices.Index(units, 0); n >= 0 {
		units = units[:n]
	}
	return utf16name.Append(b, units)
}
