package iso9660

import (
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math/bits"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// maxExtents bounds how many records one file may go through: 100 extents of
// 4 GiB are in the kernel's bound (fs/isofs/inode.c).
const maxExtents = 100

// readOnlyMode is what everything may without Rock Ridge.
const readOnlyMode = 0o555

// file is what an identity leads to.
type file struct {
	record
	attributes
	place int64 // of the record that the kernel numbers the file by
}

// file reads a record and what Rock Ridge says of it. The record of a
// directory that was moved, because it lay too deep, leads to where it is now.
func (e *engine) file(id fstree.ID) (f file, err error) {
	f.place = int64(id.Ino)
	if f.record, err = e.record(f.place); err != nil || e.flavor != rockRidge {
		return f, err
	}
	if f.attributes, err = e.rockRidge(f.record); err != nil || f.child == 0 {
		return f, err
	}
	if f.record, err = e.record(f.child * e.block); err != nil {
		return f, err
	}
	f.attributes, err = e.rockRidge(f.record)
	return f, err
}

func (e *engine) Stat(id fstree.ID) (fstree.Stat, error) {
	f, err := e.file(id)
	if err != nil {
		return fstree.Stat{}, err
	}
	st := fstree.Stat{
		Ino: e.inode(f.place), Mode: readOnlyMode, Nlink: 1, Size: f.size,
		Mtime: f.time, Atime: f.time, Ctime: f.time,
	}
	if f.isDir() {
		st.Mode |= fs.ModeDir
	} else if st.Size, err = e.length(f.record); err != nil {
		return fstree.Stat{}, err
	}
	st.Blocks = (st.Size + 511) / 512
	f.describe(&st)
	return st, nil
}

// describe puts what Rock Ridge says over what the record does.
func (a *attributes) describe(st *fstree.Stat) {
	if a.hasMode {
		st.Mode, st.Nlink, st.UID, st.GID = fstree.UnixMode(a.mode), uint64(a.nlink), a.uid, a.gid
	}
	if a.isDevice && st.Mode&fs.ModeDevice != 0 {
		st.Major, st.Minor = a.device()
		st.Size, st.Blocks = 0, 0
	}
	if st.Mode&fs.ModeSymlink != 0 {
		st.Size = int64(len(a.target))
	}
	if a.zisofs != nil && st.Mode.IsRegular() {
		st.Size = a.zisofs.size
	}
	for _, t := range [...]struct{ to, from *time.Time }{{&st.Mtime, &a.mtime}, {&st.Atime, &a.atime}, {&st.Ctime, &a.ctime}} {
		if !t.from.IsZero() {
			*t.to = *t.from
		}
	}
}

// device takes a number apart that may be stored whole in its low half, as
// the kernel does.
func (a *attributes) device() (major, minor uint32) {
	if a.low&^0xff != 0 && a.high == 0 {
		return a.low >> 8, a.low & 0xff
	}
	return a.high, a.low
}

// inode is the number that the kernel makes of where a record lies.
func (e *engine) inode(off int64) uint64 {
	shift := bits.TrailingZeros64(uint64(e.block))
	return uint64(off>>shift<<(shift-5) | off&(e.block-1)>>5)
}

// sections yields the extents of a file, which goes on from record to record.
func (e *engine) sections(first record) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		r := first
		for n := 1; ; n++ {
			if !yield(r, nil) || r.flags&flagMore == 0 {
				return
			}
			off, err := e.next(r.off)
			if err == nil {
				r, err = e.record(off)
			}
			if err == nil && n >= maxExtents {
				err = e.damage("file", first.off, fmt.Sprintf("more than %d extents", maxExtents))
			}
			if err != nil {
				yield(record{}, err)
				return
			}
		}
	}
}

// length is the length of a file in all its extents.
func (e *engine) length(first record) (int64, error) {
	size := int64(0)
	for r, err := range e.sections(first) {
		if err != nil {
			return 0, err
		}
		size += r.size
	}
	return size, nil
}

func (e *engine) Readlink(id fstree.ID) (string, error) {
	f, err := e.file(id)
	return f.target, err
}

// Xattrs returns none: ISO 9660 has no extended attributes that Linux shows.
func (e *engine) Xattrs(fstree.ID) (map[string][]byte, error) { return nil, nil }

func (e *engine) Open(id fstree.ID) (fstree.Content, error) {
	f, err := e.file(id)
	if err != nil {
		return nil, err
	}
	if f.sparse {
		return nil, fmt.Errorf("a sparse file of Rock Ridge: %w", fstree.ErrUnsupported)
	}
	c := &content{engine: e}
	for r, err := range e.sections(f.record) {
		if err != nil {
			return nil, err
		}
		if r.gap != 0 || r.unit != 0 {
			return nil, fmt.Errorf("an interleaved file: %w", fstree.ErrUnsupported)
		}
		if r.size == 0 {
			continue
		}
		if end := r.extent*e.block + r.size; end > e.end {
			return nil, e.damage("file", r.off, fmt.Sprintf("it ends at byte %d of %d", end, e.end))
		}
		c.extents = append(c.extents, fstree.Extent{Start: c.size, Length: r.size, Offset: r.extent * e.block})
		c.size += r.size
	}
	if f.zisofs != nil {
		return f.zisofs.open(e, f.record, c)
	}
	return c, nil
}

// content is a file in one or more extents.
type content struct {
	engine  *engine
	size    int64
	extents []fstree.Extent
}

func (c *content) Size() int64 { return c.size }

func (c *content) ReadAt(p []byte, off int64) (n int, err error) {
	for x, err := range c.Extents(off, int64(len(p))) {
		if err != nil {
			return n, err
		}
		part := p[n : n+int(x.Length)]
		m, err := c.engine.cache.ReadData(part, x.Offset)
		n += m
		if err != nil {
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (c *content) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		end := min(off+n, c.size)
		for _, x := range c.extents {
			from, to := max(off, x.Start), min(end, x.Start+x.Length)
			if from < to && !yield(fstree.Extent{Start: from, Length: to - from, Offset: x.Offset + from - x.Start}, nil) {
				return
			}
		}
	}
}
