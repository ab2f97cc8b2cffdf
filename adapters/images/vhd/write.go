package vhd

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/qedfs/qedfs/adapters/images/internal/fill"
	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// WriteOptions say what a new image is like. The zero value, and nil, are the
// defaults.
type WriteOptions struct {
	layer.WriteOptions

	// Fixed stores the disk byte for byte, before the footer.
	Fixed bool

	// ByGeometry makes the disk as large as a geometry of cylinders, heads and
	// sectors is, which Virtual PC needs: up to a few MiB larger than the
	// source, with zeroes at the end. Otherwise it has the size of the source.
	ByGeometry bool
}

const (
	newBlockSize = 2 << 20
	newHeaderAt  = footerBytes
	newTableAt   = newHeaderAt + dynamicBytes
	// maxNewSectors is the largest disk, as in qemu and Virtual PC: 2040 GiB.
	maxNewSectors = 0xff000000

	nowhere  = 0xffffffffffffffff
	features = 2 // reserved, always set
	hostOS   = "Wi2k"
)

// Write writes the disk src as a new image to dst, which is empty. If it fails
// dst holds a part of the image.
func Write(ctx context.Context, dst backend.Storage, src qedfile.Disk, opts *WriteOptions) error {
	if opts == nil {
		opts = &WriteOptions{}
	}
	sectors := layer.RoundUp(src.Size(), sectorSize) / sectorSize
	if sectors > maxNewSectors {
		return unsupported("a disk of %d bytes, more than 2040 GiB", src.Size())
	}
	g := geometry(sectors)
	if roomy, ok := roomyGeometry(sectors); opts.ByGeometry && ok {
		g, sectors = roomy, roomy.sectors()
	}
	end := sectors * sectorSize // of the blocks in the file
	if opts.Fixed {
		place := func(i int64) (int64, error) { return i * newBlockSize, nil }
		if err := fill.Blocks(ctx, dst, src, newBlockSize, place, &opts.WriteOptions); err != nil {
			return err
		}
	} else {
		var err error
		if end, err = writeDynamic(ctx, dst, src, sectors, opts); err != nil {
			return err
		}
	}
	if err := dst.Truncate(end + footerBytes); err != nil {
		return err
	}
	footer := newFooter(sectors, g, opts)
	if !opts.Fixed {
		if _, err := dst.WriteAt(footer, 0); err != nil {
			return err
		}
	}
	_, err := dst.WriteAt(footer, end)
	return err
}

// writeDynamic writes all but the footer and its copy. It returns where the
// footer belongs.
func writeDynamic(ctx context.Context, dst backend.Storage, src qedfile.Disk, sectors int64, opts *WriteOptions) (int64, error) {
	h := &dynamicHeader{blockSize: newBlockSize, entries: (sectors*sectorSize + newBlockSize - 1) / newBlockSize}
	table := &fill.Table{To: dst, At: newTableAt, Len: h.entries, Order: binary.BigEndian, Fill: entryFree}
	end := layer.RoundUp(newTableAt+4*h.entries, sectorSize)
	// The unused rest of the table's last sector is as the table.
	table.Len = (end - newTableAt) / 4
	bitmap := make([]byte, h.bitmapBytes())
	for i := range bitmap {
		bitmap[i] = 0xff
	}
	place := func(i int64) (int64, error) {
		at := end
		end += int64(len(bitmap)) + newBlockSize
		if err := table.Set(i, uint64(at/sectorSize)); err != nil {
			return 0, err
		}
		_, err := dst.WriteAt(bitmap, at)
		return at + int64(len(bitmap)), err
	}
	if err := fill.Blocks(ctx, dst, src, newBlockSize, place, &opts.WriteOptions); err != nil {
		return 0, err
	}
	if err := table.Close(); err != nil {
		return 0, err
	}
	b := make([]byte, dynamicBytes)
	be := binary.BigEndian
	copy(b, dynamicCookie)
	be.PutUint64(b[8:], nowhere)
	be.PutUint64(b[atTable:], newTableAt)
	be.PutUint32(b[atHeaderVer:], version)
	be.PutUint32(b[atEntries:], uint32(h.entries))
	be.PutUint32(b[atBlockSize:], newBlockSize)
	be.PutUint32(b[atHeaderSum:], checksum(b, atHeaderSum))
	_, err := dst.WriteAt(b, newHeaderAt)
	return end, err
}

func newFooter(sectors int64, g chs, opts *WriteOptions) []byte {
	b := make([]byte, footerBytes)
	be := binary.BigEndian
	copy(b, cookie)
	be.PutUint32(b[atFeatures:], features)
	be.PutUint32(b[atVersion:], version)
	be.PutUint64(b[atDataOffset:], newHeaderAt)
	be.PutUint32(b[atType:], uint32(Dynamic))
	if opts.Fixed {
		be.PutUint64(b[atDataOffset:], nowhere)
		be.PutUint32(b[atType:], uint32(Fixed))
	}
	be.PutUint32(b[atTime:], uint32(time.Now().Unix()-epoch))
	// Readers take from the creator which of the two sizes counts; these are
	// the names that qemu has for either.
	copy(b[atCreator:], "qem2")
	if opts.ByGeometry {
		copy(b[atCreator:], "qemu")
	}
	be.PutUint32(b[atCreatorVer:], 5<<16|3)
	copy(b[atCreatorHost:], hostOS)
	be.PutUint64(b[atOriginal:], uint64(sectors*sectorSize))
	be.PutUint64(b[atSize:], uint64(sectors*sectorSize))
	be.PutUint16(b[atCylinders:], uint16(g.cylinders))
	b[atHeads], b[atSectors] = byte(g.heads), byte(g.perTrack)
	id := layer.NewUUID()
	copy(b[atID:], id[:])
	be.PutUint32(b[atChecksum:], checksum(b, atChecksum))
	return b
}

// chs is a geometry: cylinders, heads, and sectors of a track.
type chs struct{ cylinders, heads, perTrack int64 }

func (g chs) sectors() int64 { return g.cylinders * g.heads * g.perTrack }

// geometry returns the geometry of a disk, as the specification has it ("CHS
// Calculation"). It has at most as many sectors as the disk.
func geometry(sectors int64) chs {
	sectors = min(sectors, maxGeometry)
	var tracks int64
	var g chs
	if sectors >= 65535*16*63 {
		g.perTrack, g.heads = 255, 16
		tracks = sectors / g.perTrack
	} else {
		g.perTrack = 17
		tracks = sectors / g.perTrack
		g.heads = max((tracks+1023)/1024, 4)
		if tracks >= g.heads*1024 || g.heads > 16 {
			g.perTrack, g.heads = 31, 16
			tracks = sectors / g.perTrack
		}
		if tracks >= g.heads*1024 {
			g.perTrack, g.heads = 63, 16
			tracks = sectors / g.perTrack
		}
	}
	g.cylinders = tracks / g.heads
	return g
}

// roomyGeometry returns the first geometry, of the disks from so many sectors
// on, that has as many. It may be another one than that of a disk of its own
// size. No geometry is large enough for the largest disks.
func roomyGeometry(sectors int64) (chs, bool) {
	if sectors > maxGeometry {
		return geometry(sectors), false
	}
	for n := sectors; ; n++ {
		if g := geometry(n); g.sectors() >= sectors {
			return g, true
		}
	}
}
