package vmdk

import (
	"encoding/binary"
	"fmt"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/qedfile"
)

// Fields of the constant header of a space-efficient sparse extent, by their
// offset in bytes. VMware has not described the format; these are as qemu's
// reader has them (block/vmdk.c, VMDKSESparseConstHeader).
const (
	seMagic         = 0xcafebabe
	seVersion       = 2<<32 | 1
	seVolatileMagic = 0xcafecafe

	atSEVersion   = 8
	atSECapacity  = 16
	atSEGrain     = 24
	atSETableSize = 32
	atSEFlags     = 40
	atSEVolatile  = 80
	atSEDirectory = 128
	atSEDirSize   = 136
	atSETables    = 144
	atSEGrains    = 192

	atSEReplay = 24 // in the volatile header
)

// The only geometry that is known: grains of 8 sectors, tables of 64.
const (
	seGrain     = 8
	seTableSize = 64
)

// newSESparse returns the map of a space-efficient sparse extent.
func newSESparse(f *layer.File, cacheBytes int64) (*grainTables, error) {
	var b, v [sectorSize]byte
	if err := f.Header(Format, "header", b[:], 0); err != nil {
		return nil, err
	}
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
	switch {
	case u64(0) != seMagic:
		return nil, invalid("no SESparse header")
	case u64(atSEVersion) != seVersion || u64(atSEGrain) != seGrain || u64(atSETableSize) != seTableSize || u64(atSEFlags) != 0:
		return nil, unsupported("SESparse extent of version %#x, grains of %d sectors, tables of %d, flags %#x", u64(atSEVersion), u64(atSEGrain), u64(atSETableSize), u64(atSEFlags))
	}
	for _, at := range []int{atSECapacity, atSEVolatile, atSEDirectory, atSEDirSize, atSETables, atSEGrains} {
		if u64(at) > maxSectors {
			return nil, invalid("SESparse header has %#x at %d", u64(at), at)
		}
	}
	sectors := func(at int) int64 { return int64(u64(at)) * sectorSize }
	if err := f.Header(Format, "volatile header", v[:], sectors(atSEVolatile)); err != nil {
		return nil, err
	}
	if magic := binary.LittleEndian.Uint64(v[:]); magic != seVolatileMagic {
		return nil, invalid("no volatile header at %d", sectors(atSEVolatile))
	}
	if binary.LittleEndian.Uint64(v[atSEReplay:]) != 0 {
		return nil, unsupported("a SESparse extent whose journal is to be replayed")
	}
	t := &grainTables{
		file: f, cacheBytes: cacheBytes, size: sectors(atSECapacity), grain: seGrain * sectorSize, grains: seTableSize * sectorSize / 8, entrySize: 8,
		directory: sectors(atSEDirectory), tables: sectors(atSEDirSize) / 8,
	}
	tables, grains := sectors(atSETables), sectors(atSEGrains)
	t.table = func(e uint64) (int64, error) {
		if e == 0 {
			return 0, nil
		}
		if e>>32 != 0x10000000 {
			return 0, fmt.Errorf("its entry is %#x", e)
		}
		return tables + int64(e&0xffffffff)*seTableSize*sectorSize, nil
	}
	t.place = func(e uint64) (qedfile.Kind, int64, error) { return sePlace(e, grains) }
	if t.size == 0 {
		return nil, invalid("an empty SESparse extent")
	}
	return t, t.init()
}

// sePlace reads an entry of a grain table: the highest four bits are a type;
// of a grain that is there the number follows, its lowest twelve bits first.
func sePlace(e uint64, grains int64) (qedfile.Kind, int64, error) {
	switch e >> 60 {
	case 0:
		if e == 0 {
			return qedfile.Unallocated, 0, nil
		}
	case 1, 2: // unmapped by the guest, zeroes
		return qedfile.Zero, 0, nil
	case 3:
		number := e>>48&0xfff | e&(1<<48-1)<<12
		if at := number * seGrain * sectorSize; number < 1<<50 && int64(at) <= maxSectors*sectorSize-grains {
			return qedfile.Data, grains + int64(at), nil
		}
	}
	return qedfile.Unallocated, 0, fmt.Errorf("its entry is %#x", e)
}
