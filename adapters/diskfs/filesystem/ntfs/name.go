package ntfs

import (
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/utf16name"
)

// decodeUTF16 turns a stored name into UTF-8.
func decodeUTF16(b []byte) string {
	return new(nameReader).name(b)
}

// nameReader turns many names into UTF-8 in few allocations.
type nameReader struct {
	units []uint16
	utf8  []byte
	names fstree.Strings
}

func (r *nameReader) name(b []byte) string {
	r.units = r.units[:0]
	for ; len(b) >= 2; b = b[2:] {
		r.units = append(r.units, le.Uint16(b))
	}
	r.utf8 = utf16name.Append(r.utf8[:0], r.units)
	return r.names.String(r.utf8)
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
