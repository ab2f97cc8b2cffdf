package erofs

import (
	"bytes"
	"fmt"
	"iter"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const direntSize = 12

// ReadDir implements [fstree.Engine]. A block that is damaged costs its own entries.
func (e *engine) ReadDir(dir fstree.ID) iter.Seq2[fstree.Entry, error] {
	return func(yield func(fstree.Entry, error) bool) {
		in, err := e.inode(dir.Ino)
		if err == nil && !fstree.UnixMode(in.mode).IsDir() {
			err = fstree.ErrNotDir
		}
		var c fstree.Content
		if err == nil {
			c, err = e.content(in)
		}
		if err != nil {
			yield(fstree.Entry{}, err)
			return
		}
		block := make([]byte, 1<<e.dirBits)
		for off := int64(0); off < in.size; off += int64(len(block)) {
			if off>>e.dirBits > e.size/direntSize {
				yield(fstree.Entry{}, damage("directory of "+in.name(), -1, "longer than the volume"))
				return
			}
			b := block[:min(int64(len(block)), in.size-off)]
			if n, err := c.ReadAt(b, off); n < len(b) {
				if !yield(fstree.Entry{}, fmt.Errorf("erofs: directory: %w", err)) {
					return
				}
				continue
			}
			if !e.block(in, b, yield) {
				return
			}
		}
	}
}

// block yields the entries of a block of a directory, and whether to go on.
func (e *engine) block(in *inode, b []byte, yield func(fstree.Entry, error) bool) bool {
	if len(b) < direntSize {
		return yield(fstree.Entry{}, damage("directory of "+in.name(), -1, "ends within an entry"))
	}
	names := int(le.Uint16(b[8:]))
	if names < direntSize || names > len(b) || names%direntSize != 0 {
		return yield(fstree.Entry{}, damage("directory of "+in.name(), -1, fmt.Sprintf("names at byte %d of a block", names)))
	}
	for at := 0; at < names; at += direntSize {
		from, to := int(le.Uint16(b[at+8:])), len(b)
		if at+direntSize < names {
			to = int(le.Uint16(b[at+direntSize+8:]))
		}
		if from < names || to < from || to > len(b) {
			if !yield(fstree.Entry{}, damage("directory of "+in.name(), -1, "a name outside its block")) {
				return false
			}
			continue
		}
		name, _, _ := bytes.Cut(b[from:to], []byte{0})
		if s := string(name); s != "." && s != ".." {
			entry := fstree.Entry{Name: s, ID: fstree.ID{Ino: le.Uint64(b[at:])}, Type: fstree.DirentType(b[at+10])}
			if !yield(entry, nil) {
				return false
			}
		}
	}
	return true
}

// Lookup implements [fstree.Engine].
func (e *engine) Lookup(dir fstree.ID, name string) (fstree.Entry, error) {
	return fstree.FindEntry(e.ReadDir(dir), name, nil)
}

// Subdirs implements [fstree.SubdirCounter].
func (e *engine) Subdirs(dir fstree.ID) (uint64, bool) {
	st, err := e.Stat(dir)
	if err != nil {
		return 0, false
	}
	return fstree.SubdirsByLinks(&st)
}
