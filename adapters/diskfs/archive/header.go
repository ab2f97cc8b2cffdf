package archive

import (
	"encoding/binary"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

const blockSize = 512

// Type flags of POSIX ustar and pax.
const (
	typeFile     = '0'
	typeLink     = '1'
	typeSymlink  = '2'
	typeChar     = '3'
	typeBlock    = '4'
	typeDir      = '5'
	typeFIFO     = '6'
	typeExtended = 'x'
)

// header is the head of a member.
type header struct {
	name         string // bytes as stored; of a directory with a slash at the end
	flag         byte
	mode         uint32 // permission bits as Unix stores them
	uid, gid     uint32
	size         int64 // bytes that follow
	mtime        time.Time
	link         string // target of a link of either kind
	major, minor uint32
	xattrs       map[string][]byte
	holes        *sparseMap // nil unless the member is stored without its holes
}

// appendTo appends the blocks of the header: those of its extended records, if
// it needs any, and its own.
func (h *header) appendTo(b []byte) []byte {
	name := h.name
	start := len(b)
	records := records(append(b, make([]byte, blockSize)...)) // after the room for their header
	if h.holes != nil {
		// What knows nothing of sparse files extracts under this name.
		name = sparseName(h.name)
		records.add("GNU.sparse.major", "1")
		records.add("GNU.sparse.minor", "0")
		records.add("GNU.sparse.name", h.name)
		records.addInt("GNU.sparse.realsize", h.holes.realSize)
	}
	prefix, suffix, ok := splitName(name)
	if !ok {
		records.add("path", name)
	}
	if len(h.link) > 100 {
		records.add("linkpath", h.link)
	}
	sec := h.mtime.Unix()
	if h.mtime.Nanosecond() != 0 || !fits(sec, 12) {
		records.add("mtime", paxTime(h.mtime))
	}
	for _, v := range [...]struct {
		key   string
		value int64
		width int
	}{{"uid", int64(h.uid), 8}, {"gid", int64(h.gid), 8}, {"size", h.size, 12}} {
		if !fits(v.value, v.width) {
			records.addInt(v.key, v.value)
		}
	}
	records.addXattrs(h.xattrs)

	b = records[:start]
	if n := len(records) - start - blockSize; n > 0 {
		x := ustar{name: extendedName(h.name), mode: 0o644, size: int64(n), mtime: sec, flag: typeExtended}
		x.appendTo(b) // into the room
		b = pad(records, n)
	}
	u := ustar{
		name: suffix, prefix: prefix, link: h.link, flag: h.flag, mode: h.mode,
		uid: int64(h.uid), gid: int64(h.gid), size: h.size, mtime: sec, major: int64(h.major), minor: int64(h.minor),
	}
	return u.appendTo(b)
}

// ustar is the fields of one header block.
type ustar struct {
	name, prefix, link string
	flag               byte
	mode               uint32
	uid, gid           int64
	size, mtime        int64
	major, minor       int64
}

// appendTo appends the block. What is too long for its field is cut, or 0: an
// extended record says it in full.
func (u *ustar) appendTo(b []byte) []byte {
	var block [blockSize]byte
	copy(block[0:100], u.name)
	octal(block[100:108], int64(u.mode))
	octal(block[108:116], u.uid)
	octal(block[116:124], u.gid)
	octal(block[124:136], u.size)
	octal(block[136:148], u.mtime)
	block[156] = u.flag
	copy(block[157:257], u.link)
	copy(block[257:265], "ustar\x0000")
	if u.flag == typeChar || u.flag == typeBlock {
		device(block[329:337], u.major)
		device(block[337:345], u.minor)
	}
	copy(block[345:500], u.prefix)

	octal(block[148:155], checksum(&block))
	block[155] = ' '
	return append(b, block[:]...)
}

// checksum is the sum of a block's bytes, whose own field, empty yet, counts as
// spaces. It adds eight bytes at a time, in lanes of 16 bits.
func checksum(block *[blockSize]byte) int64 {
	const lanes = 0x00ff00ff00ff00ff
	var sums uint64
	for i := 0; i < blockSize; i += 8 {
		v := binary.LittleEndian.Uint64(block[i:])
		sums += v&lanes + v>>8&lanes // at most 64 times 510
	}
	return int64(sums&0xffff+sums>>16&0xffff+sums>>32&0xffff+sums>>48) + 8*' '
}

// fits reports whether a number can be written into an octal field, which
// ends in a NUL.
func fits(n int64, width int) bool { return n >= 0 && n < 1<<(3*(width-1)) }

func octal(field []byte, n int64) {
	if !fits(n, len(field)) {
		n = 0
	}
	for i := len(field) - 2; i >= 0; i-- {
		field[i] = byte('0' + n&7)
		n >>= 3
	}
}

// device writes a device number, for which pax has no record: one that is too
// large is written in binary, as GNU tar does.
func device(field []byte, n int64) {
	if fits(n, len(field)) {
		octal(field, n)
		return
	}
	for i := len(field) - 1; i > 0; i-- {
		field[i] = byte(n)
		n >>= 8
	}
	field[0] = 0x80
}

// splitName divides a name between the fields prefix and name, at a slash.
func splitName(name string) (prefix, suffix string, ok bool) {
	if len(name) <= 100 {
		return "", name, true
	}
	// The slash between them is stored nowhere; a directory keeps its last.
	end := min(len(name)-1, 156)
	i := strings.LastIndexByte(name[:end], '/')
	if i <= 0 || len(name)-i-1 > 100 {
		return "", name, false
	}
	return name[:i], name[i+1:], true
}

// records is a sequence of pax records: "LENGTH KEY=VALUE\n", where LENGTH
// counts the whole record.
type records []byte

func (r *records) add(key, value string) {
	rest := len(key) + len(value) + 3 // the space, '=' and the newline
	n := rest + len(strconv.Itoa(rest))
	n = rest + len(strconv.Itoa(n))
	*r = strconv.AppendInt(*r, int64(n), 10)
	*r = append(*r, ' ')
	*r = append(*r, key...)
	*r = append(*r, '=')
	*r = append(*r, value...)
	*r = append(*r, '\n')
}

func (r *records) addInt(key string, n int64) { r.add(key, strconv.FormatInt(n, 10)) }

// keyEscapes are how GNU tar writes what would end a record's key, and what it
// would read as such an escape.
var keyEscapes = strings.NewReplacer("=", "%3D", "%", "%25")

// addXattrs adds extended attributes. GNU tar takes access control lists as
// text alone, libarchive takes both.
func (r *records) addXattrs(xattrs map[string][]byte) {
	if len(xattrs) == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(xattrs)) {
		if strings.Contains(name, "\x00") {
			continue // no system has such a name
		}
		key, value := "SCHILY.xattr."+keyEscapes.Replace(name), string(xattrs[name])
		if text, ok := aclText(xattrs[name]); ok {
			switch name {
			case "system.posix_acl_access":
				key, value = "SCHILY.acl.access", text
			case "system.posix_acl_default":
				key, value = "SCHILY.acl.default", text
			}
		}
		r.add(key, value)
	}
}

// paxTime is a time as a decimal number of seconds.
func paxTime(t time.Time) string {
	sec, nsec, sign := t.Unix(), int64(t.Nanosecond()), ""
	if sec < 0 {
		sign = "-"
		sec = -sec
		if nsec > 0 {
			sec, nsec = sec-1, 1e9-nsec
		}
	}
	s := sign + strconv.FormatInt(sec, 10)
	if nsec == 0 {
		return s
	}
	digits := strconv.FormatInt(1e9+nsec, 10)[1:]
	return s + "." + strings.TrimRight(digits, "0")
}

// extendedName and sparseName are the names that GNU tar gives to what is no
// file of its own.
func extendedName(name string) string { return insertDir(name, "PaxHeaders") }
func sparseName(name string) string   { return insertDir(name, "GNUSparseFile.0") }

func insertDir(name, dir string) string {
	name = strings.TrimSuffix(name, "/")
	i := strings.LastIndexByte(name, '/') + 1
	return name[:i] + dir + "/" + name[i:]
}

// pad appends what is missing from n bytes to a whole block.
func pad(b []byte, n int) []byte {
	var zeroes [blockSize]byte
	return append(b, zeroes[:(blockSize-n%blockSize)%blockSize]...)
}
