package vhdx

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/backend"
)

// The log is a ring of sectors. An entry begins with a header and descriptors;
// each descriptor names a place in the file, where zeroes belong, or one of the
// data sectors that follow (specification, "Log").
const (
	logSector      = 4 << 10
	logHeaderBytes = 64
	descriptorSize = 32
	perSector      = logSector / descriptorSize

	// A data sector has a signature and a number in the place of its first
	// eight and its last four bytes; the descriptor keeps those.
	dataLeading  = 8
	dataTrailing = 4
)

// maxZeroRanges bounds the descriptors of zeroes in a log.
const maxZeroRanges = 4096

// logEntry is an entry that is valid.
type logEntry struct {
	at, bytes   int64 // in the log
	sequence    uint64
	tail        int64 // the entry from which on the log is not yet in the file
	descriptors int
	flushed     uint64 // what the file's size was at least
	last        uint64 // what it is at least afterwards
}

// A logReader finds the entries of a log.
type logReader struct {
	f    *layer.File
	h    *fileHeader
	work int64 // bytes that may yet be read: entries can be made to overlap
}

// replayLog returns the file as it is when the log is replayed, and whether
// there was anything to replay.
func replayLog(f *layer.File, h *fileHeader) (*layer.File, bool, error) {
	if h.logID == (GUID{}) || h.logBytes == 0 {
		return f, false, nil
	}
	if !f.Holds(h.logOffset, h.logBytes) {
		return nil, false, invalid("the log of %d bytes at %d does not fit into the file of %d", h.logBytes, h.logOffset, f.Bytes)
	}
	l := &logReader{f: f, h: h, work: 16*h.logBytes + 64<<20}
	entries, err := l.active()
	if err != nil || len(entries) == 0 {
		// An identity without entries is that of a log which was not yet used.
		return f, false, err
	}
	r := &replayed{File: f, size: f.Bytes, sectors: make(map[int64]patch)}
	for _, e := range entries {
		if e.flushed > uint64(f.Bytes) {
			return nil, false, invalid("the log is for a file of %d bytes, this one has %d: its end is missing", e.flushed, f.Bytes)
		}
		if e.last <= 1<<62 {
			r.size = max(r.size, int64(e.last))
		}
		if err := l.replay(e, r); err != nil {
			return nil, false, err
		}
	}
	file, err := layer.NewFile(r)
	return file, true, err
}

// active returns the entries that are to be replayed, in their order: of the
// sequences of entries that are complete, those of the newest.
func (l *logReader) active() ([]logEntry, error) {
	var best []logEntry
	for pos := int64(0); pos < l.h.logBytes; {
		sequence, err := l.sequence(pos)
		if err != nil {
			return nil, err
		}
		if len(sequence) == 0 {
			pos += logSector
			continue
		}
		head := sequence[len(sequence)-1]
		for i, e := range sequence {
			if e.at == head.tail && (best == nil || head.sequence > best[len(best)-1].sequence) {
				best = sequence[i:]
			}
		}
		if head.at < pos {
			break // around the ring
		}
		pos = head.at + head.bytes
	}
	return best, nil
}

// sequence returns the entries from pos on that follow each other.
func (l *logReader) sequence(pos int64) ([]logEntry, error) {
	var entries []logEntry
	for total := int64(0); ; {
		e, err := l.entry((pos + total) % l.h.logBytes)
		if err != nil {
			return nil, err
		}
		if e == nil || len(entries) > 0 && e.sequence != entries[len(entries)-1].sequence+1 {
			return entries, nil
		}
		if total += e.bytes; total > l.h.logBytes {
			return entries, nil
		}
		entries = append(entries, *e)
	}
}

// errWork stops a log that is made to take forever.
var errWork = errors.New("its entries overlap too often")

// sector reads a sector of the ring.
func (l *logReader) sector(b *[logSector]byte, pos int64) error {
	if l.work -= logSector; l.work < 0 {
		return invalid("log: %w", errWork)
	}
	return l.f.Header(Format, "log", b[:], l.h.logOffset+pos%l.h.logBytes)
}

// entry returns the entry at pos, or nil if there is no valid one.
func (l *logReader) entry(pos int64) (*logEntry, error) {
	var b [logSector]byte
	if err := l.sector(&b, pos); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	e := &logEntry{
		at: pos, bytes: int64(le.Uint32(b[8:])), tail: int64(le.Uint32(b[12:])), sequence: le.Uint64(b[16:]),
		descriptors: int(le.Uint32(b[24:]) & (1<<30 - 1)), flushed: le.Uint64(b[48:]), last: le.Uint64(b[56:]),
	}
	if string(b[:4]) != "loge" || GUID(b[32:]) != l.h.logID || e.sequence == 0 ||
		e.bytes == 0 || e.bytes%logSector != 0 || e.bytes > l.h.logBytes || e.tail%logSector != 0 || e.tail >= l.h.logBytes ||
		logHeaderBytes+int64(e.descriptors)*descriptorSize > e.bytes {
		return nil, nil
	}
	want := le.Uint32(b[4:])
	clear(b[4:8])
	sum, data := uint32(0), 0
	for at := int64(0); at < e.bytes; at += logSector {
		if at > 0 {
			if err := l.sector(&b, pos+at); err != nil {
				return nil, err
			}
		}
		sum = crc32.Update(sum, castagnoli, b[:])
		if at < e.descriptorBytes() {
			for d := range e.descriptorsIn(&b, at) {
				if !d.valid(e) {
					return nil, nil
				}
				if d.data() {
					data++
				}
			}
		} else if !validData(&b, e.sequence) {
			return nil, nil
		}
	}
	if sum != want || e.descriptorBytes()+int64(data)*logSector != e.bytes {
		return nil, nil
	}
	return e, nil
}

// descriptorBytes is how much of an entry the header and the descriptors take,
// in whole sectors.
func (e *logEntry) descriptorBytes() int64 {
	return layer.RoundUp(logHeaderBytes+int64(e.descriptors)*descriptorSize, logSector)
}

// A descriptor says what belongs to a place in the file.
type descriptor []byte

func (d descriptor) data() bool        { return string(d[:4]) == "desc" }
func (d descriptor) offset() uint64    { return binary.LittleEndian.Uint64(d[16:]) }
func (d descriptor) zeroBytes() uint64 { return binary.LittleEndian.Uint64(d[8:]) }

func (d descriptor) valid(e *logEntry) bool {
	if binary.LittleEndian.Uint64(d[24:]) != e.sequence || d.offset()%logSector != 0 || d.offset() > 1<<62 {
		return false
	}
	return d.data() || string(d[:4]) == "zero" && d.zeroBytes()%logSector == 0 && d.zeroBytes() <= 1<<62
}

// descriptorsIn yields the descriptors in the sector of an entry at the offset
// at.
func (e *logEntry) descriptorsIn(b *[logSector]byte, at int64) func(func(descriptor) bool) {
	first, skip := int(at/descriptorSize)-logHeaderBytes/descriptorSize, 0
	if at == 0 {
		first, skip = 0, logHeaderBytes/descriptorSize
	}
	return func(yield func(descriptor) bool) {
		for i := range min(perSector-skip, e.descriptors-first) {
			if !yield(b[(i+skip)*descriptorSize:][:descriptorSize]) {
				return
			}
		}
	}
}

func validData(b *[logSector]byte, sequence uint64) bool {
	le := binary.LittleEndian
	return string(b[:4]) == "data" && le.Uint32(b[4:]) == uint32(sequence>>32) && le.Uint32(b[logSector-4:]) == uint32(sequence)
}

// replay adds what an entry changes.
func (l *logReader) replay(e logEntry, r *replayed) error {
	data := e.at + e.descriptorBytes()
	for at := int64(0); at < e.descriptorBytes(); at += logSector {
		var b [logSector]byte
		if err := l.sector(&b, e.at+at); err != nil {
			return err
		}
		for d := range e.descriptorsIn(&b, at) {
			offset := int64(d.offset())
			if !d.data() {
				n := int64(d.zeroBytes())
				r.zeroes = append(r.zeroes, zeroRange{offset, offset + n, r.changes})
				r.size = max(r.size, offset+n)
				if len(r.zeroes) > maxZeroRanges {
					return unsupported("a log with more than %d ranges of zeroes", maxZeroRanges)
				}
			} else {
				r.sectors[offset/logSector] = patch{at: l.h.logOffset + data%l.h.logBytes, order: r.changes, trailing: [dataTrailing]byte(d[4:8]), leading: [dataLeading]byte(d[8:16])}
				r.size = max(r.size, offset+logSector)
				data += logSector
			}
			r.changes++
		}
	}
	return nil
}

// replayed is a file with the changes of its log, which stay there: memory is
// taken for their places alone. It implements [backend.Reader].
type replayed struct {
	*layer.File
	size    int64
	changes int
	sectors map[int64]patch // by the number of the sector
	zeroes  []zeroRange
}

// A patch is the sector of the log that takes the place of one in the file.
type patch struct {
	at       int64 // in the file
	order    int   // among the changes
	leading  [dataLeading]byte
	trailing [dataTrailing]byte
}

type zeroRange struct {
	from, to int64
	order    int
}

var _ backend.Reader = (*replayed)(nil)

// Size implements [backend.Reader].
func (r *replayed) Size() (int64, error) { return r.size, nil }

// ReadAt implements [io.ReaderAt].
func (r *replayed) ReadAt(p []byte, off int64) (int, error) {
	if off >= r.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), r.size-off)]
	stored := want[:max(0, min(int64(len(want)), r.File.Bytes-off))]
	if len(stored) > 0 {
		if n, err := r.File.ReadAt(stored, off); n < len(stored) {
			return n, err
		}
	}
	clear(want[len(stored):])
	for at := off / logSector * logSector; at < off+int64(len(want)); at += logSector {
		if err := r.change(want, off, at); err != nil {
			return 0, err
		}
	}
	if len(want) < len(p) {
		return len(want), io.EOF
	}
	return len(p), nil
}

// change replaces what p, whose first byte is at off, has of the sector at an
// offset.
func (r *replayed) change(p []byte, off, at int64) error {
	c, ok := r.sectors[at/logSector]
	order := -1
	if ok {
		order = c.order
	}
	zero := false
	for _, z := range r.zeroes {
		zero = zero || z.from <= at && at < z.to && z.order > order
	}
	if !ok && !zero {
		return nil
	}
	var b [logSector]byte
	if !zero {
		if err := r.File.Fill(b[:], c.at); err != nil {
			return err
		}
		copy(b[:], c.leading[:])
		copy(b[logSector-dataTrailing:], c.trailing[:])
	}
	if at >= off {
		copy(p[at-off:], b[:])
	} else {
		copy(p, b[off-at:])
	}
	return nil
}
