package vmdk

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/qedfile"
)

const sectorSize = 512

const (
	maxSectors = math.MaxInt64 / sectorSize
	maxGrain   = 1 << 30 // bytes
)

// Magics at the start of files.
const (
	magicSparse = "KDMV" // hosted sparse extent
	magicCOWD   = "COWD" // ESX server sparse extent
)

// Fields of the header of a hosted sparse extent, by their offset in bytes
// ("Virtual Disk Format 5.0", "Hosted Sparse Extents").
const (
	sparseHeaderBytes = 512

	atSparseVersion    = 4
	atSparseFlags      = 8
	atSparseCapacity   = 12
	atSparseGrain      = 20
	atSparseDescriptor = 28
	atSparseDescSize   = 36
	atSparseGTEs       = 44
	atSparseRedundant  = 48
	atSparseDirectory  = 56
	atSparseOverhead   = 64
	atSparseUnclean    = 72
	atSparseNewlines   = 73
	atSparseAlgorithm  = 77
)

// Flags of the header.
const (
	flagNewlines   = 1 << 0 // the four newline bytes are there to be checked
	flagRedundant  = 1 << 1 // there is a second grain directory
	flagZeroGrain  = 1 << 2 // an entry of 1 is a grain of zeroes
	flagCompressed = 1 << 16
	flagMarkers    = 1 << 17 // grains and tables have a marker before them
)

// directoryAtEnd is the offset of the directory where the footer has it.
const directoryAtEnd = 0xffffffffffffffff

// newlines are bytes that a transfer as text changes.
const newlines = "\n \r\n"

const algorithmDeflate = 1

// Types of the markers of stream-optimized extents.
const (
	markerEnd       = 0
	markerTable     = 1
	markerDirectory = 2
	markerFooter    = 3
)

// A sparseHeader is the header of a hosted sparse extent, in the header's
// units: sectors.
type sparseHeader struct {
	version    uint32
	flags      uint32
	capacity   uint64
	grain      uint64
	descriptor uint64
	descSize   uint64
	gtes       uint32
	directory  uint64
	compressed bool
}

func parseSparseHeader(b []byte) (*sparseHeader, error) {
	if string(b[:4]) != magicSparse {
		return nil, invalid("no sparse header")
	}
	le := binary.LittleEndian
	h := &sparseHeader{
		version: le.Uint32(b[atSparseVersion:]), flags: le.Uint32(b[atSparseFlags:]),
		capacity: le.Uint64(b[atSparseCapacity:]), grain: le.Uint64(b[atSparseGrain:]),
		descriptor: le.Uint64(b[atSparseDescriptor:]), descSize: le.Uint64(b[atSparseDescSize:]),
		gtes: le.Uint32(b[atSparseGTEs:]), directory: le.Uint64(b[atSparseDirectory:]),
	}
	algorithm := le.Uint16(b[atSparseAlgorithm:])
	switch {
	case h.version < 1 || h.version > 3:
		return nil, unsupported("version %d", h.version)
	case h.flags&flagNewlines != 0 && string(b[atSparseNewlines:atSparseNewlines+4]) != newlines:
		return nil, invalid("the file was changed by a transfer as text")
	case algorithm > algorithmDeflate || h.flags&flagCompressed != 0 && algorithm == 0:
		return nil, unsupported("compression algorithm %d", algorithm)
	case h.descriptor > maxSectors || h.directory != directoryAtEnd && h.directory > maxSectors:
		return nil, invalid("the descriptor is at sector %#x, the directory at %#x", h.descriptor, h.directory)
	case h.capacity > maxSectors:
		return nil, invalid("a disk of %#x sectors", h.capacity)
	}
	h.compressed = algorithm == algorithmDeflate
	return h, nil
}

// readSparseHeader reads the header of an extent, or its footer where the
// header is not complete.
func readSparseHeader(f *layer.File) (*sparseHeader, error) {
	var b [sparseHeaderBytes]byte
	if err := f.Header(Format, "header", b[:], 0); err != nil {
		return nil, err
	}
	h, err := parseSparseHeader(b[:])
	if err != nil || h.directory != directoryAtEnd {
		return h, err
	}
	// The file ends with three sectors: the marker of the footer, the footer,
	// and the marker of the end.
	at := layer.RoundUp(f.Bytes, sectorSize) - 3*sectorSize
	var end [3 * sectorSize]byte
	if err := f.Header(Format, "footer", end[:], max(at, 0)); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	marker, footer, eos := end[:sectorSize], end[sectorSize:2*sectorSize], end[2*sectorSize:]
	if le.Uint32(marker[8:]) != 0 || le.Uint32(marker[12:]) != markerFooter || le.Uint64(eos) != 0 || le.Uint32(eos[8:]) != 0 || le.Uint32(eos[12:]) != markerEnd {
		return nil, invalid("no footer at %d; is the end of the file missing?", at)
	}
	full, err := parseSparseHeader(footer)
	if err != nil {
		return nil, fmt.Errorf("footer: %w", err)
	}
	if full.directory == directoryAtEnd {
		return nil, invalid("the footer has no grain directory")
	}
	full.descriptor, full.descSize = h.descriptor, h.descSize
	return full, nil
}

// newSparse returns the map of a hosted sparse extent.
func newSparse(f *layer.File, h *sparseHeader, cacheBytes int64) (*grainTables, error) {
	if h.capacity == 0 || h.grain == 0 || h.grain > maxGrain/sectorSize || h.gtes == 0 || h.gtes > 512 {
		return nil, invalid("%d sectors in grains of %d, %d in a table", h.capacity, h.grain, h.gtes)
	}
	t := &grainTables{
		file: f, cacheBytes: cacheBytes, size: int64(h.capacity) * sectorSize, grain: int64(h.grain) * sectorSize, grains: int64(h.gtes), entrySize: 4,
		directory: int64(h.directory) * sectorSize, table: sectorTable,
	}
	t.tables = (t.size-1)/(t.grain*t.grains) + 1
	zeroGrain := h.flags&flagZeroGrain != 0
	t.place = func(e uint64) (qedfile.Kind, int64, error) {
		if e == entryZero && zeroGrain {
			return qedfile.Zero, 0, nil
		}
		return sectorPlace(e)
	}
	if err := t.init(); err != nil {
		return nil, err
	}
	if h.compressed {
		if t.grain > maxPackedGrain {
			return nil, unsupported("compressed grains of %d bytes", t.grain)
		}
		t.unpack = &unpacker{tables: t, markers: h.flags&flagMarkers != 0}
	}
	return t, nil
}

// sectorTable and sectorPlace read entries that are a number of a sector.
func sectorTable(e uint64) (int64, error) { return int64(e) * sectorSize, nil }

func sectorPlace(e uint64) (qedfile.Kind, int64, error) {
	if e == 0 {
		return qedfile.Unallocated, 0, nil
	}
	return qedfile.Data, int64(e) * sectorSize, nil
}

// Fields of the header of an ESX server sparse extent, by their offset in bytes
// ("Virtual Disk Format 5.0", "ESX Server Sparse Extents").
const (
	cowdHeaderBytes = 28

	atCOWDVersion   = 4
	atCOWDSectors   = 12
	atCOWDGrain     = 16
	atCOWDDirectory = 20
	atCOWDTables    = 24
)

// newCOWD returns the map of an ESX server sparse extent, whose tables have
// 4096 entries.
func newCOWD(f *layer.File, cacheBytes int64) (*grainTables, error) {
	var b [cowdHeaderBytes]byte
	if err := f.Header(Format, "header", b[:], 0); err != nil {
		return nil, err
	}
	u32 := func(at int) int64 { return int64(binary.LittleEndian.Uint32(b[at:])) }
	if string(b[:4]) != magicCOWD {
		return nil, invalid("no COWD header")
	}
	if v := u32(atCOWDVersion); v != 1 {
		return nil, unsupported("COWD extent of version %d", v)
	}
	t := &grainTables{
		file: f, cacheBytes: cacheBytes, size: u32(atCOWDSectors) * sectorSize, grain: u32(atCOWDGrain) * sectorSize, grains: 4096, entrySize: 4,
		directory: u32(atCOWDDirectory) * sectorSize, tables: u32(atCOWDTables), table: sectorTable, place: sectorPlace,
	}
	if t.size == 0 {
		return nil, invalid("an empty COWD extent")
	}
	return t, t.init()
}
