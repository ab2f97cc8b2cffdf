package backend

import (
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync"
)

// Memory is a storage in memory. It is sparse: only what was written takes
// room, in pages, so that a length of terabytes costs nothing.
//
// After Close every call fails but Bytes and Clone: like a file, the content is
// still there after it was closed. A Memory is safe for concurrent use.
type Memory struct {
	mu     sync.RWMutex
	pages  map[int64]memoryPage // by offset / memoryPageSize; a missing one is zeroes
	order  []int64              // the keys of pages in order, nil when not up to date
	size   int64
	closed bool
}

const memoryPageSize = 64 << 10

// memoryPage holds zeroes beyond the end of the storage, so that growing
// shows no old bytes. A page that a clone has too is copied before it changes.
type memoryPage struct {
	array  *[memoryPageSize]byte
	shared bool
}

var (
	_ Storage    = (*Memory)(nil)
	_ DataFinder = (*Memory)(nil)
)

// NewMemory returns a storage that holds the bytes of b. It takes b over and
// may change it; nil makes an empty storage.
func NewMemory(b []byte) *Memory {
	m := &Memory{pages: make(map[int64]memoryPage), size: int64(len(b))}
	for i := int64(0); len(b) > 0; i++ {
		if len(b) >= memoryPageSize {
			m.pages[i] = memoryPage{array: (*[memoryPageSize]byte)(b)}
			b = b[memoryPageSize:]
			continue
		}
		copy(m.page(i)[:], b)
		b = nil
	}
	return m
}

// Bytes returns a copy of everything that is stored. It is meant for small
// storages: what was never written is filled in.
func (m *Memory) Bytes() []byte {
	m.mu.RLock()
	defer m.mu.RUnlock()
	b := make([]byte, m.size)
	m.read(b, 0)
	return b
}

// Clone returns an open copy of the storage. A change to one does not show in
// the other; pages are copied when they change, so that a clone is cheap.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, page := range m.pages {
		page.shared = true
		m.pages[i] = page
	}
	return &Memory{pages: maps.Clone(m.pages), size: m.size}
}

// Size returns the length in bytes.
func (m *Memory) Size() (int64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return 0, fs.ErrClosed
	}
	return m.size, nil
}

// ReadAt implements [io.ReaderAt].
func (m *Memory) ReadAt(p []byte, off int64) (int, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return 0, fs.ErrClosed
	}
	if err := checkRange("read", off, 0); err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if off >= m.size {
		return 0, io.EOF
	}
	n := min(int64(len(p)), m.size-off)
	m.read(p[:n], off)
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// read fills p, which lies inside the storage.
func (m *Memory) read(p []byte, off int64) {
	for len(p) > 0 {
		at := off % memoryPageSize
		n := min(len(p), int(memoryPageSize-at))
		if page, ok := m.pages[off/memoryPageSize]; ok {
			copy(p[:n], page.array[at:])
		} else {
			clear(p[:n])
		}
		p, off = p[n:], off+int64(n)
	}
}

// WriteAt implements [io.WriterAt].
func (m *Memory) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return 0, fs.ErrClosed
	}
	if err := checkRange("write", off, len(p)); err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	m.size = max(m.size, off+int64(len(p)))
	for done := 0; done < len(p); {
		at := off + int64(done)
		page := m.page(at / memoryPageSize)
		done += copy(page[at%memoryPageSize:], p[done:])
	}
	return len(p), nil
}

// page returns a page that may be changed.
func (m *Memory) page(i int64) *[memoryPageSize]byte {
	page, ok := m.pages[i]
	if ok && !page.shared {
		return page.array
	}
	own := new([memoryPageSize]byte)
	if ok {
		*own = *page.array
	} else {
		m.order = nil
	}
	m.pages[i] = memoryPage{array: own}
	return own
}

// Truncate sets the length in bytes; bytes gained are zeroes and take no
// room.
func (m *Memory) Truncate(size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return fs.ErrClosed
	}
	if err := checkSize(size); err != nil {
		return err
	}
	if size < m.size {
		last := size / memoryPageSize
		maps.DeleteFunc(m.pages, func(i int64, _ memoryPage) bool {
			return i > last || i == last && size%memoryPageSize == 0
		})
		m.order = nil
		if _, ok := m.pages[last]; ok {
			clear(m.page(last)[size%memoryPageSize:])
		}
	}
	m.size = size
	return nil
}

// Sync has nothing to wait for.
func (m *Memory) Sync() error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return fs.ErrClosed
	}
	return nil
}

// NextData implements [DataFinder]; what was ever written is data.
func (m *Memory) NextData(off int64) (start, end int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return 0, 0, fs.ErrClosed
	}
	if err := checkRange("look for data", off, 0); err != nil {
		return 0, 0, err
	}
	if m.order == nil {
		m.order = slices.Sorted(maps.Keys(m.pages))
	}
	at, _ := slices.BinarySearch(m.order, off/memoryPageSize)
	if off >= m.size || at == len(m.order) {
		return m.size, m.size, nil
	}
	first := m.order[at]
	last := first
	for at++; at < len(m.order) && m.order[at] == last+1; at++ {
		last++
	}
	start = max(off, first*memoryPageSize)
	end = m.size
	if last < maxOffset/memoryPageSize {
		end = min(end, (last+1)*memoryPageSize)
	}
	return start, end, nil
}

// Close makes every later call fail.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return fs.ErrClosed
	}
	m.closed = true
	return nil
}
