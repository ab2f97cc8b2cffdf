package fat_test

import (
	"encoding/binary"
	"os"
	"testing"
	"unicode/utf16"
)

// short is the slot of a file: a name of 11 bytes and the attributes.
func short(name string, attr byte) []byte {
	s := make([]byte, 32)
	copy(s, "           ")
	copy(s, name)
	s[11] = attr
	binary.LittleEndian.PutUint16(s[22:], 12<<11|34<<5|56/2)     // 12:34:56
	binary.LittleEndian.PutUint16(s[24:], (2024-1980)<<9|5<<5|6) // 2024-05-06
	binary.LittleEndian.PutUint16(s[16:], (2023-1980)<<9|4<<5|3)
	binary.LittleEndian.PutUint16(s[18:], (2022-1980)<<9|2<<5|1)
	s[13] = 123 // hundredths of a second
	return s
}

// with changes bytes of a slot.
func with(s []byte, at int, b ...byte) []byte {
	copy(s[at:], b)
	return s
}

// long is the slots of a long name, for a short name.
func long(units []uint16, name string) []byte {
	var sum byte
	for i := range 11 {
		c := byte(' ')
		if i < len(name) {
			c = name[i]
		}
		sum = sum>>1 | sum<<7
		sum += c
	}
	n := (len(units) + 12) / 13
	padded := append(append([]uint16{}, units...), 0)
	for len(padded) < n*13 {
		padded = append(padded, 0xFFFF)
	}
	var out []byte
	for i := n; i > 0; i-- {
		s := make([]byte, 32)
		s[0], s[11], s[13] = byte(i), 0x0F, sum
		if i == n {
			s[0] |= 0x40
		}
		part := padded[(i-1)*13:]
		for j, at := range []int{1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30} {
			binary.LittleEndian.PutUint16(s[at:], part[j])
		}
		out = append(out, s...)
	}
	return out
}

func units(s string) []uint16 { return utf16.Encode([]rune(s)) }

// craftedSlots is a directory of what no driver writes, and yet is found on disks.
func craftedSlots() []byte {
	var d []byte
	add := func(parts ...[]byte) {
		for _, p := range parts {
			d = append(d, p...)
		}
	}
	add(short("LOWBASE TXT", 0x20)) // overwritten flags follow
	add(with(short("BASE    TXT", 0x20), 12, 0x08))
	add(with(short("EXT     TXT", 0x20), 12, 0x10))
	add(with(short("BOTH    TXT", 0x20), 12, 0x18))
	add(with(short("\x80\x8E\x99\x9A\xA5\xE2\xE4\xEAABC", 0x20), 12, 0x18))
	add(short("\x81\x84\x94\xE1 \xFF", 0x20))
	add(short("\x05KANJI  TXT", 0x20))
	add(short("IN SIDE TXT", 0x20))
	add(short("NOEXT", 0x20))
	add(short("ZERO\x00GONETX", 0x20))
	add(short("        EXT", 0x20))
	add(short("", 0x20)) // all spaces: not listed
	add(short("LABEL2", 0x08))
	add(short("\xE5ELETED TXT", 0x20))
	add(short("READONLYTXT", 0x21))
	add(short("HIDDEN  SYS", 0x26))
	add(long(units("A good long name.text"), "AGOODL~1TXT"), short("AGOODL~1TXT", 0x20))
	add(long(units("exactly 13 ch"), "EXACT13    "), short("EXACT13", 0x20))
	add(long(units("Smile 😀 and go"), "SMILE~1"), short("SMILE~1", 0x20))
	add(long(units("wrong checksum"), "OTHER~1"), short("WRONG~1", 0x20))
	add(long(units("orphan before an orphan"), "ORPHAN~1"), long(units("owned"), "OWNED~1"), short("OWNED~1", 0x20))
	add(long(units("interrupted by a deleted file"), "INTERR~1"), short("\xE5NTERR~1", 0x20), short("INTERR~1", 0x20))
	add(long(units("the second of three slots is missing"), "MISSIN~1")[:32], long(units("the second of three slots is missing"), "MISSIN~1")[64:], short("MISSIN~1", 0x20))
	add(with(long(units("checksum that changes on the way"), "CHANGE~1"), 32+13, 0x77), short("CHANGE~1", 0x20))
	add(with(long(units("not begun"), "NOTBEG~1"), 0, 0x01), short("NOTBEG~1", 0x20))
	add(with(long(units("slot number too large"), "TOOLAR~1"), 0, 0x7F), short("TOOLAR~1", 0x20))
	// Dates that are none.
	add(with(short("NODATE", 0x20), 14, 0, 0, 0, 0, 0, 0), with(short("NOMTIME", 0x20), 22, 0, 0, 0, 0))
	add(with(short("MONTH15", 0x20), 22, 0xFF, 0xFF, 0xFF, 0xFF))
	add(with(short("CENTIS", 0x20), 13, 255))
	// Linux goes on behind a slot that begins with zero.
	add(make([]byte, 64), short("BEHIND  0", 0x20))
	return d
}

// craft replaces the root directory of a fresh FAT12 volume behind its label.
func craft(tb testing.TB, image string) {
	tb.Helper()
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	boot := make([]byte, 512)
	if _, err := f.ReadAt(boot, 0); err != nil {
		tb.Fatal(err)
	}
	u16 := func(at int) int64 { return int64(binary.LittleEndian.Uint16(boot[at:])) }
	root := (u16(14) + int64(boot[16])*u16(22)) * u16(11)
	if _, err := f.WriteAt(craftedSlots(), root+32); err != nil {
		tb.Fatal(err)
	}
}
