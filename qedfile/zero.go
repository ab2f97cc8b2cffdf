package qedfile

import (
	"errors"

	"github.com/qedfs/qedfs/backend"
)

// WriteZeroes makes n bytes from off on read as zeroes. Whole clusters that
// the image does not have are marked as zero clusters, which take no space and
// hide the backing file; clusters that it has are overwritten with zeroes and
// kept. Errors are those of [Image.WriteAt].
func (m *Image) WriteZeroes(off, n int64) error {
	m.write.cut.RLock()
	defer m.write.cut.RUnlock()
	if err := m.checkWrite(off, n); err != nil {
		return err
	}
	for n > 0 {
		k, err := m.zeroRun(off, n)
		if err != nil {
			return err
		}
		off, n = off+k, n-k
	}
	return nil
}

// zeroRun zeroes the first part of a range: what is stored alike. It may do
// nothing where another writer came first, to be called again.
func (m *Image) zeroRun(off, n int64) (int64, error) {
	r, err := m.run(off, n)
	if err != nil {
		return 0, err
	}
	switch r.kind {
	case Zero:
		return r.n, nil
	case Data:
		return r.n, m.zeroFile(r.host, r.n)
	}
	size := m.geo.clusterSize()
	start, end := roundUp(off, size), (off+r.n)&^(size-1)
	if off+r.n == m.size.Load() {
		end = roundUp(off+r.n, size) // nobody sees the rest of the last cluster
	}
	if off == start && start < end {
		k, err := m.markZero(diskRange{start, end})
		return min(k, r.n), err
	}
	return m.zeroPart(off, min(r.n, size-off&(size-1)))
}

// zeroPart zeroes a part of a cluster that the image does not have. Where it
// reads as zeroes already there is nothing to do.
func (m *Image) zeroPart(off, n int64) (int64, error) {
	if off >= m.backingSize {
		return n, nil
	}
	buf := m.buffers.get()
	defer m.buffers.put(buf)
	b := buf[:min(n, bufferBytes)]
	clear(b)
	k, err := m.writeRun(b, off)
	return int64(k), err
}

// markZero marks the first clusters of a range that are unallocated, and
// returns how many bytes of the disk they are.
func (m *Image) markZero(disk diskRange) (int64, error) {
	w := &m.write
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		if err := m.checkWritable(); err != nil {
			return 0, err
		}
		r, err := m.newRun(disk.start, disk.end-disk.start)
		if err != nil || r.kind != Unallocated {
			return 0, err
		}
		marked := diskRange{disk.start, disk.start + r.n}
		if w.isBusy(marked) {
			w.idle.Wait()
			continue
		}
		return r.n, m.setEntries(marked, entryZero, 0)
	}
}

// zeroFile overwrites a part of the file with zeroes.
func (m *Image) zeroFile(off, n int64) error {
	buf := m.buffers.get()
	defer m.buffers.put(buf)
	clear(buf[:min(n, bufferBytes)])
	for n > 0 {
		b := buf[:min(n, bufferBytes)]
		if err := m.writeFile(b, off); err != nil {
			return err
		}
		off, n = off+int64(len(b)), n-int64(len(b))
	}
	return nil
}

// Discard says that n bytes from off on are not needed any more. Where the
// storage can, their space is given back to the host and they read as zeroes;
// elsewhere they stay as they are. Their clusters stay the image's: the format
// knows no free space, so that letting go of them would leak it.
func (m *Image) Discard(off, n int64) error {
	m.write.cut.RLock()
	defer m.write.cut.RUnlock()
	if err := m.checkWrite(off, n); err != nil {
		return err
	}
	for n > 0 {
		r, err := m.run(off, n)
		if err != nil {
			return err
		}
		if r.kind == Data {
			err := backend.PunchHole(m.w, r.host, r.n)
			if errors.Is(err, errors.ErrUnsupported) {
				return nil
			}
			if err := m.fail("discard", err); err != nil {
				return err
			}
		}
		off, n = off+r.n, n-r.n
	}
	return nil
}
