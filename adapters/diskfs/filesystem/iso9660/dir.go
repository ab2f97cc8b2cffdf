package iso9660

import (
	"encoding/binary"
	"io/fs"
	"iter"
	"strings"
	"unicode/utf16"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// ReadDir yields the records of a directory that name something.
func (e *engine) ReadDir(dir fstree.ID) iter.Seq2[fstree.Entry, error] {
	return func(yield func(fstree.Entry, error) bool) {
		self, err := e.self(dir)
		if err != nil {
			yield(fstree.Entry{}, err)
			return
		}
		more := false // the record goes on with the file of the one before it
		for r, err := range e.records(self) {
			if err != nil {
				if !yield(fstree.Entry{}, err) {
					return
				}
				continue
			}
			first := !more
			more = r.flags&flagMore != 0
			if !first || r.special() || r.flags&flagAssociated != 0 {
				continue
			}
			entry, shown, err := e.entry(r)
			if !shown && err == nil {
				continue
			}
			if !yield(entry, err) {
				return
			}
		}
	}
}

// self reads the record of a directory's contents.
func (e *engine) self(dir fstree.ID) (record, error) {
	f, err := e.file(dir)
	if err != nil {
		return record{}, err
	}
	if !f.isDir() {
		return record{}, fstree.ErrNotDir
	}
	if f.size > e.size {
		return record{}, e.damage("directory", f.off, "longer than the volume")
	}
	return f.record, nil
}

// records yields the records of a directory, block by block: damage ends the
// block that it is in.
func (e *engine) records(dir record) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		start := dir.extent * e.block
		for block := int64(0); block < dir.size; block += e.block {
			end := start + min(block+e.block, dir.size)
			for off := start + block; off < end; {
				head, err := e.cache.Bytes(off, 1)
				if err == nil && head[0] == 0 {
					break
				}
				r, err := e.record(off)
				if !yield(r, err) {
					return
				}
				if err != nil {
					break
				}
				off += r.length
			}
		}
	}
}

// entry makes an entry of a record; not shown is a directory that has been
// moved here from where a link to it stands.
func (e *engine) entry(r record) (entry fstree.Entry, shown bool, err error) {
	entry = fstree.Entry{ID: e.id(r)}
	if r.isDir() {
		entry.Type = fs.ModeDir
	}
	switch e.flavor {
	case joliet:
		entry.Name = jolietName(r.name)
		return entry, true, nil
	case plain:
		entry.Name = plainName(r.name)
		return entry, true, nil
	}
	a, err := e.rockRidge(r)
	if err != nil || a.moved {
		return entry, false, err
	}
	entry.Name = r.name
	if a.hasName {
		entry.Name = a.name
	}
	if a.hasMode {
		entry.Type = fstree.UnixMode(a.mode).Type()
	}
	if a.child != 0 {
		entry.Type = fs.ModeDir
	}
	return entry, true, nil
}

// id identifies what a record leads to.
func (e *engine) id(r record) fstree.ID {
	if r.isDir() {
		return e.directory(r.extent)
	}
	return fstree.ID{Ino: uint64(r.off)}
}

// Lookup compares names as the kernel does: exactly with Rock Ridge, without
// regard to case else.
func (e *engine) Lookup(dir fstree.ID, name string) (fstree.Entry, error) {
	equal := strings.EqualFold
	if e.flavor == rockRidge {
		equal = nil
	}
	return fstree.FindEntry(e.ReadDir(dir), name, equal)
}

// plainName shows a name of ISO 9660 as the kernel's default mapping does: in
// lower case, without the version 1 and the dot before it.
func plainName(stored string) string {
	if s, ok := strings.CutSuffix(stored, ".;1"); ok {
		stored = s
	} else {
		stored = strings.TrimSuffix(stored, ";1")
	}
	b := []byte(stored)
	for i, c := range b {
		switch {
		case 'A' <= c && c <= 'Z':
			b[i] = c + 'a' - 'A'
		case c == ';' || c == '/':
			b[i] = '.'
		}
	}
	return string(b)
}

// jolietName decodes a name in UTF-16, without its version and the dots before that.
func jolietName(stored string) string {
	units := make([]uint16, 0, len(stored)/2)
	for i := 0; i+1 < len(stored); i += 2 {
		units = append(units, binary.BigEndian.Uint16([]byte(stored[i:])))
	}
	name := strings.TrimSuffix(string(utf16.Decode(units)), ";1")
	if trimmed := strings.TrimRight(name, "."); trimmed != "" {
		name = trimmed
	}
	return name
}
