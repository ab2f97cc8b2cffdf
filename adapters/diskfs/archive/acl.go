package archive

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// aclText turns a POSIX access control list as the kernel stores it in an
// extended attribute (include/uapi/linux/posix_acl_xattr.h: version 2, then
// tag, permissions and id of each entry) into its text form, with numeric ids.
func aclText(b []byte) (string, bool) {
	if len(b) < 4 || (len(b)-4)%8 != 0 || binary.LittleEndian.Uint32(b) != 2 {
		return "", false
	}
	var entries []string
	for b = b[4:]; len(b) > 0; b = b[8:] {
		tag, perm, id := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:]), binary.LittleEndian.Uint32(b[4:])
		var who string
		switch tag {
		case 0x01:
			who = "user:"
		case 0x02:
			who = fmt.Sprintf("user:%d", id)
		case 0x04:
			who = "group:"
		case 0x08:
			who = fmt.Sprintf("group:%d", id)
		case 0x10:
			who = "mask:"
		case 0x20:
			who = "other:"
		default:
			return "", false
		}
		rwx := []byte("rwx")
		for i, bit := range [...]uint16{4, 2, 1} {
			if perm&bit == 0 {
				rwx[i] = '-'
			}
		}
		entries = append(entries, who+":"+string(rwx))
	}
	return strings.Join(entries, ","), true
}
