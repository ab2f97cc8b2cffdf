package rpmdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
)

// walLog is SQLite's write-ahead log: pages that are newer than those of the
// database.
type walLog struct {
	r        *io.SectionReader
	pageSize int
	pages    map[uint32]int64 // where the newest of each lies
	left     *int64
	buf      []byte
}

const walHeader, walFrame = 32, 24

// readWAL reads the log up to its last commit that is whole: as SQLite does when
// it opens a database that was not closed (walIndexRecover in its wal.c). One
// that does not begin as a log has nothing for the database.
func readWAL(r *io.SectionReader, pageSize int, left *int64) (*walLog, error) {
	log := &walLog{r: r, pageSize: pageSize, pages: make(map[uint32]int64), left: left, buf: make([]byte, pageSize)}
	head := make([]byte, walHeader)
	if _, err := r.ReadAt(head, 0); err != nil {
		if errors.Is(err, io.EOF) {
			return log, nil
		}
		return nil, err
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch be.Uint32(head) {
	case 0x377f0683:
		order = binary.BigEndian
	case 0x377f0682:
	default:
		return log, nil
	}
	sum := walSum{order: order}
	sum.add(head[:24])
	if !sum.is(head[24:]) || be.Uint32(head[8:]) != uint32(pageSize) {
		return log, nil
	}
	uncommitted := make(map[uint32]int64)
	for frame, at := range log.frames(&sum, head[16:24]) {
		if frame.err != nil {
			return nil, frame.err
		}
		uncommitted[frame.page] = at
		if frame.commit {
			for page, at := range uncommitted {
				log.pages[page] = at
			}
			clear(uncommitted)
		}
	}
	return log, nil
}

type frame struct {
	page   uint32
	commit bool
	err    error
}

// frames yields the frames whose sums are right, with where their pages lie.
func (l *walLog) frames(sum *walSum, salt []byte) iter.Seq2[frame, int64] {
	return func(yield func(frame, int64) bool) {
		b := make([]byte, walFrame+l.pageSize)
		for at := int64(walHeader); ; at += int64(len(b)) {
			if *l.left -= int64(len(b)); *l.left < 0 {
				yield(frame{err: errSpent}, 0)
				return
			}
			if _, err := l.r.ReadAt(b, at); err != nil {
				if !errors.Is(err, io.EOF) {
					yield(frame{err: err}, 0)
				}
				return
			}
			sum.add(b[:8])
			sum.add(b[walFrame:])
			if string(b[8:16]) != string(salt) || !sum.is(b[16:]) {
				return
			}
			if !yield(frame{page: be.Uint32(b), commit: be.Uint32(b[4:]) != 0}, at+walFrame) {
				return
			}
		}
	}
}

// page returns a page that the log has, nil where it has none.
func (l *walLog) page(n uint32) ([]byte, error) {
	at, ok := l.pages[n]
	if !ok {
		return nil, nil
	}
	if *l.left -= int64(l.pageSize); *l.left < 0 {
		return nil, errSpent
	}
	if _, err := l.r.ReadAt(l.buf, at); err != nil {
		return nil, fmt.Errorf("the log: %w", err)
	}
	return l.buf, nil
}

// walSum is the log's sum over all that comes before.
type walSum struct {
	order  binary.ByteOrder
	s0, s1 uint32
}

func (s *walSum) add(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		s.s0 += s.order.Uint32(b) + s.s1
		s.s1 += s.order.Uint32(b[4:]) + s.s0
	}
}

func (s *walSum) is(b []byte) bool { return be.Uint32(b) == s.s0 && be.Uint32(b[4:]) == s.s1 }
