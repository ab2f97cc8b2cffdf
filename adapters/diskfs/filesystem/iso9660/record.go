package iso9660

import (
	"encoding/binary"
	"errors"
	"io"
	"time"
)

// Flags of a record (ECMA-119, 9.1.6).
const (
	flagDirectory  = 0x02
	flagAssociated = 0x04
	flagMore       = 0x80 // the file goes on in the next record
)

// recordHeader is the length of a record without its name.
const recordHeader = 33

// record is an entry of a directory.
type record struct {
	off    int64 // bytes, where it lies
	length int64 // bytes that it takes in the directory
	extent int64 // first block of the contents, after an extended attribute record
	size   int64 // bytes
	time   time.Time
	flags  byte
	// An interleaved file lies in units with gaps between them.
	unit, gap byte
	name      string
	systemUse []byte
}

func (r *record) isDir() bool { return r.flags&flagDirectory != 0 }

// special reports whether the record is the directory's own, or its parent's.
func (r *record) special() bool { return r.name == "\x00" || r.name == "\x01" }

// decodeRecord decodes a record that is whole and at least 34 bytes long.
func decodeRecord(b []byte) record {
	r := record{
		length: int64(b[0]),
		extent: int64(binary.LittleEndian.Uint32(b[2:])) + int64(b[1]),
		size:   int64(binary.LittleEndian.Uint32(b[10:])),
		time:   shortDate(b[18:25]),
		flags:  b[25],
		unit:   b[26],
		gap:    b[27],
	}
	end := min(recordHeader+int(b[32]), len(b))
	r.name = string(b[recordHeader:end])
	if b[32]%2 == 0 { // padded to an even length
		end++
	}
	if end < len(b) {
		r.systemUse = b[end:]
	}
	return r
}

// record reads the record at an offset.
func (e *engine) record(off int64) (record, error) {
	head, err := e.cache.Bytes(off, 1)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return record{}, e.damage("directory record", off, "lies outside the volume")
	}
	if err != nil {
		return record{}, err
	}
	length := int64(head[0])
	if length <= recordHeader || off%e.block+length > e.block {
		return record{}, e.damage("directory record", off, "length does not fit")
	}
	b, err := e.cache.Bytes(off, length)
	if err != nil {
		return record{}, err
	}
	if int64(b[32])+recordHeader > length {
		return record{}, e.damage("directory record", off, "name is longer than the record")
	}
	r := decodeRecord(b)
	r.off = off
	return r, nil
}

// next returns the offset of the record after another one. A record never
// crosses the end of a block.
func (e *engine) next(off int64) (int64, error) {
	head, err := e.cache.Bytes(off, 1)
	if err != nil {
		return 0, err
	}
	if off += int64(head[0]); off%e.block == 0 {
		return off, nil
	}
	if head, err = e.cache.Bytes(off, 1); err != nil {
		return 0, err
	}
	if head[0] == 0 { // the rest of the block is not used
		off = (off/e.block + 1) * e.block
	}
	return off, nil
}

// shortDate decodes the seven bytes of a record's date: years since 1900,
// month, day, hour, minute, second and the zone in quarters of an hour. As
// in the kernel a zone that no place on Earth has is passed over.
func shortDate(b []byte) time.Time {
	if b[0] == 0 && b[1] == 0 {
		return time.Unix(0, 0).UTC()
	}
	t := time.Date(1900+int(b[0]), time.Month(b[1]), int(b[2]), int(b[3]), int(b[4]), int(b[5]), 0, time.UTC)
	if zone := int8(b[6]); -52 <= zone && zone <= 52 {
		t = t.Add(-time.Duration(zone) * 15 * time.Minute)
	}
	return t
}

// longDate decodes the sixteen digits and the zone of Rock Ridge's long form.
func longDate(b []byte) time.Time {
	number := func(from, to int) int {
		n := 0
		for _, c := range b[from:to] {
			n = n*10 + int(c-'0')%10
		}
		return n
	}
	t := time.Date(number(0, 4), time.Month(number(4, 6)), number(6, 8), number(8, 10), number(10, 12), number(12, 14), number(14, 16)*1e7, time.UTC)
	if zone := int8(b[16]); -52 <= zone && zone <= 52 {
		t = t.Add(-time.Duration(zone) * 15 * time.Minute)
	}
	return t
}
