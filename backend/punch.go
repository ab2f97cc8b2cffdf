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
	if off < 0 || n <= 0 || off > maxOffset-n {
		return checkHole(off, n)
	}
	return punchHole(f.f, off, n)
}

// PunchHole implements [HolePuncher].
func (m *Memory) PunchHole(off, n int64) error {
	if off < 0 || n <= 0 || off > maxOffset-n {
		return checkHole(off, n)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return fs.ErrClosed
	}
	for end := min(off+n, m.size); off < end; {
		i, at := off/memoryPageSize, off%memoryPageSize
		k := min(memoryPageSize-at, end-off)
		if _, ok := m.pages[i]; ok {
			clear(m.page(i)[at : at+k])
		}
		off += k
	}
	return nil
}

// checkHole is for a range that is no hole: nothing is done for an empty one.
func checkHole(off, n int64) error {
	if n == 0 {
		return nil
	}
	return fmt.Errorf("backend: no hole of %d bytes at %d", n, off)
}
