package ntfs

import "github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/utf16name"

// decodeUTF16 turns a stored name into UTF-8.
func decodeUTF16(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = le.Uint16(b[2*i:])
	}
	return string(utf16name.Append(nil, units))
}

// upcase is the volume's table of upper-case letters, by which names are
// ordered.
type upcase []uint16

func (u upcase) upper(c uint16) uint16 {
	if int(c) < len(u) {
		return u[c]
	}
	return c
}

// compare orders names as a directory does: by their letters regardless of
// case, then by case.
func (u upcase) compare(a []uint16, b []byte) int {
	order := 0
	for i := 0; i < len(a) && 2*i+1 < len(b); i++ {
		c := le.Uint16(b[2*i:])
		if x, y := u.upper(a[i]), u.upper(c); x != y {
			return int(x) - int(y)
		}
		if order == 0 {
			order = int(a[i]) - int(c)
		}
	}
	if n := len(a) - len(b)/2; n != 0 {
		return n
	}
	return order
}
