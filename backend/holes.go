package backend

import (
	"errors"
	"io/fs"
)

// NextData asks r for its holes as [DataFinder.NextData] does; all of a reader
// that does not know them is data. A Reader that stands before another one
// passes the question on by it.
func NextData(r Reader, off int64) (start, end int64, err error) {
	if f, ok := r.(DataFinder); ok {
		return f.NextData(off)
	}
	if err := checkRange("look for data", off, 0); err != nil {
		return 0, 0, err
	}
	size, err := r.Size()
	return min(off, size), size, err
}

// PunchHole frees a part of s as [HolePuncher.PunchHole] does. For a storage
// that cannot, the error matches [errors.ErrUnsupported]. A Storage that
// stands before another one passes the call on by it.
func PunchHole(s Storage, off, n int64) error {
	if p, ok := s.(HolePuncher); ok {
		return p.PunchHole(off, n)
	}
	if err := checkHole(off, n); err != nil {
		return err
	}
	return errorf("this storage frees no space: %w", errors.ErrUnsupported)
}

var (
	_ HolePuncher = (*File)(nil)
	_ HolePuncher = (*Memory)(nil)
)

// PunchHole implements [HolePuncher] with fallocate(2); other systems than
// Linux, and some filesystems, cannot.
func (f *File) PunchHole(off, n int64) error {
	if !f.writable {
		return f.readOnly("punch hole")
	}
	if err := checkHole(off, n); err != nil || n == 0 {
		return err
	}
	return punchHole(f.f, off, n)
}

// PunchHole implements [HolePuncher].
func (m *Memory) PunchHole(off, n int64) error {
	if err := checkHole(off, n); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return fs.ErrClosed
	}
	for end := min(off+n, m.size); off < end; {
		i, at := off/memoryPageSize, off%memoryPageSize
		k := min(memoryPageSize-at, end-off)
		if _, ok := m.pages[i]; ok && k == memoryPageSize {
			delete(m.pages, i)
			m.order = nil
		} else if ok {
			clear(m.page(i)[at : at+k])
		}
		off += k
	}
	return nil
}

func checkHole(off, n int64) error {
	if off < 0 || n < 0 || off > maxOffset-n {
		return invalid("no hole of %d bytes at %d", n, off)
	}
	return nil
}
