package vhd

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/backend"
)

const (
	sectorSize  = 512
	footerBytes = 512
	// Virtual PC before 2004 wrote footers that lack the last byte.
	oldFooterBytes = 511

	cookie  = "conectix"
	version = 1 << 16
)

// Fields of the footer, by their offset in bytes (Virtual Hard Disk Image
// Format Specification 1.0, "Hard Disk Footer Format").
const (
	atFeatures    = 8
	atVersion     = 12
	atDataOffset  = 16
	atTime        = 24
	atCreator     = 28
	atCreatorVer  = 32
	atCreatorHost = 36
	atOriginal    = 40
	atSize        = 48
	atCylinders   = 56
	atHeads       = 58
	atSectors     = 59
	atType        = 60
	atChecksum    = 64
	atID          = 68
)

// Type says how an image stores its disk.
type Type uint32

// The types of images.
const (
	Fixed        Type = 2 // the disk byte for byte, then the footer
	Dynamic      Type = 3 // blocks are added when they are first written
	Differencing Type = 4 // changes to a parent
)

func (t Type) String() string {
	switch t {
	case Fixed:
		return "fixed"
	case Dynamic:
		return "dynamic"
	case Differencing:
		return "differencing"
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// An ID is the UUID by which a differencing image knows its parent.
type ID [16]byte

// String returns the usual form of a UUID.
func (id ID) String() string {
	s := hex.EncodeToString(id[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// epoch is the second from which the format counts, 2000-01-01 UTC, in Unix
// time.
const epoch = 946684800

// Footer is what the footer of an image says.
type Footer struct {
	Type       Type
	Size       int64  // bytes of the disk; see ReadFooter
	Creator    string // four letters that name the program, as "vpc "
	Time       time.Time
	Cylinders  int // of the geometry that goes with the size
	Heads      int
	Sectors    int
	ID         ID
	dataOffset int64 // of the dynamic header
}

// geometrySectors is how many sectors the geometry has.
func (f *Footer) geometrySectors() int64 {
	return int64(f.Cylinders) * int64(f.Heads) * int64(f.Sectors)
}

// maxGeometry is the largest geometry of the format, in sectors. Larger disks
// have it, too.
const maxGeometry = 65535 * 16 * 255

// byGeometry reports whether the size of the disk is that of the geometry
// and not the one stored. Virtual PC, and qemu without force_size, have it
// so; all others go by the stored size. (qemu also reads by the geometry what
// creators wrote that it does not know, and cuts their disks short.)
func (f *Footer) byGeometry() bool {
	return (f.Creator == "vpc " || f.Creator == "qemu") && f.geometrySectors() < maxGeometry
}

// ReadFooter finds and checks the footer: at the end of the file, or where that
// is damaged its copy at the start, which images that are not fixed have. The
// Size is that of the disk as the program that made the image sees it: the
// stored one, or that of the geometry.
func ReadFooter(r backend.Reader) (*Footer, error) {
	f, _, err := readFooter(r)
	return f, err
}

// readFooter also returns how many bytes the footer takes at the end of the
// file, 0 if it was found at the start.
func readFooter(r backend.Reader) (*Footer, int64, error) {
	size, err := r.Size()
	if err != nil {
		return nil, 0, err
	}
	var firstErr error
	for _, place := range []struct{ at, n int64 }{{size - footerBytes, footerBytes}, {size - oldFooterBytes, oldFooterBytes}, {0, footerBytes}} {
		if place.at < 0 || place.at > size-place.n {
			continue
		}
		var b [footerBytes]byte
		if n, err := r.ReadAt(b[:place.n], place.at); n < int(place.n) {
			return nil, 0, fmt.Errorf("vhd: read the footer at %d: %w", place.at, err)
		}
		f, err := parseFooter(b[:])
		if err == nil && place.at == 0 && size > footerBytes && f.Type == Fixed {
			err = errors.New("a fixed image has no footer at its start")
		}
		if err == nil {
			if place.at == 0 && size > footerBytes {
				place.n = 0
			}
			return f, place.n, nil
		}
		if !errors.Is(err, errNoCookie) && firstErr == nil {
			firstErr = fmt.Errorf("footer at %d: %w", place.at, err)
		}
	}
	if firstErr == nil {
		firstErr = errNoCookie
	}
	return nil, 0, invalid("%w", firstErr)
}

var errNoCookie = errors.New("no footer")

func parseFooter(b []byte) (*Footer, error) {
	if string(b[:len(cookie)]) != cookie {
		return nil, errNoCookie
	}
	be := binary.BigEndian
	if got, want := be.Uint32(b[atChecksum:]), checksum(b, atChecksum); got != want {
		return nil, fmt.Errorf("its checksum is %#x, not %#x", got, want)
	}
	if v := be.Uint32(b[atVersion:]); v>>16 != version>>16 {
		return nil, unsupported("version %d.%d", v>>16, v&0xffff)
	}
	size, dataOffset := be.Uint64(b[atSize:]), be.Uint64(b[atDataOffset:])
	f := &Footer{
		Type: Type(be.Uint32(b[atType:])), Creator: string(b[atCreator : atCreator+4]),
		Time:      time.Unix(epoch+int64(be.Uint32(b[atTime:])), 0).UTC(),
		Cylinders: int(be.Uint16(b[atCylinders:])), Heads: int(b[atHeads]), Sectors: int(b[atSectors]),
		ID: ID(b[atID:]),
	}
	switch {
	case f.Type < Fixed || f.Type > Differencing:
		return nil, unsupported("images of %v", f.Type)
	case size > math.MaxInt64-sectorSize:
		return nil, fmt.Errorf("a disk of %d bytes is not possible", size)
	case f.Type != Fixed && dataOffset > math.MaxInt64-dynamicBytes:
		return nil, fmt.Errorf("the dynamic header is at %#x", dataOffset)
	}
	f.Size, f.dataOffset = layer.RoundUp(int64(size), sectorSize), int64(dataOffset)
	if f.byGeometry() {
		f.Size = f.geometrySectors() * sectorSize
	}
	return f, nil
}

// checksum is the one's complement of the sum of all bytes but those of the
// checksum itself.
func checksum(b []byte, at int) uint32 {
	var sum uint32
	for i, c := range b {
		if i < at || i >= at+4 {
			sum += uint32(c)
		}
	}
	return ^sum
}

func invalid(why string, args ...any) error     { return layer.Invalid(Format, why, args...) }
func unsupported(why string, args ...any) error { return layer.Unsupported(Format, why, args...) }
func corrupt(why string, args ...any) error     { return layer.Corrupt(Format, why, args...) }
