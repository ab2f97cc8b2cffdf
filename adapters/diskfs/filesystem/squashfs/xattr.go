package squashfs

import (
	"encoding/binary"
	"fmt"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	xattrElsewhere = 0x100 // flag of a type: the value is a place

	maxXattrs     = 1 << 16  // of one file, as names of Linux have at most 64 KiB together
	maxXattrValue = 64 << 10 // bytes (XATTR_SIZE_MAX)
	maxXattrBytes = 64 << 20 // of one file, that anybody is given
)

// Xattrs reads a file's extended attributes.
func (e *engine) Xattrs(id fstree.ID) (map[string][]byte, error) {
	n, err := e.inode(id)
	if err != nil {
		return nil, err
	}
	x, err := e.xattrEntry(n)
	if err != nil || x == nil {
		return nil, err
	}
	c, err := e.cursor(x.table, x.place)
	if err != nil {
		return nil, err
	}
	return e.xattrList(c, x.table, int(min(x.count, maxXattrs)))
}

// xattrEntry says where a file's attributes are.
type xattrEntry struct {
	table uint64 // where all of them begin
	place uint64
	count uint32
	size  uint32 // bytes, as the kernel counts them among a file's blocks
}

// xattrEntry returns nil for a file without attributes.
func (e *engine) xattrEntry(n *inode) (*xattrEntry, error) {
	if n.kind == typeSymlink && n.large {
		if err := n.linkXattrs(); err != nil {
			return nil, err
		}
	}
	if n.xattrs == noXattrs || e.xattrTable == noTable {
		return nil, nil
	}
	if e.xattrTable > uint64(e.used)-16 {
		return nil, damage("xattr table", 0, "lies outside the volume")
	}
	head, err := e.read(int64(e.xattrTable), 16)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	t := table{e: e, index: int64(e.xattrTable) + 16, entry: 16, count: int64(le.Uint32(head[8:])), name: "xattr"}
	b, err := t.get(int64(n.xattrs))
	if err != nil {
		return nil, err
	}
	return &xattrEntry{table: le.Uint64(head), place: le.Uint64(b), count: le.Uint32(b[8:]), size: le.Uint32(b[12:])}, nil
}

// linkXattrs finds the index that follows a link's target.
func (n *inode) linkXattrs() error {
	if _, err := n.target(); err != nil {
		return err
	}
	b, err := n.rest.take(4)
	if err == nil {
		n.xattrs = binary.LittleEndian.Uint32(b)
	}
	return err
}

// xattrList reads pairs of names and values.
func (e *engine) xattrList(c *cursor, start uint64, count int) (map[string][]byte, error) {
	m := make(map[string][]byte)
	total := 0
	for range count {
		head, err := c.take(4)
		if err != nil {
			return m, err
		}
		kind, length := binary.LittleEndian.Uint16(head), int(binary.LittleEndian.Uint16(head[2:]))
		name, err := c.take(length)
		if err != nil {
			return m, err
		}
		full := xattrPrefix(kind) + string(name)
		value, err := e.xattrValue(c, start, kind&xattrElsewhere != 0)
		if err != nil {
			return m, err
		}
		if total += len(full) + len(value); total > maxXattrBytes {
			return m, damage("xattrs", int64(start), "too long")
		}
		m[full] = value
	}
	return m, nil
}

func xattrPrefix(kind uint16) string {
	switch kind & 0xff {
	case 0:
		return "user."
	case 1:
		return "trusted."
	case 2:
		return "security."
	}
	return fmt.Sprintf("unknown-%d.", kind&0xff)
}

// xattrValue reads a value, or the place of one that several files share.
func (e *engine) xattrValue(c *cursor, start uint64, elsewhere bool) ([]byte, error) {
	b, err := c.take(4)
	if err != nil {
		return nil, err
	}
	if elsewhere {
		if b, err = c.take(8); err != nil {
			return nil, err
		}
		if c, err = e.cursor(start, binary.LittleEndian.Uint64(b)); err != nil {
			return nil, err
		}
		if b, err = c.take(4); err != nil {
			return nil, err
		}
	}
	size := binary.LittleEndian.Uint32(b)
	if size > maxXattrValue {
		return nil, damage("xattr value", int64(start), fmt.Sprintf("%d bytes", size))
	}
	value, err := c.take(int(size))
	return append([]byte{}, value...), err
}
