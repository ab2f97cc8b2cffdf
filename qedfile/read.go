package qedfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

var errNegativeOffset = fmt.Errorf("%w: negative offset", ErrRange)

// A run is a part of the disk that one layer of the chain stores in one
// piece.
type run struct {
	kind Kind
	host int64 // where a Data run begins in the file, else -1
	n    int64 // bytes
}

// continues reports whether next, which follows r on the disk, follows it in
// the file as well.
func (r *run) continues(next *run) bool {
	return r.kind == next.kind && (r.kind != Data || r.host+r.n == next.host)
}

// run returns the run at pos in this image alone, as far as limit bytes. After
// an error n is the length of the part that it concerns.
func (m *Image) run(pos, limit int64) (run, error) {
	r, err := m.sliceRun(pos, limit)
	if err != nil {
		return r, err
	}
	for r.n < limit {
		next, err := m.sliceRun(pos+r.n, limit-r.n)
		if err != nil || !r.continues(&next) {
			break // what is wrong there is found when it is asked for
		}
		r.n += next.n
	}
	return r, nil
}

// sliceRun is run for the part that one slice maps.
func (m *Image) sliceRun(pos, limit int64) (run, error) {
	s, err := m.l2Slice(pos)
	if err != nil {
		span := m.geo.sliceSpan()
		if errors.Is(err, ErrCorrupt) {
			span = m.geo.tableSpan() // it is the L1 entry that is invalid
		}
		return run{kind: Unallocated, host: -1, n: min(limit, span-pos&(span-1))}, err
	}
	if s == nil {
		return m.holeRun(pos, limit)
	}
	size := m.geo.clusterSize()
	i := m.geo.l2Index(pos) - s.first
	e := s.entries[i].Load()
	r := run{kind: Data, host: -1, n: size - pos&(size-1)}
	switch {
	case e == entryUnallocated:
		r.kind = Unallocated
	case e == entryZero:
		r.kind = Zero
	case m.validCluster(e):
		r.host = int64(e) + pos&(size-1)
	default:
		r.n = min(r.n, limit)
		return r, m.corrupt(&CorruptError{
			Level: 2, Table: s.table, Index: s.first + i, Entry: e, Start: pos &^ (size - 1),
			Why: m.header.Load().checkCluster(e, m.end.Load()),
		})
	}
	step := uint64(0)
	if r.kind == Data {
		step = uint64(size)
	}
	for next := int(i) + 1; r.n < limit && next < len(s.entries); next++ {
		e += step
		if s.entries[next].Load() != e || r.kind == Data && !m.validCluster(e) {
			break
		}
		r.n += size
	}
	r.n = min(r.n, limit)
	return r, nil
}

// holeRun is sliceRun where there is no L2 table: as far as the L1 table's
// slice has no other.
func (m *Image) holeRun(pos, limit int64) (run, error) {
	span := m.geo.tableSpan()
	r := run{kind: Unallocated, host: -1, n: span - pos&(span-1)}
	index := m.geo.l1Index(pos)
	s, err := m.l1Slice(index, false)
	if err != nil {
		return run{}, err
	}
	for i := index - s.first + 1; r.n < limit && i < int64(len(s.entries)); i++ {
		if s.entries[i].Load() != entryUnallocated {
			break
		}
		r.n += min(span, limit-r.n) // the sum could exceed 63 bits
	}
	r.n = min(r.n, limit)
	return r, nil
}

// ReadAt implements [io.ReaderAt]: it reads from the disk, through the backing
// chain where the image itself holds nothing.
//
// Where a table entry is invalid ReadAt returns what comes before it and a
// [CorruptError]; other parts of the disk are not affected.
func (m *Image) ReadAt(p []byte, off int64) (int, error) {
	if m.closed.Load() {
		return 0, fs.ErrClosed
	}
	if off < 0 {
		return 0, errNegativeOffset
	}
	if len(p) == 0 {
		return 0, nil
	}
	left := m.size.Load() - off
	if left <= 0 {
		return 0, io.EOF
	}
	if int64(len(p)) <= left {
		if host, ok := m.inOneCluster(off, int64(len(p))); ok {
			if err := m.readFile(p, host); err != nil {
				return 0, err
			}
			return len(p), nil
		}
		return m.readRuns(p, off)
	}
	n, err := m.readRuns(p[:left], off)
	if err == nil {
		err = io.EOF
	}
	return n, err
}

// inOneCluster returns where the file holds n bytes of the disk that lie in
// one cluster, if its table is in memory: most small reads need no more.
func (m *Image) inOneCluster(pos, n int64) (host int64, ok bool) {
	in := pos & (m.geo.clusterSize() - 1)
	if n > m.geo.clusterSize()-in {
		return 0, false
	}
	s := m.cache.lookup(m.geo.l2Key(pos))
	if s == nil {
		return 0, false
	}
	e := s.entries[m.geo.l2Index(pos)-s.first].Load()
	return int64(e) + in, m.validCluster(e)
}

// readRuns is ReadAt for a range inside the disk.
func (m *Image) readRuns(p []byte, off int64) (done int, err error) {
	for done < len(p) {
		rest := p[done:]
		r, err := m.run(off+int64(done), int64(len(rest)))
		if err != nil {
			return done, err
		}
		rest = rest[:r.n]
		n := len(rest)
		switch r.kind {
		case Data:
			if err := m.readFile(rest, r.host); err != nil {
				return done, err
			}
		case Unallocated:
			n, err = m.readBacking(rest, off+int64(done))
		default:
			clear(rest)
		}
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// readBacking reads what the image does not hold. Without a backing file, and
// past its end, that is zeroes.
func (m *Image) readBacking(p []byte, off int64) (int, error) {
	below := p[:max(0, min(int64(len(p)), m.backingSize-off))]
	if len(below) > 0 {
		n, err := m.backing.ReadAt(below, off)
		if n < len(below) {
			// The last sector of a backing file may be incomplete.
			if err != io.EOF || m.backingSize-off-int64(n) >= sectorSize {
				return n, unexpectedEOF(err)
			}
			clear(below[n:])
		}
	}
	clear(p[len(below):])
	return len(p), nil
}

func unexpectedEOF(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
