package xfs

import (
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Open returns the contents of a regular file.
func (v *volume) Open(id fstree.ID) (fstree.Content, error) {
	ino, err := v.inode(id.Ino)
	if err != nil {
		return nil, err
	}
	if !ino.is(modeRegular) {
		return nil, fmt.Errorf("xfs: inode %d is not a regular file: %w", id.Ino, fs.ErrInvalid)
	}
	if ino.flags&flagRealtime != 0 {
		return nil, fmt.Errorf("xfs: inode %d: contents on a realtime device: %w", id.Ino, fstree.ErrUnsupported)
	}
	f := ino.dataFork(v)
	f.raw = append([]byte(nil), f.raw...) // the view would keep a whole piece of the cache
	c := &content{fork: f, size: ino.size}
	if ino.flags2&flag2Reflink == 0 && fstree.MoreThanStored(c, int64(v.sb.blocks)<<v.sb.blockLog) {
		return nil, f.damage(-1, "it maps more blocks than the volume has")
	}
	return c, nil
}

// content is an open regular file. It holds its inode's fork and nothing else.
type content struct {
	fork fork
	size int64
}

func (c *content) Size() int64 { return c.size }

// ReadAt reads each run of blocks that lie together at once, straight into p.
func (c *content) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("xfs: reading at %d: %w", off, fs.ErrInvalid)
	}
	if off >= c.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), c.size-off)]
	done := 0
	for run, err := range c.Extents(off, int64(len(want))) {
		if err != nil {
			return done, err
		}
		part := want[done : done+int(run.Length)]
		if run.Hole {
			clear(part)
			done += len(part)
			continue
		}
		n, err := c.fork.v.cache.ReadData(part, run.Offset)
		done += n
		if err != nil {
			return done, c.fork.v.readError(err, run.Offset, "contents of inode %d", c.fork.owner)
		}
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// Extents yields the runs of [off, off+n), neighbours on the volume as one.
func (c *content) Extents(off, n int64) iter.Seq2[fstree.Extent, error] {
	return func(yield func(fstree.Extent, error) bool) {
		if off < 0 || n <= 0 || off >= c.size {
			return
		}
		m := merger{yield: yield, next: off, end: off + min(n, c.size-off), more: true}
		log := c.fork.v.sb.blockLog
		err := c.fork.extents(uint64(off)>>log, func(e extent) bool {
			if e.start > math.MaxInt64>>log || int64(e.start)<<log >= m.end {
				return false
			}
			m.hole(int64(e.start) << log)
			start := int64(e.start) << log
			length := min(int64(e.length)<<log, math.MaxInt64-start)
			if e.unwritten {
				m.hole(start + length)
			} else {
				m.data(start, length, e.offset)
			}
			return m.more && m.next < m.end
		})
		if err == nil {
			m.hole(m.end)
		}
		m.flush()
		if err != nil && m.more {
			yield(fstree.Extent{}, err)
		}
	}
}

// merger cuts runs to a range and joins those that continue one another.
type merger struct {
	yield     func(fstree.Extent, error) bool
	next, end int64 // bytes of the file that are still to come
	last      fstree.Extent
	more      bool
}

// hole says that nothing is stored before a byte of the file.
func (m *merger) hole(until int64) {
	if until = min(until, m.end); until > m.next {
		m.add(fstree.Extent{Start: m.next, Length: until - m.next, Hole: true, Offset: -1})
	}
}

// data adds a run of stored bytes.
func (m *merger) data(start, length, offset int64) {
	if skip := m.next - start; skip > 0 {
		start, length, offset = start+skip, length-skip, offset+skip
	}
	if length = min(length, m.end-start); length > 0 {
		m.add(fstree.Extent{Start: start, Length: length, Offset: offset})
	}
}

func (m *merger) add(e fstree.Extent) {
	m.next = e.Start + e.Length
	joins := e.Hole == m.last.Hole && (e.Hole || e.Offset == m.last.Offset+m.last.Length)
	if m.last.Length > 0 && joins {
		m.last.Length += e.Length
		return
	}
	m.flush()
	m.last = e
}

// flush hands on what nothing more can join.
func (m *merger) flush() {
	if m.last.Length > 0 && m.more {
		m.more = m.yield(m.last, nil)
	}
	m.last = fstree.Extent{}
}
