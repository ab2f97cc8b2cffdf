package squashfs

import (
	"encoding/binary"
	"io/fs"
	"iter"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	dirHeader = 12
	dirEntry  = 8
	maxRun    = 256 // entries after one header

	// emptySize is the size of an empty directory: the kernel counts "." and
	// "..", which are not stored.
	emptySize = 3
)

// ReadDir yields a directory's entries: runs that share the block of their
// inodes, each after a header.
func (e *engine) ReadDir(dir fstree.ID) iter.Seq2[fstree.Entry, error] {
	return func(yield func(fstree.Entry, error) bool) {
		n, err := e.inode(dir)
		if err == nil && n.kind != typeDir {
			err = fstree.ErrNotDir
		}
		if err != nil {
			yield(fstree.Entry{}, err)
			return
		}
		left := n.stat.Size - emptySize
		if left <= 0 {
			return
		}
		c, err := e.cursor(e.dirTable, uint64(n.start)<<16|uint64(n.offset))
		for err == nil && left > 0 {
			var more bool
			if more, err = e.run(c, &left, int64(n.stat.Ino), yield); !more && err == nil {
				return
			}
		}
		if err != nil {
			yield(fstree.Entry{}, err)
		}
	}
}

// run yields one run of entries, and takes what it read from left. It returns
// false when the caller has enough.
func (e *engine) run(c *cursor, left *int64, ino int64, yield func(fstree.Entry, error) bool) (bool, error) {
	le := binary.LittleEndian
	head, err := c.take(dirHeader)
	if err != nil {
		return false, err
	}
	count, block := int64(le.Uint32(head))+1, uint64(le.Uint32(head[4:]))
	if count > maxRun {
		return false, damage("directory", ino, "too many entries after one header")
	}
	*left -= dirHeader
	for range count {
		b, err := c.take(dirEntry)
		if err != nil {
			return false, err
		}
		offset, kind, length := uint64(le.Uint16(b)), le.Uint16(b[4:]), int64(le.Uint16(b[6:]))+1
		if *left -= dirEntry + length; *left < 0 || length > 256 {
			return false, damage("directory", ino, "an entry is longer than the directory")
		}
		name, err := c.take(int(length))
		if err != nil {
			return false, err
		}
		entry := fstree.Entry{Name: string(name), ID: fstree.ID{Ino: block<<16 | offset}, Type: fstree.TypeUnknown}
		if mode, ok := fileMode(kind); ok {
			entry.Type = mode
		}
		if !yield(entry, nil) {
			return false, nil
		}
	}
	return true, nil
}

// Lookup stops where a name would stand: the entries are sorted.
func (e *engine) Lookup(dir fstree.ID, name string) (fstree.Entry, error) {
	for entry, err := range e.ReadDir(dir) {
		if err != nil {
			return fstree.Entry{}, err
		}
		if entry.Name == name {
			return entry, nil
		}
		if entry.Name > name {
			break
		}
	}
	return fstree.Entry{}, fs.ErrNotExist
}
