package iso9660

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"time"
)

// maxContinuations bounds the chain of areas that one record's fields lie in.
// The kernel has the same bound (RR_MAX_CE_ENTRIES in fs/isofs/rock.c).
const maxContinuations = 32

// attributes is what the fields of Rock Ridge say of a file (IEEE P1282).
type attributes struct {
	name      string
	hasName   bool
	mode      uint32 // st_mode
	nlink     uint32
	uid, gid  uint32
	hasMode   bool
	high, low uint32 // device number
	isDevice  bool
	target    string
	child     int64 // block of the directory that this record stands for, 0 for none
	moved     bool  // a directory that is shown elsewhere
	sparse    bool
	zisofs    *zisofs

	mtime, atime, ctime time.Time
}

// sharingProtocol looks for the field that announces others, in the root
// directory's own record, and returns how many bytes to skip in each area.
func (r *record) sharingProtocol() (skip int, ok bool) {
	const size, xa = 7, 14 // an extension for CD-ROM XA may take 14 bytes before it
	for _, at := range [...]int{0, xa} {
		if len(r.systemUse) < at+size {
			break
		}
		b := r.systemUse[at:]
		if b[0] == 'S' && b[1] == 'P' && b[4] == 0xbe && b[5] == 0xef {
			return int(b[6]), true
		}
	}
	return 0, false
}

// rockRidge collects the fields of a record.
func (e *engine) rockRidge(r record) (a attributes, err error) {
	links := linkBuilder{}
	area := r.systemUse
	if len(area) >= e.skip {
		area = area[e.skip:]
	}
	for n := 0; area != nil; n++ {
		if n > maxContinuations {
			return a, e.damage("Rock Ridge fields", r.off, "too many continuation areas")
		}
		var next []byte
		for len(area) >= 4 {
			size := int(area[2])
			if size < 4 || size > len(area) {
				break
			}
			field := area[:size]
			area = area[size:]
			if string(field[:2]) == "CE" && size >= 28 {
				if next, err = e.continuation(field); errors.Is(err, io.ErrUnexpectedEOF) {
					return a, e.damage("Rock Ridge fields", r.off, "continuation lies outside the volume")
				}
				if err != nil {
					return a, err
				}
				continue
			}
			if string(field[:2]) == "ST" {
				break
			}
			a.add(field, &links)
		}
		area = next
	}
	a.target = links.String()
	return a, nil
}

// continuation reads the area that a CE field leads to: block, offset and
// length, which never is more than a block.
func (e *engine) continuation(field []byte) ([]byte, error) {
	le := binary.LittleEndian
	block, off, size := int64(le.Uint32(field[4:])), int64(le.Uint32(field[12:])), int64(le.Uint32(field[20:]))
	return e.cache.Bytes(block*e.block+off, min(size, e.block))
}

// add takes in one field. A field that is too short means nothing.
func (a *attributes) add(f []byte, links *linkBuilder) {
	le := binary.LittleEndian
	switch {
	case string(f[:2]) == "PX" && len(f) >= 36:
		a.mode, a.nlink, a.uid, a.gid = le.Uint32(f[4:]), le.Uint32(f[12:]), le.Uint32(f[20:]), le.Uint32(f[28:])
		a.hasMode = true
	case string(f[:2]) == "PN" && len(f) >= 20:
		a.high, a.low, a.isDevice = le.Uint32(f[4:]), le.Uint32(f[12:]), true
	case string(f[:2]) == "NM" && len(f) >= 5:
		const current, parent = 2, 4
		if f[4]&(current|parent) == 0 {
			a.name, a.hasName = a.name+string(f[5:]), true
		}
	case string(f[:2]) == "SL" && len(f) >= 5:
		links.add(f[5:])
	case string(f[:2]) == "CL" && len(f) >= 12:
		a.child = int64(le.Uint32(f[4:]))
	case string(f[:2]) == "RE":
		a.moved = true
	case string(f[:2]) == "TF" && len(f) >= 5:
		a.addTimes(f)
	case string(f[:2]) == "SF":
		a.sparse = true
	case string(f[:2]) == "ZF" && len(f) >= 16 && string(f[4:6]) == "pz":
		a.zisofs = &zisofs{header: int64(f[6]) * 4, blockShift: f[7], size: int64(le.Uint32(f[8:]))}
	}
}

// addTimes takes the times of a TF field, which stand in the order of the
// bits that say which are there.
func (a *attributes) addTimes(f []byte) {
	const creation, modification, access, change, long = 1, 2, 4, 8, 0x80
	size, decode := 7, shortDate
	if f[4]&long != 0 {
		size, decode = 17, longDate
	}
	rest := f[5:]
	for _, t := range [...]struct {
		bit byte
		to  *time.Time
	}{{creation, &a.ctime}, {modification, &a.mtime}, {access, &a.atime}, {change, &a.ctime}} {
		if f[4]&t.bit == 0 {
			continue
		}
		if len(rest) < size {
			return
		}
		*t.to = decode(rest[:size])
		rest = rest[size:]
	}
}

// linkBuilder puts a symbolic link's target together from its components.
type linkBuilder struct {
	b         strings.Builder
	begun     bool
	continued bool // the last component goes on in the next one
}

func (l *linkBuilder) String() string { return l.b.String() }

// add takes the components of one SL field.
func (l *linkBuilder) add(components []byte) {
	const goesOn, current, parent, root = 1, 2, 4, 8
	for len(components) >= 2 {
		flags, size := components[0], int(components[1])
		if size > len(components)-2 {
			return
		}
		if l.begun && !l.continued && !strings.HasSuffix(l.b.String(), "/") {
			l.b.WriteByte('/')
		}
		switch {
		case flags&current != 0:
			l.b.WriteByte('.')
		case flags&parent != 0:
			l.b.WriteString("..")
		case flags&root != 0:
			l.b.WriteByte('/')
		default:
			l.b.Write(components[2 : 2+size])
		}
		l.begun, l.continued = true, flags&goesOn != 0
		components = components[2+size:]
	}
}
