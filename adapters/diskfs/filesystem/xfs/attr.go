package xfs

import (
	"encoding/binary"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	attrLeafMagicV4 = 0xfbee
	attrLeafMagicV5 = 0x3bee
	attrHeadV4      = 32 // bytes
	attrHeadV5      = 80
	maxValueSize    = 64 << 10 // XATTR_SIZE_MAX
	maxAttrBytes    = 64 << 20 // values of one file altogether, that anybody is given
)

// Flags of an attribute (XFS_ATTR_*).
const (
	attrLocal      = 0x01 // the value lies in the leaf
	attrRoot       = 0x02 // namespace trusted
	attrSecure     = 0x04 // namespace security
	attrParent     = 0x08 // a parent pointer, which is the filesystem's own
	attrIncomplete = 0x80 // being written when the machine stopped
)

// Xattrs returns the extended attributes.
func (v *volume) Xattrs(id fstree.ID) (map[string][]byte, error) {
	ino, err := v.inode(id.Ino)
	if err != nil {
		return nil, err
	}
	f := ino.attrFork(v)
	if len(f.raw) == 0 || f.format == formatExtents && f.count == 0 {
		return nil, nil // most files, for which no map is made
	}
	a := attrs{v: v, fork: f, found: map[string][]byte{}, budget: maxAttrBytes}
	if f.format == formatLocal {
		err = a.short()
	} else {
		err = a.leaves()
	}
	if err != nil {
		return nil, err
	}
	return a.found, nil
}

// attrs gathers the attributes of one inode.
type attrs struct {
	v      *volume
	fork   fork
	found  map[string][]byte
	budget int
}

// short takes the attributes that fit the inode: a total size, a count, then
// of each the lengths of name and value, flags, name and value.
func (a *attrs) short() error {
	raw := a.fork.raw
	if len(raw) < 4 {
		return a.fork.damage(a.fork.block, "no room for attributes")
	}
	count := int(raw[2])
	raw = raw[4:]
	for i := range count {
		if len(raw) < 3 || len(raw) < 3+int(raw[0])+int(raw[1]) {
			return a.fork.damage(a.fork.block, "attribute %d of %d does not fit", i, count)
		}
		nameEnd := 3 + int(raw[0])
		valueEnd := nameEnd + int(raw[1])
		if err := a.add(raw[2], raw[3:nameEnd], raw[nameEnd:valueEnd]); err != nil {
			return err
		}
		raw = raw[valueEnd:]
	}
	return nil
}

// leaves follows the tree's first leaf and the leaves chained to it.
func (a *attrs) leaves() error {
	be := binary.BigEndian
	at := uint64(0)
	for range maxDaLevels + 1 {
		b, block, err := a.v.indexBlock(&a.fork, at)
		if err != nil {
			return err
		}
		if magic := be.Uint16(b[8:]); magic != nodeMagicV4 && magic != nodeMagicV5 {
			return a.chain(b, block)
		}
		entries, err := a.v.indexEntries(&a.fork, b, block)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return a.fork.damage(block, "an empty node")
		}
		at = uint64(be.Uint32(entries[4:]))
	}
	return a.fork.damage(a.fork.block, "an attribute tree of more than %d levels", maxDaLevels)
}

// chain takes a leaf and all after it.
func (a *attrs) chain(leaf []byte, block int64) error {
	seen := map[uint64]bool{}
	for {
		if err := a.leaf(leaf, block); err != nil {
			return err
		}
		next := uint64(binary.BigEndian.Uint32(leaf))
		if next == 0 {
			return nil
		}
		if seen[next] {
			return a.fork.damage(block, "the leaves lead in a circle")
		}
		seen[next] = true
		var err error
		if leaf, block, err = a.v.indexBlock(&a.fork, next); err != nil {
			return err
		}
	}
}

// leaf takes the attributes of a leaf: eight bytes of hash, offset and flags
// for each, and at the offset its name, with its value or where that is.
func (a *attrs) leaf(b []byte, block int64) error {
	be := binary.BigEndian
	head, countAt := attrHeadV4, 12
	if a.v.sb.v5 {
		head, countAt = attrHeadV5, 56
	}
	count := int(be.Uint16(b[countAt:]))
	if magic := be.Uint16(b[8:]); magic != attrLeafMagicV4 && magic != attrLeafMagicV5 || count > (len(b)-head)/8 {
		return a.fork.damage(block, "leaf magic %#04x, %d attributes", magic, count)
	}
	for i := range count {
		entry := b[head+8*i:]
		if err := a.leafEntry(b, int(be.Uint16(entry[4:])), entry[6], block); err != nil {
			return err
		}
	}
	return nil
}

func (a *attrs) leafEntry(b []byte, at int, flags uint8, block int64) error {
	be := binary.BigEndian
	if flags&attrIncomplete != 0 {
		return nil
	}
	nameAt, size := at+3, 0
	if flags&attrLocal == 0 {
		nameAt = at + 9
	}
	if nameAt >= len(b) || nameAt+int(b[nameAt-1]) > len(b) {
		return a.fork.damage(block, "the attribute at %d does not fit", at)
	}
	name := b[nameAt : nameAt+int(b[nameAt-1])]
	if flags&attrLocal != 0 {
		size = int(be.Uint16(b[at:]))
		valueAt := nameAt + len(name)
		if size > len(b)-valueAt {
			return a.fork.damage(block, "the value at %d does not fit", valueAt)
		}
		return a.add(flags, name, b[valueAt:valueAt+size])
	}
	if flags&attrParent != 0 {
		return nil
	}
	n := be.Uint32(b[at+4:])
	if n > maxValueSize {
		return a.fork.damage(block, "a value of %d bytes", n)
	}
	value, err := a.v.remote(&a.fork, uint64(be.Uint32(b[at:])), int(n), valueMagic)
	if err != nil {
		return err
	}
	return a.add(flags, name, value)
}

// add keeps an attribute under the name that listxattr(2) shows (xfs_xattr_put_listent
// in fs/xfs/xfs_xattr.c): access control lists have two.
func (a *attrs) add(flags uint8, name, value []byte) error {
	if flags&(attrParent|attrIncomplete) != 0 {
		return nil
	}
	if a.budget -= len(value); a.budget < 0 {
		return a.fork.damage(a.fork.block, "attributes of more than %d bytes", maxAttrBytes)
	}
	value = append([]byte{}, value...)
	switch {
	case flags&attrSecure != 0:
		a.found["security."+string(name)] = value
	case flags&attrRoot == 0:
		a.found["user."+string(name)] = value
	default:
		a.found["trusted."+string(name)] = value
		return a.acl(string(name), value)
	}
	return nil
}

// acl shows an access control list as getxattr(2) does: the entries of 12
// bytes (struct xfs_acl_entry) become those of linux/posix_acl_xattr.h.
func (a *attrs) acl(name string, stored []byte) error {
	shown := map[string]string{"SGI_ACL_FILE": "system.posix_acl_access", "SGI_ACL_DEFAULT": "system.posix_acl_default"}[name]
	if shown == "" {
		return nil
	}
	const version, entrySize, tagUser, tagGroup, noID = 2, 12, 0x02, 0x08, 0xffffffff
	be, le := binary.BigEndian, binary.LittleEndian
	if len(stored) < 4 || int64(be.Uint32(stored)) > int64(len(stored)-4)/entrySize {
		return a.fork.damage(a.fork.block, "an access control list of %d bytes", len(stored))
	}
	out := le.AppendUint32(nil, version)
	for i := range int(be.Uint32(stored)) {
		e := stored[4+i*entrySize:]
		tag, id := be.Uint32(e), be.Uint32(e[4:])
		if tag != tagUser && tag != tagGroup {
			id = noID
		}
		out = le.AppendUint16(out, uint16(tag))
		out = le.AppendUint16(out, be.Uint16(e[8:]))
		out = le.AppendUint32(out, id)
	}
	a.found[shown] = out
	return nil
}
