package ntfs

import (
	"errors"
	"fmt"
	"iter"
)

// Types of attributes.
const (
	attrStandard   = 0x10
	attrList       = 0x20
	attrName       = 0x30
	attrVolumeName = 0x60
	attrVolumeInfo = 0x70
	attrData       = 0x80
	attrIndexRoot  = 0x90
	attrIndexAlloc = 0xA0
	attrReparse    = 0xC0
	attrEnd        = 0xFFFFFFFF
)

// Numbers of records.
const (
	recordMFT    = 0
	recordVolume = 3
	recordRoot   = 5
	recordBitmap = 6
	recordUpcase = 10
	firstUser    = 16 // below are metadata files
)

const (
	flagInUse     = 1
	flagDirectory = 2

	refNumber   = 1<<48 - 1 // of a reference to a record; the rest is its sequence number
	refSequence = 48
)

// record is an MFT record whose fixups have been undone.
type record struct {
	number uint64
	b      []byte // as long as is in use
}

func (r *record) flags() uint16     { return le.Uint16(r.b[22:]) }
func (r *record) sequence() uint16  { return le.Uint16(r.b[16:]) }
func (r *record) base() uint64      { return le.Uint64(r.b[32:]) & refNumber }
func (r *record) isDirectory() bool { return r.flags()&flagDirectory != 0 }

func recordName(number uint64) string { return fmt.Sprintf("MFT record %d", number) }

// fixup checks that a record has been written whole and puts back the bytes
// that the check replaced: the last two of every 512 hold a number which the
// record's array of fixups repeats, with the original bytes after it.
func fixup(b []byte, magic string) error {
	if string(b[:4]) != magic {
		return fmt.Errorf("it begins with %q", b[:4])
	}
	off, count := int(le.Uint16(b[4:])), int(le.Uint16(b[6:]))
	if count != len(b)/fixupUnit+1 || off%2 != 0 || off+2*count > fixupUnit {
		return fmt.Errorf("%d fixups at byte %d", count, off)
	}
	for i := 1; i < count; i++ {
		end := b[i*fixupUnit-2 : i*fixupUnit]
		if end[0] != b[off] || end[1] != b[off+1] {
			return errNotWhole
		}
		copy(end, b[off+2*i:off+2*i+2])
	}
	return nil
}

var errNotWhole = errors.New("it was not written whole")

// attribute is a piece of a file as a record has it: all of it, or with other
// records a part.
type attribute struct {
	kind       uint32
	flags      uint16
	name       string
	value      []byte // of a resident one
	resident   bool
	lowestVCN  uint64
	unit       uint8 // log2 of the clusters that are compressed together
	allocated  int64 // bytes; this and below of the first piece only
	size       int64
	valid      int64
	compressed int64  // bytes allocated of a sparse or compressed one
	pairs      []byte // the encoded runs
}

// stored is how many bytes are allocated, in the record itself if it is
// resident.
func (a *attribute) stored() int64 {
	if a.resident {
		return (a.size + 7) &^ 7
	}
	return a.compressed
}

const (
	attrCompressed = 0x00FF
	attrEncrypted  = 0x4000
	attrSparse     = 0x8000
)

// attributes yields the attributes of a record.
func (r *record) attributes() iter.Seq2[attribute, error] {
	return func(yield func(attribute, error) bool) {
		for at := int(le.Uint16(r.b[20:])); ; {
			if at < 42 || at+4 > len(r.b) {
				yield(attribute{}, damaged(recordName(r.number), -1, "attributes do not end"))
				return
			}
			if le.Uint32(r.b[at:]) == attrEnd {
				return
			}
			a, n, err := parseAttribute(r.b[at:])
			if err != nil {
				yield(a, damaged(recordName(r.number), -1, "attribute %#x: %v", le.Uint32(r.b[at:]), err))
				return
			}
			if !yield(a, nil) {
				return
			}
			at += n
		}
	}
}

func parseAttribute(b []byte) (a attribute, length int, err error) {
	if len(b) < 24 {
		return a, 0, fmt.Errorf("cut off")
	}
	n := le.Uint32(b[4:])
	if n < 24 || n%8 != 0 || int64(n) > int64(len(b)) {
		return a, 0, fmt.Errorf("length %d", n)
	}
	b = b[:n]
	a.kind, a.resident, a.flags = le.Uint32(b), b[8] == 0, le.Uint16(b[12:])
	nameLen, nameOff := int(b[9]), int(le.Uint16(b[10:]))
	if nameOff+2*nameLen > len(b) {
		return a, 0, fmt.Errorf("a name of %d characters at byte %d", nameLen, nameOff)
	}
	if nameLen > 0 {
		a.name = decodeUTF16(b[nameOff : nameOff+2*nameLen])
	}
	if a.resident {
		size, off := int64(le.Uint32(b[16:])), int64(le.Uint16(b[20:]))
		if off+size > int64(len(b)) {
			return a, 0, fmt.Errorf("a value of %d bytes at byte %d", size, off)
		}
		a.value = b[off : off+size]
		a.size, a.valid = size, size
		return a, int(n), nil
	}
	return a, int(n), a.parseNonResident(b)
}

func (a *attribute) parseNonResident(b []byte) error {
	if len(b) < 64 {
		return fmt.Errorf("cut off")
	}
	a.lowestVCN, a.unit = le.Uint64(b[16:]), b[34]
	a.allocated, a.size, a.valid = int64(le.Uint64(b[40:])), int64(le.Uint64(b[48:])), int64(le.Uint64(b[56:]))
	a.compressed = a.allocated
	if a.flags&(attrCompressed|attrSparse) != 0 && len(b) >= 72 {
		a.compressed = int64(le.Uint64(b[64:]))
	}
	pairs := int(le.Uint16(b[32:]))
	if a.size < 0 || a.valid < 0 || a.allocated < 0 || a.compressed < 0 || pairs > len(b) || a.lowestVCN > 1<<56 || a.unit > 8 {
		return fmt.Errorf("size %d, valid to %d, runs at byte %d", a.size, a.valid, pairs)
	}
	a.valid = min(a.valid, a.size)
	a.pairs = b[pairs:]
	return nil
}

// run is a run of an attribute's clusters.
type run struct {
	vcn, length int64 // clusters of the attribute
	lcn         int64 // cluster of the volume, -1 for a hole
}

// decodeRuns appends the runs that a piece of an attribute encodes: a byte
// with the sizes of two numbers, the length and the signed distance from the
// run before; no distance is a hole.
func decodeRuns(runs []run, a attribute, clusters int64) ([]run, error) {
	vcn, lcn := int64(a.lowestVCN), int64(0)
	for b := a.pairs; len(b) > 0 && b[0] != 0; {
		n, m := int(b[0]&15), int(b[0]>>4)
		if n == 0 || n > 8 || m > 8 || 1+n+m > len(b) {
			return runs, fmt.Errorf("runs are cut off")
		}
		length := signed(b[1 : 1+n])
		if length <= 0 || length > 1<<56-vcn {
			return runs, fmt.Errorf("a run of %d clusters", length)
		}
		r := run{vcn, length, -1}
		if m > 0 {
			lcn += signed(b[1+n : 1+n+m])
			if lcn < 0 || length > clusters || lcn > clusters-length {
				return runs, fmt.Errorf("a run of %d clusters at %d, past the end of the volume", length, lcn)
			}
			r.lcn = lcn
		}
		if k := len(runs) - 1; k >= 0 && (runs[k].vcn+runs[k].length != vcn) {
			return runs, fmt.Errorf("runs from cluster %d follow those to %d", vcn, runs[k].vcn+runs[k].length)
		}
		runs = append(runs, r)
		vcn += length
		b = b[1+n+m:]
	}
	return runs, nil
}

// signed is a little-endian number of 1 to 8 bytes.
func signed(b []byte) int64 {
	n := int64(int8(b[len(b)-1]))
	for i := len(b) - 2; i >= 0; i-- {
		n = n<<8 | int64(b[i])
	}
	return n
}
