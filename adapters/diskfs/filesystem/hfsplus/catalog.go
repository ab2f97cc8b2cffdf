package hfsplus

import (
	"bytes"
	"fmt"
	"io/fs"
	"iter"
	"strings"
	"time"
	"unicode/utf16"

	"golang.org/x/text/unicode/norm"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Types of catalog records.
const (
	recordFolder = 1
	recordFile   = 2
)

// Lengths of catalog records in bytes.
const (
	folderSize = 88
	fileSize   = 248
)

// Folders that hold what has several names, in the root (Apple's hfs_format.h).
const (
	privateFiles   = "\x00\x00\x00\x00HFS+ Private Data"
	privateFolders = ".HFS+ Private Directory Data\r"
)

// item is a file or a folder as the catalog has it.
type item struct {
	place  uint64 // of its record: the node and the index
	id     uint32
	parent uint32
	name   []byte // in UTF-16, as stored
	folder bool
	data   []byte
}

// parse decodes a record of the catalog; nil is one that is neither a file nor a folder.
func parse(r *record, t *btree) (*item, error) {
	if len(r.key) < 6 || len(r.data) < 2 {
		return nil, t.damage(r.node, "record %d has a key of %d bytes", r.index, len(r.key))
	}
	it := &item{place: uint64(r.node)<<16 | uint64(r.index), parent: be.Uint32(r.key), data: r.data}
	size := fileSize
	switch be.Uint16(r.data) {
	case recordFolder:
		it.folder, size = true, folderSize
	case recordFile:
	default:
		return nil, nil
	}
	n := 2 * int(be.Uint16(r.key[4:]))
	if len(r.data) < size || n > len(r.key)-6 {
		return nil, t.damage(r.node, "record %d of %d bytes with a name of %d", r.index, len(r.data), n)
	}
	it.id, it.name = be.Uint32(r.data[8:]), r.key[6:6+n]
	return it, nil
}

// shown is a name as Linux shows it (fs/hfsplus/unicode.c): composed, and with what no
// path can hold replaced.
func shown(name []byte) string {
	units := make([]uint16, len(name)/2)
	for i := range units {
		switch c := be.Uint16(name[2*i:]); c {
		case 0:
			units[i] = 0x2400
		case '/':
			units[i] = ':'
		default:
			units[i] = c
		}
	}
	return compose(utf16.Decode(units))
}

// compose puts together what follows each other in a name and is one character, as Linux
// does: marks keep their order, and what is one character already stays it.
func compose(name []rune) string {
	var out []rune
	for _, r := range name {
		if n := len(out) - 1; n >= 0 {
			last := string(out[n])
			both := []rune(norm.NFC.String(last + string(r)))
			if len(both) == 1 && norm.NFC.IsNormalString(last) {
				out[n] = both[0]
				continue
			}
		}
		out = append(out, r)
	}
	return string(out)
}

// plain is a name as it is stored, in UTF-8.
func plain(name []byte) string {
	units := make([]uint16, len(name)/2)
	for i := range units {
		units[i] = be.Uint16(name[2*i:])
	}
	return string(utf16.Decode(units))
}

// list yields what a folder holds, in the order of the catalog.
func (v *volume) list(folder uint32) iter.Seq2[*item, error] {
	return func(yield func(*item, error) bool) {
		t := v.catalog
		first, err := t.find(func(k []byte) int {
			if len(k) < 6 {
				return -1
			}
			if c := order(be.Uint32(k), folder); c != 0 {
				return c
			}
			return order(be.Uint16(k[4:]), 0)
		})
		if err != nil {
			yield(nil, err)
			return
		}
		t.from(first, func(r *record, err error) bool {
			if err != nil {
				return yield(nil, err)
			}
			if len(r.key) >= 4 && be.Uint32(r.key) != folder {
				return be.Uint32(r.key) < folder // the one before it
			}
			it, err := parse(r, t)
			if it == nil && err == nil {
				return true
			}
			return yield(it, err)
		})
	}
}

// item reads what an ID leads to.
func (v *volume) item(id fstree.ID) (*item, error) {
	what := fmt.Sprintf("file %d", id.Ino)
	n, err := v.catalog.read(uint32(id.Tree >> 16))
	if err != nil {
		return nil, err
	}
	r, err := n.record(int(id.Tree & 0xFFFF))
	if err != nil {
		return nil, err
	}
	it, err := parse(r, v.catalog)
	if err != nil {
		return nil, err
	}
	if it == nil || n.kind != nodeLeaf || uint64(it.id) != id.Ino {
		return nil, damage(what, -1, "no record of it")
	}
	return v.follow(it)
}

func (it *item) fstreeID() fstree.ID { return fstree.ID{Tree: it.place, Ino: uint64(it.id)} }

// link returns the number by which a name leads to what has several, and the name of that
// in its private folder: "" if it is no such name.
func (it *item) link() (folder, name string) {
	if it.folder {
		return "", ""
	}
	number := be.Uint32(it.data[44:])
	switch string(it.data[48:56]) {
	case "hlnkhfs+":
		return privateFiles, fmt.Sprintf("iNode%d", number)
	case "fdrpMACS":
		return privateFolders, fmt.Sprintf("dir_%d", number)
	}
	return "", ""
}

// follow returns what a name leads to: the item itself, but for those with several names.
func (v *volume) follow(it *item) (*item, error) {
	folder, name := it.link()
	if folder == "" {
		return it, nil
	}
	in, err := v.privateFiles()
	if folder == privateFolders {
		in, err = v.privateFolders()
	}
	if err != nil || in == 0 {
		return it, err // Linux shows the file itself
	}
	// All names there are of ASCII.
	key := func(k []byte) int {
		if len(k) < 6 {
			return -1
		}
		if c := order(be.Uint32(k), in); c != 0 {
			return c
		}
		a, b := plain(k[6:min(6+2*int(be.Uint16(k[4:])), len(k))]), name
		if !v.sensitive {
			a, b = strings.ToLower(a), strings.ToLower(b)
		}
		return strings.Compare(a, b)
	}
	r, err := v.catalog.find(key)
	if err != nil {
		return nil, err
	}
	if r == nil || key(r.key) != 0 {
		return nil, damage(fmt.Sprintf("file %d", it.id), -1, "a name of %s, which is not there", name)
	}
	to, err := parse(r, v.catalog)
	if err == nil && (to == nil || to.folder != (folder == privateFolders)) {
		err = damage(fmt.Sprintf("file %d", it.id), -1, "a name of %s, which is something else", name)
	}
	return to, err
}

// private returns the number of a private folder, 0 if there is none.
func (v *volume) private(name string) (uint32, error) {
	for it, err := range v.list(idRoot) {
		if err != nil {
			return 0, err
		}
		if it.folder && plain(it.name) == name {
			return it.id, nil
		}
	}
	return 0, nil
}

// entry is an item as an entry of its folder. A name that leads nowhere is listed, and
// whoever asks for more is told.
func (e *engine) entry(it *item) fstree.Entry {
	to, err := e.follow(it)
	if err != nil {
		to = it
	}
	return fstree.Entry{Name: shown(it.name), ID: to.fstreeID(), Type: to.mode().Type()}
}

// ReadDir implements [fstree.Engine].
func (e *engine) ReadDir(dir fstree.ID) iter.Seq2[fstree.Entry, error] {
	return func(yield func(fstree.Entry, error) bool) {
		folder, err := e.item(dir)
		if err == nil && !folder.folder {
			err = fstree.ErrNotDir
		}
		if err != nil {
			yield(fstree.Entry{}, err)
			return
		}
		for it, err := range e.list(folder.id) {
			if err == nil && folder.id == idRoot && it.folder && plain(it.name) == privateFiles {
				continue
			}
			var entry fstree.Entry
			if err == nil {
				entry = e.entry(it)
			}
			if !yield(entry, err) {
				return
			}
		}
	}
}

// Lookup implements [fstree.Engine]. The name that is written alike comes before one that
// differs by case.
func (e *engine) Lookup(dir fstree.ID, name string) (fstree.Entry, error) {
	var other *fstree.Entry
	var failed error
	folded := norm.NFC.String(name)
	for entry, err := range e.ReadDir(dir) {
		switch {
		case err != nil:
			if failed == nil {
				failed = err
			}
		case entry.Name == name:
			return entry, nil
		case other == nil && (entry.Name == folded || !e.sensitive && strings.EqualFold(entry.Name, folded)):
			other = &entry
		}
	}
	switch {
	case other != nil:
		return *other, nil
	case failed != nil:
		return fstree.Entry{}, failed
	}
	return fstree.Entry{}, fs.ErrNotExist
}

// mode is the type and the permissions, as Linux has them (hfsplus_get_perms): a file
// that has none was made by Mac OS 9.
func (it *item) mode() fs.FileMode {
	bits := uint32(be.Uint16(it.data[42:]))
	switch {
	case it.folder && bits == 0:
		bits = 0o040755
	case it.folder:
		bits = 0o040000 | bits&0o7777
	case bits == 0:
		bits = 0o100644
	}
	return fstree.UnixMode(bits)
}

// moment decodes a time as Linux does: in seconds from 1904, of which 2040 follows 1969.
func moment(b []byte) time.Time {
	const epoch = 2082844800 // 1970
	return time.Unix(int64(be.Uint32(b)-epoch), 0)
}

func zero(b []byte) bool { return bytes.Count(b, []byte{0}) == len(b) }
