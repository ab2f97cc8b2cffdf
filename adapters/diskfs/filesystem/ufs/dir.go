package ufs

import (
	"fmt"
	"io/fs"
	"iter"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// dirBlock is what no record of a directory crosses (DIRBLKSIZ), in bytes.
const dirBlock = 512

// Types of records besides those of files (sys/dirent.h): what a union mount hides.
const (
	typeWhiteout = 14
	inoWhiteout  = 1
)

// ReadDir implements [fstree.Engine]. Damage costs the rest of its 512 bytes.
func (e *engine) ReadDir(dir fstree.ID) iter.Seq2[fstree.Entry, error] {
	return func(yield func(fstree.Entry, error) bool) {
		in, err := e.inode(dir.Ino)
		if err == nil && !in.isDir() {
			err = fstree.ErrNotDir
		}
		if err != nil {
			yield(fstree.Entry{}, err)
			return
		}
		c := e.content(in)
		b := make([]byte, e.sb.blockSize)
		for x, err := range c.Extents(0, in.size) {
			switch {
			case err != nil:
				yield(fstree.Entry{}, err)
				return
			case x.Hole:
				if !yield(fstree.Entry{}, in.damaged("a hole of %d bytes in a directory", x.Length)) {
					return
				}
				continue
			case x.Start > e.sb.size*e.sb.fragSize:
				yield(fstree.Entry{}, in.damaged("a directory longer than the volume"))
				return
			}
			for off := int64(0); off < x.Length; off += int64(len(b)) {
				part := b[:min(int64(len(b)), x.Length-off)]
				if n, err := e.cache.ReadAt(part, x.Offset+off); n < len(part) {
					if !yield(fstree.Entry{}, fmt.Errorf("ufs: directory of inode %d: %w", in.num, err)) {
						return
					}
					continue
				}
				for ; len(part) > 0; part = part[min(dirBlock, len(part)):] {
					if !e.records(in, part[:min(dirBlock, len(part))], yield) {
						return
					}
				}
			}
		}
	}
}

// records yields the entries of a block of a directory, and whether to go on.
func (e *engine) records(in *inode, b []byte, yield func(fstree.Entry, error) bool) bool {
	for len(b) > 0 {
		why := ""
		length, size := 0, 0
		kind := fstree.TypeUnknown
		if len(b) < 8 {
			why = "a record without a name"
		} else {
			length, size = int(e.sb.order.Uint16(b[4:])), int(b[7])
			if e.sb.oldDirs {
				size = int(e.sb.order.Uint16(b[6:]))
			} else {
				kind = recordType(b[6])
			}
			if length < 8 || length%4 != 0 || length > len(b) || size > length-8 {
				why = fmt.Sprintf("a record of %d bytes with a name of %d, where %d are left", length, size, len(b))
			}
		}
		if why != "" {
			return yield(fstree.Entry{}, damage(fmt.Sprintf("directory of inode %d", in.num), -1, "%s", why))
		}
		ino, name := uint64(e.sb.order.Uint32(b)), string(b[8:8+size])
		hidden := ino == 0 || name == "." || name == ".." || ino == inoWhiteout && b[6] == typeWhiteout && !e.sb.oldDirs
		if !hidden && !yield(fstree.Entry{Name: name, ID: fstree.ID{Ino: ino}, Type: kind}, nil) {
			return false
		}
		b = b[length:]
	}
	return true
}

// recordType is the type that a record states: the highest bits of a mode.
func recordType(t byte) fs.FileMode {
	switch t {
	case 1, 2, 4, 6, 8, 10, 12:
		return fstree.UnixMode(uint32(t) << 12).Type()
	}
	return fstree.TypeUnknown
}

// Lookup implements [fstree.Engine].
func (e *engine) Lookup(dir fstree.ID, name string) (fstree.Entry, error) {
	var failed error
	for entry, err := range e.ReadDir(dir) {
		if err == nil && entry.Name == name {
			return entry, nil
		}
		if failed == nil {
			failed = err
		}
	}
	if failed != nil {
		return fstree.Entry{}, failed
	}
	return fstree.Entry{}, fs.ErrNotExist
}
