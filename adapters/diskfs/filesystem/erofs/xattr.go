package erofs

import (
	"fmt"
	"sync"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// xattrPrefixes are the beginnings of names of attributes by their number.
var xattrPrefixes = map[byte]string{
	1: "user.", 2: "system.posix_acl_access", 3: "system.posix_acl_default", 4: "trusted.", 6: "security.",
}

// longPrefix marks a number that is of a prefix in the volume's own list.
const longPrefix = 0x80

// prefixes are the long beginnings of names that the volume lists.
type prefixes struct {
	count int
	at    int64

	mu   sync.Mutex
	list []string
}

// longPrefixes reads the list (erofs_xattr_prefixes_init).
func (e *engine) longPrefixes() ([]string, error) {
	p := &e.prefixes
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.list != nil || p.count == 0 || !e.has(incompatPrefixes) {
		return p.list, nil
	}
	read := e.cache.Bytes
	if e.compat&compatPlainPrefixes == 0 {
		if e.has(incompatBox) {
			read = e.box.read
		} else if e.has(incompatFragments) && e.packed.nid != 0 {
			read = e.packed.read
		}
	}
	var list []string
	for at := p.at; len(list) < p.count; {
		at = (at + 3) &^ 3
		b, err := read(at, 2)
		if err != nil {
			return nil, fmt.Errorf("erofs: prefixes of attributes: %w", err)
		}
		n := int64(le.Uint16(b))
		if n == 0 || n > 256 {
			return nil, damage("prefixes of attributes", -1, fmt.Sprintf("one of %d bytes", n))
		}
		if b, err = read(at+2, n); err != nil {
			return nil, fmt.Errorf("erofs: prefixes of attributes: %w", err)
		}
		name, ok := xattrPrefixes[b[0]]
		if ok {
			name += string(b[1:])
		}
		list = append(list, name)
		at += 2 + n
	}
	p.list = list
	return list, nil
}

// Xattrs implements [fstree.Engine].
func (e *engine) Xattrs(id fstree.ID) (map[string][]byte, error) {
	in, err := e.inode(id.Ino)
	if err != nil || in.xattrs == 0 {
		return nil, err
	}
	long, err := e.longPrefixes()
	if err != nil {
		return nil, err
	}
	b, err := in.slots.Bytes(in.end-in.xattrs, in.xattrs)
	if err != nil {
		return nil, fmt.Errorf("erofs: attributes of inode %d: %w", in.nid, err)
	}
	broken := damage("attributes of "+in.name(), -1, "end early")
	list := map[string][]byte{}
	shared := int(b[4])
	if 12+4*shared > len(b) {
		return nil, broken
	}
	common := slots{e, e.has(incompatBox) && e.compat&compatSharedInBox != 0}
	for i := range shared {
		at := e.xattrs + int64(le.Uint32(b[12+4*i:]))*4
		head, err := common.Bytes(at, 4)
		if err != nil {
			return list, broken
		}
		entry, err := common.Bytes(at, 4+int64(head[0])+int64(le.Uint16(head[2:])))
		if err != nil {
			return list, broken
		}
		addXattr(list, entry, long)
	}
	for b = b[12+4*shared:]; len(b) >= 4; {
		n := 4 + int(b[0]) + int(le.Uint16(b[2:]))
		if n == 4 && b[1] == 0 {
			return list, nil // what is left is empty
		}
		if n > len(b) {
			return list, broken
		}
		addXattr(list, b[:n], long)
		b = b[min((n+3)&^3, len(b)):]
	}
	return list, nil
}

// addXattr adds an attribute, unless its prefix is none that Linux shows.
func addXattr(list map[string][]byte, entry []byte, long []string) {
	n := 4 + int(entry[0])
	prefix := xattrPrefixes[entry[1]]
	if i := int(entry[1] &^ longPrefix); entry[1]&longPrefix != 0 && i < len(long) {
		prefix = long[i]
	}
	if prefix != "" {
		list[prefix+string(entry[4:n])] = append([]byte{}, entry[n:]...)
	}
}
