package ext4

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	xattrMagic       = 0xEA020000
	xattrBlockHeader = 32
	xattrEntrySize   = 16

	// Linux returns no value above 64 KiB (XATTR_SIZE_MAX). The sum is ours:
	// the values in inodes of their own must not add up without limit.
	maxXattrValue = 64 << 10
	maxXattrTotal = 16 << 20
)

// Numbers that stand for the beginning of a name (fs/ext4/xattr.h).
const (
	xattrACLAccess  = 2
	xattrACLDefault = 3
	xattrSystem     = 7
)

// xattrPrefix returns the beginning of a name, or "" for what Linux does not
// show: inline data, the context of encryption.
func xattrPrefix(index byte) string {
	switch index {
	case 1:
		return "user."
	case xattrACLAccess:
		return "system.posix_acl_access"
	case xattrACLDefault:
		return "system.posix_acl_default"
	case 4:
		return "trusted."
	case 6:
		return "security."
	case 10:
		return "gnu."
	}
	return ""
}

// xattr is an attribute as stored.
type xattr struct {
	index byte
	name  string // without the prefix
	value []byte // a view
	ino   uint32 // of the inode that has the value, else 0
	size  uint32
	hash  uint32
}

// Xattrs implements [fstree.Engine].
func (e *engine) Xattrs(id fstree.ID) (map[string][]byte, error) {
	in, err := e.inode(id.Ino)
	if err != nil {
		return nil, err
	}
	body, err := in.bodyXattrs()
	if err != nil {
		return nil, err
	}
	block, err := e.blockXattrs(in)
	if err != nil {
		return nil, err
	}
	all, total := map[string][]byte{}, 0
	for _, x := range append(body, block...) {
		name := xattrPrefix(x.index) + x.name
		if _, twice := all[name]; name == x.name || twice {
			continue
		}
		value, err := e.xattrValue(in, x)
		if err != nil {
			return nil, err
		}
		if total += len(value); total > maxXattrTotal {
			return nil, in.damagedXattrs(-1, "more than %d bytes of values", maxXattrTotal)
		}
		all[name] = value
	}
	return all, nil
}

func (in *inode) damagedXattrs(block int64, format string, args ...any) error {
	return &fstree.DamageError{FS: "ext4", Structure: fmt.Sprintf("attributes of inode %d", in.num),
		Block: block, Why: fmt.Sprintf(format, args...)}
}

// bodyXattrs returns the attributes in the inode itself.
func (in *inode) bodyXattrs() ([]xattr, error) {
	if len(in.extra) < 4 || le.Uint32(in.extra) != xattrMagic {
		return nil, nil
	}
	return in.parseXattrs(in.extra[4:], 0, -1)
}

// blockXattrs returns the attributes in the inode's block of them, which
// inodes with the same attributes share.
func (e *engine) blockXattrs(in *inode) ([]xattr, error) {
	if in.xattrBlock == 0 {
		return nil, nil
	}
	at := int64(in.xattrBlock)
	if !e.sb.holds(in.xattrBlock, 1) {
		return nil, in.damagedXattrs(-1, "block %d", in.xattrBlock)
	}
	b, err := e.block(in.xattrBlock)
	if err != nil {
		return nil, fmt.Errorf("ext4: attributes of inode %d: %w", in.num, err)
	}
	if magic, blocks := le.Uint32(b), le.Uint32(b[8:]); magic != xattrMagic || blocks != 1 {
		return nil, in.damagedXattrs(at, "magic %08x, %d blocks", magic, blocks)
	}
	if e.sb.hasChecksums() {
		var number [8]byte
		le.PutUint64(number[:], in.xattrBlock)
		want, got := le.Uint32(b[16:]), crc32cWithout(crc32c(e.sb.csumSeed, number[:]), b, 16, 4)
		if want != got {
			return nil, in.damagedXattrs(at, "checksum is %08x, not %08x", got, want)
		}
	}
	return in.parseXattrs(b, xattrBlockHeader, at)
}

// parseXattrs decodes entries from off on, up to a zero word. The values lie
// at offsets in b.
func (in *inode) parseXattrs(b []byte, off int, at int64) ([]xattr, error) {
	var list []xattr
	for {
		if off+4 > len(b) {
			return nil, in.damagedXattrs(at, "entries without an end")
		}
		if le.Uint32(b[off:]) == 0 {
			return list, nil
		}
		if off+xattrEntrySize > len(b) || off+xattrEntrySize+int(b[off]) > len(b) {
			return nil, in.damagedXattrs(at, "entry at %d crosses the end", off)
		}
		entry := b[off:]
		x := xattr{
			index: entry[1],
			name:  string(entry[xattrEntrySize:][:entry[0]]),
			ino:   le.Uint32(entry[4:]),
			size:  le.Uint32(entry[8:]),
			hash:  le.Uint32(entry[12:]),
		}
		if x.ino == 0 && x.size > 0 {
			start, size := int(le.Uint16(entry[2:])), int64(x.size)
			if start > len(b) || size > int64(len(b)-start) {
				return nil, in.damagedXattrs(at, "value of %q at %d+%d", x.name, start, size)
			}
			x.value = b[start:][:size]
		}
		list = append(list, x)
		off += (xattrEntrySize + int(entry[0]) + 3) &^ 3
	}
}

// xattrValue returns a copy of a value, in the form in which Linux shows it.
func (e *engine) xattrValue(in *inode, x xattr) ([]byte, error) {
	value := x.value
	if x.ino != 0 {
		var err error
		if value, err = e.valueInode(in, x); err != nil {
			return nil, err
		}
	}
	if x.index == xattrACLAccess || x.index == xattrACLDefault {
		acl, ok := convertACL(value)
		if !ok {
			return nil, in.damagedXattrs(-1, "access control list of %d bytes", len(value))
		}
		return acl, nil
	}
	return append([]byte{}, value...), nil
}

// valueInode reads a value that has an inode of its own (feature ea_inode).
func (e *engine) valueInode(in *inode, x xattr) ([]byte, error) {
	if x.size > maxXattrValue {
		return nil, in.damagedXattrs(-1, "value of %q of %d bytes", x.name, x.size)
	}
	if x.ino < e.sb.firstIno || uint64(x.ino) > e.sb.inodes {
		return nil, in.damagedXattrs(-1, "value of %q in inode %d", x.name, x.ino)
	}
	holder, err := e.anyInode(uint64(x.ino))
	if err != nil {
		return nil, err
	}
	if !holder.has(flagEAInode) || holder.has(flagInlineData) || holder.size != int64(x.size) {
		return nil, in.damagedXattrs(-1, "inode %d is not the value of %q", x.ino, x.name)
	}
	c, err := e.content(holder)
	if err != nil {
		return nil, err
	}
	value := make([]byte, x.size)
	if _, err := c.ReadAt(value, 0); err != nil && err != io.EOF {
		return nil, err
	}
	return value, nil
}

// convertACL makes what getxattr returns of what is stored: in both a version
// and entries of tag, permissions and identifier, but as stored only users
// and groups have an identifier (ext4_acl_from_disk, posix_acl_to_xattr).
func convertACL(stored []byte) ([]byte, bool) {
	const (
		storedVersion, shownVersion = 1, 2
		userObj, user               = 0x01, 0x02
		groupObj, group             = 0x04, 0x08
		mask, other                 = 0x10, 0x20
		noID                        = ^uint32(0)
	)
	if len(stored) < 4 || le.Uint32(stored) != storedVersion {
		return nil, false
	}
	shown := binary.LittleEndian.AppendUint32(nil, shownVersion)
	for b := stored[4:]; len(b) > 0; {
		if len(b) < 4 {
			return nil, false
		}
		id, size := noID, 4
		switch le.Uint16(b) {
		case userObj, groupObj, mask, other:
		case user, group:
			if size = 8; len(b) < size {
				return nil, false
			}
			id = le.Uint32(b[4:])
		default:
			return nil, false
		}
		shown = append(shown, b[:4]...)
		shown = le.AppendUint32(shown, id)
		b = b[size:]
	}
	return shown, true
}
