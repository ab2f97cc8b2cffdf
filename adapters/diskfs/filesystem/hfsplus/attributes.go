package hfsplus

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Types of records in the attributes file.
const (
	attrInline = 0x10
	attrFork   = 0x20
)

const (
	nameFinder   = "com.apple.FinderInfo"
	nameDecmpfs  = "com.apple.decmpfs"
	maxAttribute = 16 << 20 // bytes of the attributes of a file
)

// Xattrs implements [fstree.Engine]. What belongs to none of Linux' name spaces is in
// "osx." (fs/hfsplus/xattr.c).
func (e *engine) Xattrs(id fstree.ID) (map[string][]byte, error) {
	it, err := e.item(id)
	if err != nil {
		return nil, err
	}
	if !it.folder && !it.mode().IsRegular() {
		return nil, nil // what Mac OS X keeps of links and devices Linux does not show
	}
	list, err := e.stored(it.id)
	out := make(map[string][]byte, len(list)+1)
	for name, value := range list {
		if name == nameDecmpfs && it.compressed() {
			continue // the contents are shown
		}
		space, _, _ := strings.Cut(name, ".")
		switch space {
		case "user", "system", "security", "trusted":
			out[name] = value
		default:
			out["osx."+name] = value
		}
	}
	if finder := it.data[48:80]; !zero(finder) {
		out["osx."+nameFinder] = bytes.Clone(finder)
	}
	return out, err
}

// stored reads a file's attributes by the names that they are stored under.
func (v *volume) stored(file uint32) (list map[string][]byte, err error) {
	t := v.attributes
	if t == nil {
		return nil, nil
	}
	first, err := t.find(func(k []byte) int {
		if len(k) >= 12 && be.Uint32(k[2:]) >= file {
			return 1
		}
		return -1
	})
	if err != nil {
		return nil, err
	}
	list, total := map[string][]byte{}, int64(0)
	t.from(first, func(r *record, failed error) bool {
		switch {
		case failed != nil:
			err = failed
			return true
		case len(r.key) < 12 || len(r.data) < 4:
			err = t.damage(r.node, "record %d has a key of %d bytes", r.index, len(r.key))
			return true
		case be.Uint32(r.key[2:]) != file:
			return be.Uint32(r.key[2:]) < file
		}
		n := 2 * int(be.Uint16(r.key[10:]))
		if n > len(r.key)-12 {
			err = t.damage(r.node, "record %d has a name of %d bytes", r.index, n)
			return true
		}
		name := plain(r.key[12 : 12+n])
		value, failed := v.attribute(file, name, r)
		if failed != nil {
			err = failed
			return true
		}
		if total += int64(len(value)); total > maxAttribute {
			err = t.damage(r.node, "more than %d bytes of attributes of file %d", maxAttribute, file)
			return false
		}
		if value != nil {
			list[name] = value
		}
		return true
	})
	return list, err
}

// attribute returns the value of a record, nil for one that goes on with another.
func (v *volume) attribute(file uint32, name string, r *record) ([]byte, error) {
	what := fmt.Sprintf("attribute %q of file %d", name, file)
	switch kind := be.Uint32(r.data); {
	case kind == attrInline && len(r.data) >= 16:
		n := be.Uint32(r.data[12:])
		if int64(n) > int64(len(r.data))-16 {
			return nil, damage(what, -1, "%d bytes in %d", n, len(r.data)-16)
		}
		return append([]byte{}, r.data[16:16+n]...), nil
	case kind == attrFork && len(r.data) >= 8+forkSize:
		size := be.Uint64(r.data[8:])
		if size > maxAttribute {
			return nil, damage(what, -1, "%d bytes", size)
		}
		// Further extents have records of their own, which nothing is known to write.
		f, err := v.fork(what, 0, forkData, r.data[8:8+forkSize])
		if err != nil {
			return nil, err
		}
		return io.ReadAll(io.NewSectionReader(f, 0, f.size))
	}
	return nil, nil
}
