package backend

import (
	"fmt"
	"io/fs"
)

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
		return fmt.Errorf("backend: no hole of %d bytes at %d", n, off)
	}
	return nil
}
