package fat

import (
	"fmt"
	"io/fs"
	"iter"
	"strings"
	"unicode"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/clusters"
)

// maxDirSize is the longest directory, in bytes: the specification and Linux
// (FAT_MAX_DIR_SIZE) allow 65,536 slots.
const maxDirSize = 65536 * dirent

// directory is where the slots of a directory lie.
type directory struct {
	chain clusters.Chain
	fixed bool // the root of FAT12 and 16, which is no chain
	err   error
}

// directory finds a directory's slots.
func (e *engine) directory(id fstree.ID) (directory, error) {
	start := e.geo.rootCluster
	if id.Ino == rootIno {
		if e.vol.Kind != clusters.FAT32 {
			return directory{fixed: true}, nil
		}
	} else {
		s, err := e.slot(id)
		if err != nil {
			return directory{}, err
		}
		if !s.isDir() {
			return directory{}, fstree.ErrNotDir
		}
		if start = e.start(s); start == 0 {
			return directory{}, nil // empty, as Linux has it
		}
	}
	name := structure("directory", id)
	limit := max(int64(maxDirSize)>>e.vol.Bits, 1)
	d := directory{chain: e.vol.Chain(name, start, limit+1)}
	d.err = d.chain.Err()
	if d.chain.Len() > limit {
		d.err = e.damage(name, int64(start), "longer than 65,536 slots")
	}
	return d, nil
}

// size is in bytes.
func (d *directory) size(e *engine) int64 {
	if d.fixed {
		return e.geo.rootSize
	}
	return d.chain.Len() << e.vol.Bits
}

// slots calls f with every slot and the byte where it lies, until f returns
// false. Like Linux, and unlike the specification, it goes on after a slot
// that begins with zero.
func (e *engine) slots(d *directory, f func(s slot, pos int64) bool) error {
	limit := min(d.size(e), max(maxDirSize, e.vol.ClusterSize()))
	for off := int64(0); off < limit; {
		var b []byte
		var pos int64
		var err error
		if d.fixed {
			pos = e.geo.root + off
			b, err = e.vol.Cache.Bytes(pos, min(limit-off, 1<<16-pos&(1<<16-1)))
		} else {
			b, pos, err = d.chain.Next(off)
		}
		if err != nil {
			return fmt.Errorf("fat: directory: %w", err)
		}
		off += int64(len(b))
		for ; len(b) >= dirent; b, pos = b[dirent:], pos+dirent {
			if !f(b[:dirent], pos) {
				return nil
			}
		}
	}
	return d.err
}

// file is a directory's entry: its slot, and its names in buffers that the
// next one reuses.
type file struct {
	slot  slot
	pos   int64  // of the slot, on the volume
	name  []byte // as listed
	short []byte // the 8.3 name that leads to it too
}

func (f *file) id() fstree.ID { return fstree.ID{Ino: uint64(f.pos / dirent)} }

// files calls f with every file of a directory, until f returns false.
func (e *engine) files(d *directory, f func(*file) bool) error {
	var long longName
	var cur file
	return e.slots(d, func(s slot, pos int64) bool {
		if s.isLong() {
			long.add(s)
			return true
		}
		if !s.isFile() || s.isDot() {
			long.reset()
			return true
		}
		cur.slot, cur.pos = s, pos
		cur.short = s.appendShort(cur.short[:0], e.codepage)
		cur.name = long.append(cur.name[:0], s)
		long.reset()
		if len(cur.name) == 0 {
			cur.name = append(cur.name, cur.short...)
		}
		if len(cur.name) == 0 {
			return true // all spaces: Linux does not list it
		}
		return f(&cur)
	})
}

// ReadDir implements [fstree.Engine].
func (e *engine) ReadDir(dir fstree.ID) iter.Seq2[fstree.Entry, error] {
	return func(yield func(fstree.Entry, error) bool) {
		d, err := e.directory(dir)
		if err != nil {
			yield(fstree.Entry{}, err)
			return
		}
		stopped := false
		var names fstree.Strings
		err = e.files(&d, func(f *file) bool {
			stopped = !yield(fstree.Entry{Name: names.String(f.name), ID: f.id(), Type: f.slot.kind()}, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(fstree.Entry{}, err)
		}
	}
}

// Lookup implements [fstree.Engine]. A file is found by the name that is
// listed, else, in the order of the directory, by either of its names in any
// case and without the dots at the end of the name that is asked for.
func (e *engine) Lookup(dir fstree.ID, name string) (fstree.Entry, error) {
	d, err := e.directory(dir)
	if err != nil {
		return fstree.Entry{}, err
	}
	var found fstree.Entry
	folded := fold(strings.TrimRight(name, "."))
	exact := false
	err = e.files(&d, func(f *file) bool {
		exact = string(f.name) == name
		if exact || found.Name == "" && (foldedEqual(f.name, folded) || foldedEqual(f.short, folded)) {
			found = fstree.Entry{Name: string(f.name), ID: f.id(), Type: f.slot.kind()}
		}
		return !exact
	})
	switch {
	case found.Name != "":
		return found, nil
	case err != nil:
		return fstree.Entry{}, err
	default:
		return fstree.Entry{}, fs.ErrNotExist
	}
}

// fold brings a name to the case in which names are compared.
func fold(name string) string { return strings.Map(unicode.ToUpper, name) }

// foldedEqual says whether a name equals a folded one, most often without
// converting it.
func foldedEqual(name []byte, folded string) bool {
	ascii := true
	for i, c := range name {
		if c >= 0x80 {
			ascii = false
			break
		}
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if i >= len(folded) || c != folded[i] {
			return false
		}
	}
	if ascii {
		return len(name) == len(folded)
	}
	return fold(string(name)) == folded
}
