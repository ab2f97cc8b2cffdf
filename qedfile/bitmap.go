package qedfile

import (
	"maps"
	"math/bits"
	"slices"
)

// A bitmap has one bit for each cluster of a file.
//
// A file may be sparse and so claim far more clusters than it stores. Up to
// denseBits the bits are one slice. The operating system provides only the
// pages that are touched. Beyond that they are pages made on demand, up to
// maxSparsePages.
type bitmap struct {
	n     int64 // bits
	count int64 // bits set
	dense []uint64
	pages map[int64]*bitmapPage
	order []int64 // the pages' numbers in order, when as many as pages
}

type bitmapPage [64]uint64

const (
	pageBits       = int64(len(bitmapPage{}) * 64)
	denseBits      = int64(512 << 20)           // 64 MiB of memory, 32 TiB of 64 KiB clusters
	maxSparsePages = 256 << 20 / (pageBits / 8) // 256 MiB of memory
)

var errBitmapFull = errorf("the clusters in use are too many and too scattered to count in memory")

func newBitmap(n int64) *bitmap {
	if n > denseBits {
		return &bitmap{n: n, pages: make(map[int64]*bitmapPage)}
	}
	return &bitmap{n: n, dense: make([]uint64, (n+63)/64)}
}

// set sets bit i and reports whether it was clear.
func (m *bitmap) set(i int64) (fresh bool, err error) {
	w, err := m.word(i)
	if err != nil {
		return false, err
	}
	bit := uint64(1) << (i & 63)
	if *w&bit != 0 {
		return false, nil
	}
	*w |= bit
	m.count++
	return true, nil
}

// setDense is set for a bit that exists of a bitmap in one slice.
func (m *bitmap) setDense(i uint64) (fresh bool) {
	w, bit := &m.dense[i>>6], uint64(1)<<(i&63)
	if *w&bit != 0 {
		return false
	}
	*w |= bit
	m.count++
	return true
}

// setRun sets the n bits from i on if all of them are clear, and reports
// whether it did. It may refuse where set, bit by bit, would not.
func (m *bitmap) setRun(i, n int64) bool {
	if m.dense == nil || i < 0 || n > m.n-i {
		return false
	}
	first, last := i>>6, (i+n-1)>>6
	head, tail := ^uint64(0)<<(i&63), ^uint64(0)>>(63-(i+n-1)&63)
	if first == last { // fragmented images have no longer runs
		if m.dense[first]&head&tail != 0 {
			return false
		}
		m.dense[first] |= head & tail
		m.count += n
		return true
	}
	seen := m.dense[first]&head | m.dense[last]&tail
	for _, w := range m.dense[first+1 : last] {
		seen |= w
	}
	if seen != 0 {
		return false
	}
	m.dense[first] |= head
	m.dense[last] |= tail
	for k := first + 1; k < last; k++ {
		m.dense[k] = ^uint64(0)
	}
	m.count += n
	return true
}

// clear clears bit i.
func (m *bitmap) clear(i int64) {
	if !m.has(i) {
		return
	}
	w, err := m.word(i)
	if err != nil {
		return // has found the page: it exists
	}
	*w &^= 1 << (i & 63)
	m.count--
}

// has reports whether bit i is set.
func (m *bitmap) has(i int64) bool {
	if i < 0 || i >= m.n {
		return false
	}
	if m.dense != nil {
		return m.dense[i>>6]&(1<<(i&63)) != 0
	}
	p := m.pages[i/pageBits]
	return p != nil && p[i%pageBits>>6]&(1<<(i&63)) != 0
}

// word returns the word that holds bit i.
func (m *bitmap) word(i int64) (*uint64, error) {
	if i < 0 || i >= m.n {
		return nil, errorf("cluster %d of %d", i, m.n)
	}
	if m.dense != nil {
		return &m.dense[i>>6], nil
	}
	p := m.pages[i/pageBits]
	if p == nil {
		if int64(len(m.pages)) >= maxSparsePages {
			return nil, errBitmapFull
		}
		p = new(bitmapPage)
		m.pages[i/pageBits] = p
	}
	return &p[i%pageBits>>6], nil
}

// grow makes room for n bits, the new ones clear.
func (m *bitmap) grow(n int64) {
	if n <= m.n {
		return
	}
	m.n = n
	if m.pages != nil {
		return
	}
	if words := (n + 63) / 64; words > int64(len(m.dense)) {
		m.dense = append(m.dense, make([]uint64, words-int64(len(m.dense)))...)
	}
}

// nextClear returns the first clear bit at or after i, or n.
func (m *bitmap) nextClear(i int64) int64 { return m.next(i, ^uint64(0)) }

// nextSet returns the first set bit at or after i, or n.
func (m *bitmap) nextSet(i int64) int64 { return m.next(i, 0) }

// end returns the bit after the last one that is set, or 0.
func (m *bitmap) end() int64 {
	for k, w := range slices.Backward(m.dense) {
		if w != 0 {
			return int64(k*64 + bits.Len64(w))
		}
	}
	for _, p := range slices.Backward(slices.Sorted(maps.Keys(m.pages))) {
		for k, w := range slices.Backward(m.pages[p][:]) {
			if w != 0 {
				return p*pageBits + int64(k*64+bits.Len64(w))
			}
		}
	}
	return 0
}

// next returns the first bit at or after i that is set once its word is
// xored with flip, or n.
func (m *bitmap) next(i int64, flip uint64) int64 {
	for i < m.n {
		if m.dense == nil && m.pages[i/pageBits] == nil {
			if flip != 0 {
				return i
			}
			i = m.nextPage(i)
			continue
		}
		w := m.peek(i) ^ flip
		if w >>= i & 63; w != 0 {
			return min(i+int64(bits.TrailingZeros64(w)), m.n)
		}
		i = (i | 63) + 1
	}
	return m.n
}

// nextPage returns the first bit of the first page after bit i's, or n.
func (m *bitmap) nextPage(i int64) int64 {
	if len(m.order) != len(m.pages) {
		m.order = slices.Sorted(maps.Keys(m.pages))
	}
	k, found := slices.BinarySearch(m.order, i/pageBits)
	if found {
		k++
	}
	if k == len(m.order) {
		return m.n
	}
	return m.order[k] * pageBits
}

func (m *bitmap) peek(i int64) uint64 {
	if m.dense != nil {
		return m.dense[i>>6]
	}
	return m.pages[i/pageBits][i%pageBits>>6]
}
