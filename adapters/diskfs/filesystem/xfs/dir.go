package xfs

import (
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// A directory's file has three parts: entries from byte 0, the index by hash
// from 32 GiB, the index of free space from 64 GiB (XFS_DIR2_SPACE_SIZE).
const dirIndexStart = 32 << 30

const (
	dirBlockV4 = 0x58443242 // "XD2B", the only block of a directory, with its index after the entries
	dirDataV4  = 0x58443244 // "XD2D", entries alone
	dirBlockV5 = 0x58444233 // "XDB3"
	dirDataV5  = 0x58444433 // "XDD3"
	dirHeadV4  = 16         // bytes
	freeTag    = 0xffff     // in place of an entry's inode number: unused bytes
	maxDamaged = 100        // blocks of one directory that are reported before it is given up
)

// ReadDir yields a directory's entries in stored order and reads no other inode.
func (v *volume) ReadDir(dir fstree.ID) iter.Seq2[fstree.Entry, error] {
	return func(yield func(fstree.Entry, error) bool) {
		ino, err := v.directory(dir.Ino)
		if err != nil {
			yield(fstree.Entry{}, err)
			return
		}
		fork := ino.dataFork(v)
		if fork.format == formatLocal {
			if err := v.shortEntries(&fork, ino.size, func(e fstree.Entry) bool { return yield(e, nil) }); err != nil {
				yield(fstree.Entry{}, err)
			}
			return
		}
		v.longEntries(&fork, ino.size, yield)
	}
}

// directory reads the inode of a directory.
func (v *volume) directory(num uint64) (inode, error) {
	ino, err := v.inode(num)
	if err != nil {
		return inode{}, err
	}
	if !ino.is(modeDir) {
		return inode{}, fstree.ErrNotDir
	}
	return ino, nil
}

// shortEntries visits the entries of a directory that fits its inode: counts,
// the parent's number, then entries, whose numbers have four bytes unless
// some number needs eight.
func (v *volume) shortEntries(f *fork, size int64, visit func(fstree.Entry) bool) error {
	raw := f.raw
	if size < 6 || size > int64(len(raw)) {
		return f.damage(f.block, "a directory of %d bytes", size)
	}
	raw = raw[:size]
	count, width := int(raw[0]), 4
	if raw[1] != 0 {
		width = 8 // some number needs it, if only the parent's
	}
	if len(raw) < 2+width {
		return f.damage(f.block, "a directory of %d bytes", size)
	}
	raw = raw[2+width:]
	var names fstree.Strings
	tail := width
	if v.sb.ftype {
		tail++
	}
	for i := range count {
		if len(raw) < 3 || raw[0] == 0 || len(raw) < 3+int(raw[0])+tail {
			return f.damage(f.block, "entry %d of %d does not fit", i, count)
		}
		n := int(raw[0])
		name, rest := raw[3:3+n], raw[3+n:]
		e := fstree.Entry{Name: names.String(name), Type: fstree.TypeUnknown}
		if v.sb.ftype {
			e.Type = fstree.DirentType(rest[0])
			rest = rest[1:]
		}
		if width == 8 {
			e.ID.Ino = binary.BigEndian.Uint64(rest)
		} else {
			e.ID.Ino = uint64(binary.BigEndian.Uint32(rest))
		}
		raw = rest[width:]
		if !visit(e) {
			return nil
		}
	}
	return nil
}

// longEntries yields the entries of a directory in blocks. A damaged block
// does not hide those after it.
func (v *volume) longEntries(f *fork, size int64, yield func(fstree.Entry, error) bool) {
	damaged := 0
	more := true
	var names fstree.Strings
	err := v.dataBlocks(f, size, func(index uint64) bool {
		b, block, err := v.dataBlock(f, index)
		if err == nil {
			err = v.blockEntries(f, b, block, &names, func(e fstree.Entry) bool {
				more = yield(e, nil)
				return more
			})
		}
		if err != nil && more {
			damaged++
			more = yield(fstree.Entry{}, err) && damaged < maxDamaged
		}
		return more
	})
	if err != nil && more {
		yield(fstree.Entry{}, err)
	}
}

// dataBlocks visits the directory blocks that hold entries, by their index.
// There cannot be more of them than the volume has room for.
func (v *volume) dataBlocks(f *fork, size int64, visit func(index uint64) bool) error {
	log := v.sb.dirBlockLog
	end := uint64(min(size, dirIndexStart)) >> (v.sb.blockLog + log)
	budget := v.cache.Size()>>(v.sb.blockLog+log) + 1
	next := uint64(0) // the first index that was not visited
	over := false
	err := f.extents(0, func(e extent) bool {
		first := max(e.start>>log, next)
		last := min((e.start+e.length-1)>>log+1, end)
		for i := first; i < last; i++ {
			if budget--; budget == 0 {
				over = true
				return false
			}
			next = i + 1
			if !visit(i) {
				return false
			}
		}
		return last < end
	})
	if over {
		return f.damage(f.block, "a directory of more blocks than the volume has")
	}
	return err
}

// dataBlock reads and checks a block of entries.
func (v *volume) dataBlock(f *fork, index uint64) (b []byte, block int64, err error) {
	b, off, err := v.fileBlock(f, index<<v.sb.dirBlockLog, 1<<v.sb.dirBlockLog)
	if err != nil {
		return nil, 0, err
	}
	block = v.blockOf(off)
	switch magic := binary.BigEndian.Uint32(b); {
	case !v.sb.v5 && magic != dirBlockV4 && magic != dirDataV4,
		v.sb.v5 && magic != dirBlockV5 && magic != dirDataV5:
		return nil, block, v.dirDamage(f, block, "magic %#08x", magic)
	}
	if v.sb.v5 {
		if why := v.verify(b, off, f.owner, dirDataLayout()); why != "" {
			return nil, block, v.dirDamage(f, block, "%s", why)
		}
	}
	return b, block, nil
}

// fileBlock reads count blocks of the file as one piece of metadata, which
// may lie in several places. off is where it begins.
func (v *volume) fileBlock(f *fork, start, count uint64) (b []byte, off int64, err error) {
	e, ok, err := f.find(start)
	if err != nil {
		return nil, 0, err
	}
	if !ok {
		return nil, 0, f.damage(f.block, "block %d of the file is a hole", start)
	}
	off = e.offset + int64(start-e.start)<<v.sb.blockLog
	if e.start+e.length >= start+count {
		b, err = v.cache.Bytes(off, int64(count)<<v.sb.blockLog)
		if err != nil {
			return nil, 0, v.readError(err, off, "block %d of inode %d", start, f.owner)
		}
		return b, off, nil
	}
	part := e.start + e.length - start
	b, err = v.cache.Bytes(off, int64(part)<<v.sb.blockLog)
	if err != nil {
		return nil, 0, v.readError(err, off, "block %d of inode %d", start, f.owner)
	}
	rest, _, err := v.fileBlock(f, start+part, count-part)
	if err != nil {
		return nil, 0, err
	}
	return append(b[:len(b):len(b)], rest...), off, nil
}

func (v *volume) dirDamage(f *fork, block int64, format string, args ...any) error {
	return &fstree.DamageError{FS: "xfs", Structure: fmt.Sprintf("directory %d", f.owner), Block: block, Why: fmt.Sprintf(format, args...)}
}

// blockEntries visits the entries of a block. Each is an inode number, the
// name's length, the name, the type where the filesystem has types, and the
// entry's own offset at the end, all in multiples of eight bytes.
func (v *volume) blockEntries(f *fork, b []byte, block int64, names *fstree.Strings, visit func(fstree.Entry) bool) error {
	at, end, err := v.entryArea(f, b, block)
	if err != nil {
		return err
	}
	for at < end {
		if binary.BigEndian.Uint16(b[at:]) == freeTag {
			n := int(binary.BigEndian.Uint16(b[at+2:]))
			if n < 8 || n%8 != 0 || n > end-at {
				return v.dirDamage(f, block, "%d unused bytes at %d", n, at)
			}
			at += n
			continue
		}
		e, n := v.decodeEntry(b[at:end], names)
		if n == 0 {
			return v.dirDamage(f, block, "the entry at %d does not fit", at)
		}
		at += n
		if e.Name != "." && e.Name != ".." && !visit(e) {
			return nil
		}
	}
	return nil
}

// entryArea tells where in a block entries are.
func (v *volume) entryArea(f *fork, b []byte, block int64) (start, end int, err error) {
	start, end = dirHeadV4, len(b)
	if v.sb.v5 {
		start = dirDataLayout().size
	}
	if magic := binary.BigEndian.Uint32(b); magic == dirBlockV4 || magic == dirBlockV5 {
		count := int64(binary.BigEndian.Uint32(b[len(b)-8:]))
		if count > int64(len(b)-8-start)/8 {
			return 0, 0, v.dirDamage(f, block, "an index of %d entries", count)
		}
		end = len(b) - 8 - int(count)*8
	}
	return start, end, nil
}

// decodeEntry takes the entry at b's start and tells its length, 0 if it does not fit.
func (v *volume) decodeEntry(b []byte, names *fstree.Strings) (e fstree.Entry, length int) {
	tail := 2
	if v.sb.ftype {
		tail++
	}
	if len(b) < 16 || b[8] == 0 {
		return e, 0
	}
	n := int(b[8])
	length = (9 + n + tail + 7) &^ 7
	if length > len(b) {
		return e, 0
	}
	e = fstree.Entry{Name: names.String(b[9 : 9+n]), Type: fstree.TypeUnknown}
	e.ID.Ino = binary.BigEndian.Uint64(b)
	if v.sb.ftype {
		e.Type = fstree.DirentType(b[9+n])
	}
	return e, length
}
