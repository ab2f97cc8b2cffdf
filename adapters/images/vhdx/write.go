package vhdx

import (
	"cmp"
	"context"
	"encoding/binary"
	"hash/crc32"
	"unicode/utf16"

	"github.com/qedfs/qedfs/adapters/images/internal/fill"
	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// WriteOptions say what a new image is like. The zero value, and nil, are the
// defaults.
type WriteOptions struct {
	layer.WriteOptions

	// Fixed gives each block of the disk its place in the file from the
	// beginning.
	Fixed bool

	// BlockSize is a power of two from 1 to 256 MiB, in bytes. Zero chooses
	// one by the size of the disk, as qemu does.
	BlockSize int64

	// LogSize is the room for the log, a multiple of 1 MiB below 4 GiB, in
	// bytes. Zero means 1 MiB.
	LogSize int64
}

const (
	newLogAt       = 1 << 20
	newSector      = 512
	newCreator     = "qedfs"
	itemsAt        = metadataBytes // of the items in the metadata region
	maxNewLog      = 4095 << 20
	flagVirtual    = 1 << 1 // of an item: it describes the disk and not the file
	flagKeepBlocks = 1 << 0 // of the file parameters: no block is taken out of the file
	metadataSize   = 1 << 20
)

// newLayout says where the parts of a new image lie.
type newLayout struct {
	size, block     int64
	log             int64 // bytes
	metadata, table region
	data            int64
	blocks, entries int64
	ratio           int64
}

func newLayoutOf(size int64, opts *WriteOptions) (*newLayout, error) {
	l := &newLayout{size: layer.RoundUp(size, newSector), block: opts.BlockSize, log: cmp.Or(opts.LogSize, 1<<20)}
	if l.block == 0 {
		l.block = defaultBlockSize(size)
	}
	switch {
	case l.size > maxDiskSize:
		return nil, unsupported("a disk of %d bytes, more than 64 TiB", size)
	case l.block < minBlockSize || l.block > maxBlockSize || l.block&(l.block-1) != 0:
		return nil, unsupported("blocks of %d bytes: they have 1 to 256 MiB, a power of two", l.block)
	case l.log < 0 || l.log%alignment != 0 || l.log > maxNewLog:
		return nil, unsupported("a log of %d bytes: it has whole MiB, less than 4 GiB", l.log)
	}
	l.blocks = (l.size + l.block - 1) / l.block
	l.ratio = chunkSectors * newSector / l.block
	l.entries = l.blocks + max(0, l.blocks-1)/l.ratio
	l.metadata = region{newLogAt + l.log, metadataSize}
	l.table = region{l.metadata.offset + l.metadata.bytes, max(alignment, layer.RoundUp(8*l.entries, alignment))}
	l.data = l.table.offset + l.table.bytes
	return l, nil
}

// defaultBlockSize is as in qemu (block/vhdx.c, vhdx_co_create).
func defaultBlockSize(size int64) int64 {
	switch {
	case size > 32<<40:
		return 64 << 20
	case size > 100<<30:
		return 32 << 20
	case size > 1<<30:
		return 16 << 20
	}
	return 8 << 20
}

// Write writes the disk src as a new image to dst, which is empty. If it fails
// dst holds a part of the image.
func Write(ctx context.Context, dst backend.Storage, src qedfile.Disk, opts *WriteOptions) error {
	if opts == nil {
		opts = &WriteOptions{}
	}
	l, err := newLayoutOf(src.Size(), opts)
	if err != nil {
		return err
	}
	// A block that is not there has undefined contents by the specification, so
	// that those of zeroes are said to be zeroes. There are no bitmaps.
	table := &fill.Table{To: dst, At: l.table.offset, Len: l.entries, Order: binary.LittleEndian, Wide: true, Fill: stateZero}
	end, bitmap := l.data, l.ratio
	clearBitmaps := func(before int64) (err error) {
		for ; bitmap < before && err == nil; bitmap += l.ratio + 1 {
			err = table.Set(bitmap, stateNotPresent)
		}
		return err
	}
	set := func(i int64, entry uint64) error {
		if err := clearBitmaps(i + i/l.ratio); err != nil {
			return err
		}
		return table.Set(i+i/l.ratio, entry)
	}
	place := func(i int64) (int64, error) {
		at := end
		end += l.block
		return at, set(i, uint64(at)|statePresent)
	}
	if opts.Fixed {
		for i := range l.blocks {
			if _, err := place(i); err != nil {
				return err
			}
		}
		place = func(i int64) (int64, error) { return l.data + i*l.block, nil }
	}
	if err := fill.Blocks(ctx, dst, src, l.block, place, &opts.WriteOptions); err != nil {
		return err
	}
	if err := clearBitmaps(l.entries); err != nil {
		return err
	}
	if err := table.Close(); err != nil {
		return err
	}
	if err := dst.Truncate(end); err != nil {
		return err
	}
	return l.writeHeaders(dst, opts)
}

// writeHeaders writes the first MiB and the metadata.
func (l *newLayout) writeHeaders(dst backend.Storage, opts *WriteOptions) error {
	identifier := append([]byte(fileSignature), utf16Bytes(newCreator)...)
	regions, header := l.regionTable(), l.header()
	for _, part := range []struct {
		at int64
		b  []byte
	}{
		{l.metadata.offset, l.metadataTable(opts)}, {0, identifier},
		{regions1At, regions}, {regions2At, regions}, {header1At, header(1)}, {header2At, header(2)},
	} {
		if _, err := dst.WriteAt(part.b, part.at); err != nil {
			return err
		}
	}
	return nil
}

// header returns a function that makes a header with a sequence number.
func (l *newLayout) header() func(sequence uint64) []byte {
	fileWrite, dataWrite := layer.NewUUID(), layer.NewUUID()
	return func(sequence uint64) []byte {
		b := make([]byte, headerBytes)
		le := binary.LittleEndian
		copy(b, "head")
		le.PutUint64(b[8:], sequence)
		copy(b[16:], fileWrite[:])
		copy(b[32:], dataWrite[:])
		le.PutUint16(b[66:], 1)
		le.PutUint32(b[68:], uint32(l.log))
		le.PutUint64(b[72:], newLogAt)
		le.PutUint32(b[4:], crc32.Checksum(b, castagnoli))
		return b
	}
}

func (l *newLayout) regionTable() []byte {
	b := make([]byte, regionsBytes)
	le := binary.LittleEndian
	copy(b, "regi")
	le.PutUint32(b[8:], 2)
	for i, r := range []struct {
		id string
		region
	}{{regionBAT, l.table}, {regionMetadata, l.metadata}} {
		e := b[16+i*regionEntry:]
		id, _ := parseGUID(r.id)
		copy(e, id[:])
		le.PutUint64(e[16:], uint64(r.offset))
		le.PutUint32(e[24:], uint32(r.bytes))
		le.PutUint32(e[28:], 1) // required
	}
	le.PutUint32(b[4:], crc32.Checksum(b, castagnoli))
	return b
}

func (l *newLayout) metadataTable(opts *WriteOptions) []byte {
	le := binary.LittleEndian
	parameters := le.AppendUint32(nil, uint32(l.block))
	flags := uint32(0)
	if opts.Fixed {
		flags = flagKeepBlocks
	}
	parameters = le.AppendUint32(parameters, flags)
	diskID := layer.NewUUID()
	items := []struct {
		id    string
		b     []byte
		flags uint32
	}{
		{itemFileParameters, parameters, flagRequired},
		{itemDiskSize, le.AppendUint64(nil, uint64(l.size)), flagRequired | flagVirtual},
		{itemPage83, diskID[:], flagRequired | flagVirtual},
		{itemLogicalSector, le.AppendUint32(nil, newSector), flagRequired | flagVirtual},
		{itemPhysicalSector, le.AppendUint32(nil, newSector), flagRequired | flagVirtual},
	}
	b := make([]byte, itemsAt)
	copy(b, metadataSignature)
	le.PutUint16(b[10:], uint16(len(items)))
	for i, item := range items {
		e := b[32+i*metadataEntry:]
		id, _ := parseGUID(item.id)
		copy(e, id[:])
		le.PutUint32(e[16:], uint32(len(b)))
		le.PutUint32(e[20:], uint32(len(item.b)))
		le.PutUint32(e[24:], item.flags)
		b = append(b, item.b...)
	}
	return b
}

func utf16Bytes(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}
