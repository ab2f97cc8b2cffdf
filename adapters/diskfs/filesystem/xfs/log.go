package xfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sort"
)

const (
	recordMagic     = 0xfeedbabe
	cyclesInHeader  = 64  // sectors of a record whose first words one header sector keeps
	extHeaderBytes  = 260 // of a further header sector that the checksum covers
	maxRecordBytes  = 256 << 10
	maxRecord       = maxRecordBytes/sectorSize + maxRecordBytes/sectorSize/cyclesInHeader // sectors
	recordsInFlight = 8                                                                    // XLOG_MAX_ICLOGS
	opUnmount       = 0x20
	opFlagsAt       = 9 // in the header of an operation
)

var errLogDamaged = errors.New("the log is damaged")

// journal is the log as it lies on the volume: a ring of sectors. Each sector
// begins with the number of the cycle in which it was written; where a record
// begins it has a magic number first. The word that the cycle number displaces
// is kept in the record's header.
//
// Finding its ends follows fs/xfs/xfs_log_recover.c: xlog_find_head, xlog_find_tail.
type journal struct {
	r       io.ReaderAt
	start   int64 // byte of the volume
	sectors int64
	v2, v5  bool
}

// record is a log record's place and header.
type record struct {
	at     int64  // sector of the log
	header []byte // all its sectors
	length int    // bytes of data
}

func (r *record) headerSectors() int64 { return int64(len(r.header) / sectorSize) }

// size is in sectors, with the header.
func (r *record) size() int64 {
	return r.headerSectors() + int64(r.length+sectorSize-1)/sectorSize
}

func (r *record) lsn() uint64 { return binary.BigEndian.Uint64(r.header[16:]) }

// tail is the sector of the oldest record that was needed when this one was written.
func (r *record) tail() int64 { return int64(binary.BigEndian.Uint32(r.header[28:])) }

func (r *record) operations() int { return int(binary.BigEndian.Uint32(r.header[40:])) }

// read returns sectors of the ring, around its end if need be.
func (j *journal) read(first, n int64) ([]byte, error) {
	b := make([]byte, n*sectorSize)
	first %= j.sectors
	before := min(n, j.sectors-first) * sectorSize
	if got, err := j.r.ReadAt(b[:before], j.start+first*sectorSize); int64(got) < before {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	rest := b[before:]
	if len(rest) == 0 {
		return b, nil
	}
	if got, err := j.r.ReadAt(rest, j.start); got < len(rest) {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	return b, nil
}

// cycleOf is the cycle number of a sector.
func cycleOf(sector []byte) uint32 {
	if c := binary.BigEndian.Uint32(sector); c != recordMagic {
		return c
	}
	return binary.BigEndian.Uint32(sector[4:])
}

func (j *journal) cycle(sector int64) (uint32, error) {
	b, err := j.read(sector, 1)
	if err != nil {
		return 0, err
	}
	return cycleOf(b), nil
}

// end finds where the next record would be written, by the cycle numbers:
// they fall by one there. stale is the cycle of what lies after it.
func (j *journal) end() (head int64, stale uint32, err error) {
	first, err := j.cycle(0)
	if err != nil {
		return 0, 0, err
	}
	last, err := j.cycle(j.sectors - 1)
	switch {
	case err != nil:
		return 0, 0, err
	case first == 0:
		return 0, 0, nil
	case first == last:
		return j.sectors, last - 1, nil
	}
	head = int64(sort.Search(int(j.sectors-1), func(i int) bool {
		c, e := j.cycle(int64(i))
		err = errors.Join(err, e)
		return c == last
	}))
	return head, last, err
}

// withoutHoles moves the head back to the first of the last two megabytes
// that were not written, as writes may reach the disk out of order.
func (j *journal) withoutHoles(head int64, stale uint32) (int64, error) {
	window := min(recordsInFlight*maxRecordBytes/sectorSize, j.sectors)
	if before := window - head; before > 0 && stale > 0 {
		// Around the ring's end: everything there is of the cycle before,
		// which is the stale one where the head is; or older.
		b, err := j.read(j.sectors-before, before)
		if err != nil {
			return 0, err
		}
		for i := range before {
			if cycleOf(b[i*sectorSize:]) == stale-1 {
				return j.sectors - before + i, nil
			}
		}
	}
	from := max(head-window, 0)
	b, err := j.read(from, head-from)
	if err != nil {
		return 0, err
	}
	for i := range head - from {
		if cycleOf(b[i*sectorSize:]) == stale {
			return from + i, nil
		}
	}
	return head, nil
}

// before finds the last record that begins before a sector, nil if there is none
// as near as a record can be.
func (j *journal) before(sector int64) (*record, error) {
	for _, window := range []int64{16, maxRecord} {
		window = min(window, j.sectors)
		b, err := j.read(sector+j.sectors-window, window)
		if err != nil {
			return nil, err
		}
		for i := window - 1; i >= 0; i-- {
			if binary.BigEndian.Uint32(b[i*sectorSize:]) == recordMagic {
				return j.record((sector + j.sectors - window + i) % j.sectors)
			}
		}
	}
	return nil, nil
}

// record reads the header of a record.
func (j *journal) record(at int64) (*record, error) {
	b, err := j.read(at, 1)
	if err != nil {
		return nil, err
	}
	be := binary.BigEndian
	length, size := be.Uint32(b[12:]), be.Uint32(b[320:])
	if be.Uint32(b) != recordMagic || length == 0 || length > maxRecordBytes {
		return nil, fmt.Errorf("no record at sector %d: %w", at, errLogDamaged)
	}
	sectors := int64(1)
	if version := be.Uint32(b[8:]); j.v2 && version&2 != 0 && size > cyclesInHeader*sectorSize {
		sectors = int64(min(size, maxRecordBytes)+cyclesInHeader*sectorSize-1) / (cyclesInHeader * sectorSize)
	}
	r := &record{at: at, header: b, length: int(length)}
	if sectors > 1 {
		if r.header, err = j.read(at, sectors); err != nil {
			return nil, err
		}
	}
	if r.size() > j.sectors || int64(length) > sectors*cyclesInHeader*sectorSize {
		return nil, fmt.Errorf("a record of %d bytes at sector %d: %w", length, at, errLogDamaged)
	}
	return r, nil
}

// data reads a record's data, verifies it and puts the displaced words back.
// Records of version 4 may have no checksum.
func (j *journal) data(r *record) ([]byte, error) {
	b, err := j.read(r.at+r.headerSectors(), r.size()-r.headerSectors())
	if err != nil {
		return nil, err
	}
	// The checksum covers the header as C lays it out, which is four bytes
	// longer where 64-bit numbers are aligned.
	want := binary.LittleEndian.Uint32(r.header[32:])
	if (want != 0 || j.v5) && r.checksum(b, 328) != want && r.checksum(b, 324) != want {
		return nil, fmt.Errorf("the checksum of the record at sector %d: %w", r.at, errLogDamaged)
	}
	cycle := binary.BigEndian.Uint32(r.header[4:])
	for i := range len(b) / sectorSize {
		if wrapped := r.at+r.headerSectors()+int64(i) >= j.sectors; !wrapped && cycleOf(b[i*sectorSize:]) != cycle {
			return nil, fmt.Errorf("sector %d of the record at %d is of another cycle: %w", i, r.at, errLogDamaged)
		}
		words := r.header[44:]
		if i >= cyclesInHeader {
			words = r.header[i/cyclesInHeader*sectorSize+4:]
		}
		copy(b[i*sectorSize:][:4], words[i%cyclesInHeader*4:])
	}
	return b[:r.length], nil
}

func (r *record) checksum(data []byte, headerBytes int) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := checksum(r.header[:headerBytes], 32)
	for i := 1; i*cyclesInHeader*sectorSize < r.length; i++ {
		sum = crc32.Update(sum, table, r.header[i*sectorSize:][:extHeaderBytes])
	}
	return crc32.Update(sum, table, data[:r.length])
}

// span is the part of the log that was not yet written to where it belongs.
type span struct {
	tail, head int64   // sectors; the head is not part of it
	last       *record // before the head
	clean      bool
}

// span finds what has to be replayed.
func (j *journal) span() (span, error) {
	head, stale, err := j.end()
	if err != nil || head == 0 {
		return span{clean: true}, err // a log that was never written to
	}
	if s, err := j.spanTo(head); err == nil && s.clean {
		return s, nil
	}
	if head, err = j.withoutHoles(head, stale); err != nil {
		return span{}, err
	}
	s, err := j.spanTo(head)
	if err != nil || s.clean {
		return s, err
	}
	return j.withoutTorn(s)
}

// spanTo finds the last whole record before a sector, and by it the tail.
func (j *journal) spanTo(head int64) (span, error) {
	last, err := j.before(head)
	if err == nil && last != nil && (last.at+last.size())%j.sectors != head%j.sectors {
		// The head lies within a record whose rest was not written.
		head = last.at
		last, err = j.before(head)
	}
	switch {
	case err != nil:
		return span{}, err
	case last == nil:
		return span{}, fmt.Errorf("no record before sector %d: %w", head, errLogDamaged)
	case last.tail() >= j.sectors:
		return span{}, fmt.Errorf("the tail at sector %d: %w", last.tail(), errLogDamaged)
	}
	s := span{tail: last.tail(), head: head % j.sectors, last: last}
	s.clean, err = j.unmounted(last)
	return s, err
}

// unmounted tells whether a record is what an orderly unmount writes.
func (j *journal) unmounted(r *record) (bool, error) {
	if r.operations() != 1 {
		return false, nil
	}
	b, err := j.read(r.at+r.headerSectors(), 1)
	return err == nil && b[opFlagsAt]&opUnmount != 0, err
}

// withoutTorn verifies the records that were perhaps being written when the
// machine stopped, and ends the span before the first that is not whole.
func (j *journal) withoutTorn(s span) (span, error) {
	records := []*record{s.last}
	for first := s.last; len(records) < recordsInFlight && first.at != s.tail; {
		prev, err := j.before(first.at)
		if err != nil || prev == nil || (prev.at+prev.size())%j.sectors != first.at {
			break
		}
		records, first = append(records, prev), prev
	}
	for i := len(records) - 1; i >= 0; i-- {
		if _, err := j.data(records[i]); err == nil {
			continue
		} else if !errors.Is(err, errLogDamaged) {
			return span{}, err
		}
		return j.spanTo(records[i].at)
	}
	return s, nil
}
