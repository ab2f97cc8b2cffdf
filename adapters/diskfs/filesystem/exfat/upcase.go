package exfat

import (
	"encoding/binary"
	"unicode"
)

// maxUpcase is the longest upper-case table, in bytes: a unit each.
const maxUpcase = 65536 * 2

// upcase maps UTF-16 units to upper case, as the volume has it.
type upcase [65536]uint16

func (u *upcase) equal(a, b []uint16) bool {
	for i := range a {
		if u[a[i]] != u[b[i]] {
			return false
		}
	}
	return true
}

// parseUpcase reads a table, in which 0xFFFF and a number stand for so many
// units that are their own upper case (section 7.2.5).
func parseUpcase(b []byte) *upcase {
	u := identity()
	at := 0
	for ; len(b) >= 2 && at < len(u); b = b[2:] {
		x := binary.LittleEndian.Uint16(b)
		if x == 0xFFFF && len(b) >= 4 {
			at += int(binary.LittleEndian.Uint16(b[2:]))
			b = b[2:]
			continue
		}
		u[at] = x
		at++
	}
	return u
}

// unicodeUpcase is for a volume whose table is damaged.
func unicodeUpcase() *upcase {
	u := identity()
	for i := range u {
		if r := unicode.ToUpper(rune(i)); r < 0xFFFF {
			u[i] = uint16(r)
		}
	}
	return u
}

func identity() *upcase {
	u := new(upcase)
	for i := range u {
		u[i] = uint16(i)
	}
	return u
}

// tableChecksum is stored with the upper-case table (section 7.2.2).
func tableChecksum(b []byte) uint32 {
	var sum uint32
	for _, c := range b {
		sum = sum>>1 | sum<<31
		sum += uint32(c)
	}
	return sum
}
