package qedfile

import (
	"fmt"
	"io/fs"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// writeState is what an image needs to be written. An image that was opened
// for reading leaves it alone.
//
// A write into a cluster that the image has goes straight there. Any other
// takes a place at the end of the file, writes all of the cluster, and only
// then links it in the table; the lock is not held while data is written, so
// that writers work side by side. Two who need the same cluster wait for each
// other by busy.
type writeState struct {
	// cut is held for reading by every write, for writing by what takes
	// clusters away: then no write can be on its way to one of them.
	cut sync.RWMutex

	mu       sync.Mutex // guards the rest, the dirty parts of slices and the header
	idle     *sync.Cond // busy became shorter
	busy     []diskRange
	dirty    []*tableSlice
	free     []fileRange // unreferenced, with unknown content
	prepared bool        // nothing follows the last cluster of the file
	// ordered has data synced before a table refers to it. An image with a
	// backing file needs it: repair could not bring back what its clusters
	// showed before. Others rely on NEED_CHECK.
	ordered  bool
	wasDirty bool // the image was dirty when it was opened, and not repaired

	failure atomic.Pointer[error] // of the storage, the first
}

// A diskRange is a part of the disk, a fileRange one of the file: whole
// clusters, in bytes.
type (
	diskRange struct{ start, end int64 }
	fileRange struct{ off, n int64 }
)

// checkWrite returns why a range cannot be changed.
func (m *Image) checkWrite(off, n int64) error {
	if err := m.checkWritable(); err != nil {
		return err
	}
	if off < 0 {
		return errNegativeOffset
	}
	if n < 0 || n > m.size.Load()-off {
		return fmt.Errorf("%w: %d bytes at %d of %d", ErrRange, n, off, m.size.Load())
	}
	return nil
}

func (m *Image) checkWritable() error {
	switch {
	case m.closed.Load():
		return fs.ErrClosed
	case m.w == nil:
		return ErrReadOnly
	}
	if err := m.write.failure.Load(); err != nil {
		return fmt.Errorf("%w: %w", ErrFailed, *err)
	}
	return nil
}

// fail notes that the storage failed. What it holds is unknown from then on,
// so that nothing more is written that could rest on it.
func (m *Image) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	err = errorf("%s: %w", op, err)
	m.write.failure.CompareAndSwap(nil, &err)
	return err
}

// writeFile writes to the image's file.
func (m *Image) writeFile(p []byte, off int64) error {
	m.stats.writes.Add(1)
	m.stats.writeBytes.Add(int64(len(p)))
	_, err := m.w.WriteAt(p, off)
	return m.fail("write", err)
}

// WriteAt implements [io.WriterAt]. A write that reaches past the end of the
// disk fails with [ErrRange] and writes nothing; after any other error the
// first n bytes are written and the rest may be. Writes to the same bytes at
// the same time leave one or the other, by sectors.
func (m *Image) WriteAt(p []byte, off int64) (n int, err error) {
	m.write.cut.RLock()
	defer m.write.cut.RUnlock()
	if err := m.checkWrite(off, int64(len(p))); err != nil {
		return 0, err
	}
	for n < len(p) {
		k, err := m.writeRun(p[n:], off+int64(n))
		n += k
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// writeRun writes the first part of p: what one run of the image takes. It
// may write nothing where another writer came first, to be called again.
func (m *Image) writeRun(p []byte, off int64) (int, error) {
	part, err := m.placePart(off, int64(len(p)))
	if err != nil || part.n == 0 {
		return 0, err
	}
	if err := m.writePart(&part, p[:part.n]); err != nil {
		return 0, err
	}
	return int(part.n), nil
}

// A placedPart is n bytes of the disk that are to be written at host, or to
// clusters that the image did not have.
type placedPart struct {
	off, n int64
	host   int64
	fresh  allocation // none for clusters that it had
}

// placePart places the first part of a range. Others who write to its clusters
// wait until it is written or abandoned. It is empty where another writer came
// first.
func (m *Image) placePart(off, n int64) (placedPart, error) {
	r, err := m.run(off, n)
	if err != nil {
		return placedPart{}, err
	}
	if r.kind == Data {
		return placedPart{off: off, n: r.n, host: r.host}, nil
	}
	a, err := m.reserve(off, r.n)
	if a.none() || err != nil {
		return placedPart{}, err
	}
	return placedPart{off: off, n: min(r.n, a.disk.end-off), fresh: a}, nil
}

// writePart writes b to where it was placed, or abandons it.
func (m *Image) writePart(p *placedPart, b []byte) error {
	if p.fresh.none() {
		return m.writeFile(b, p.host)
	}
	if err := m.fill(&p.fresh, b, p.off); err != nil {
		m.abandon(&p.fresh)
		return err
	}
	return m.link(&p.fresh)
}

// An allocation is a place in the file for clusters that the image did not
// have.
type allocation struct {
	disk  diskRange
	host  int64
	zero  bool // these are zero clusters: what is not written of them is zeroes
	clean bool // the place reads as zeroes already
}

func (a *allocation) none() bool { return a.disk.start == a.disk.end }

// reserve finds a place for the first clusters of a range that are alike: none
// when they have got one meanwhile.
func (m *Image) reserve(off, n int64) (a allocation, err error) {
	w := &m.write
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		if err := m.checkWritable(); err != nil {
			return a, err
		}
		r, err := m.newRun(off, n)
		if err != nil || r.kind == Data {
			return a, err
		}
		disk := diskRange{off &^ (m.geo.clusterSize() - 1), roundUp(off+r.n, m.geo.clusterSize())}
		if w.isBusy(disk) {
			w.idle.Wait()
			continue
		}
		host, clean, err := m.allocate(disk.end - disk.start)
		if err != nil {
			return a, err
		}
		w.busy = append(w.busy, disk)
		return allocation{disk: disk, host: host, clean: clean, zero: r.kind == Zero}, nil
	}
}

// newRun is run within one slice: what can be linked at once.
func (m *Image) newRun(off, n int64) (run, error) {
	span := m.geo.sliceSpan()
	return m.sliceRun(off, min(n, span-off&(span-1)))
}

func (w *writeState) isBusy(r diskRange) bool {
	return slices.ContainsFunc(w.busy, func(b diskRange) bool { return r.start < b.end && b.start < r.end })
}

func (w *writeState) release(r diskRange) {
	w.busy = slices.DeleteFunc(w.busy, func(b diskRange) bool { return b == r })
	w.idle.Broadcast()
}

// abandon gives a place back that was not linked, because the backing file
// could not be read: images without one have no such places.
func (m *Image) abandon(a *allocation) {
	w := &m.write
	w.mu.Lock()
	defer w.mu.Unlock()
	w.free = append(w.free, fileRange{a.host, a.disk.end - a.disk.start})
	w.release(a.disk)
}

// allocate takes n bytes of clusters, at the end of the file unless some were
// given back. clean says that they read as zeroes.
func (m *Image) allocate(n int64) (off int64, clean bool, err error) {
	w := &m.write
	for i := range w.free {
		if f := &w.free[i]; f.n >= n {
			off = f.off
			f.off, f.n = f.off+n, f.n-n
			return off, false, nil
		}
	}
	off, err = m.allocateAtEnd(n)
	return off, true, err
}

// allocateAtEnd takes n bytes that the file does not have yet: they read as
// zeroes until they are written, and cost nothing before.
func (m *Image) allocateAtEnd(n int64) (int64, error) {
	if err := m.prepareEnd(); err != nil {
		return 0, err
	}
	off := m.end.Load()
	if off > math.MaxInt64-n-m.geo.clusterSize() {
		return 0, errorf("the image file is full")
	}
	m.end.Store(off + n)
	return off, nil
}

// prepareEnd cuts off what follows the last whole cluster of the file, before
// anything is allocated there. It must not come back after a crash.
func (m *Image) prepareEnd() error {
	w := &m.write
	if w.prepared {
		return nil
	}
	size, err := m.w.Size()
	if err != nil {
		return err
	}
	if end := m.end.Load(); size > end {
		if err := m.fail("truncate", m.w.Truncate(end)); err != nil {
			return err
		}
		m.present.Store(end)
		if err := m.syncStorage(); err != nil {
			return err
		}
	}
	w.prepared = true
	return nil
}

// fill writes all of an allocation: p where it belongs, and around it what
// was there before. The payload comes last, as with qemu.
func (m *Image) fill(a *allocation, p []byte, off int64) error {
	end := off + int64(len(p))
	if err := m.fillPart(a, a.disk.start, off); err != nil {
		return err
	}
	if err := m.fillPart(a, end, a.disk.end); err != nil {
		return err
	}
	return m.writeFile(p, a.host+off-a.disk.start)
}

// fillPart writes what an allocation shows from start to end: zeroes where it
// was a zero cluster, else what the backing file has. The part of the last
// cluster that is past the end of the disk is zeroes, so that a longer disk
// does not show more of the backing file.
func (m *Image) fillPart(a *allocation, start, end int64) error {
	shown := int64(0)
	if !a.zero {
		shown = min(m.backingSize, m.size.Load())
	}
	if start >= end || a.clean && start >= shown {
		return nil
	}
	buf := m.buffers.get()
	defer m.buffers.put(buf)
	for start < end {
		b := buf[:min(end-start, bufferBytes)]
		if n := int64(len(b)); start < shown {
			k, err := m.readBacking(b[:min(n, shown-start)], start)
			if err != nil {
				return err
			}
			clear(b[k:])
		} else {
			clear(b)
		}
		if !a.clean || !isZero(b) {
			if err := m.writeFile(b, a.host+start-a.disk.start); err != nil {
				return err
			}
		}
		start += int64(len(b))
	}
	return nil
}

// link makes the table refer to an allocation.
func (m *Image) link(a *allocation) error {
	w := &m.write
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.release(a.disk)
	if err := m.checkWritable(); err != nil {
		return err // no table is written any more
	}
	return m.setEntries(a.disk, uint64(a.host), uint64(m.geo.clusterSize()))
}

// setEntries sets the entries of clusters, which lie in one slice, to first,
// first+step and so on. The L2 table is made if it does not exist.
func (m *Image) setEntries(disk diskRange, first, step uint64) error {
	s, err := m.l2ForWriting(disk.start)
	if err != nil {
		return err
	}
	i := m.geo.l2Index(disk.start) - s.first
	n := (disk.end - disk.start) >> m.geo.clusterBits
	for k := range n {
		s.entries[i+k].Store(first)
		first += step
	}
	return m.markDirty(s, i, i+n)
}
