package mdraid

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/internal/raid"
)

const (
	magic      = 0xa92b4efc
	sectorSize = 512
	blockSize  = 4096     // of a superblock; nothing of it lies outside
	reserved   = 64 << 10 // at the end of a device, for superblock 0.90
	maxLog     = 64 << 10 // bytes of a list of bad blocks
)

// What a device is in an array, if it is none of the array's devices.
const (
	spare   = -1
	faulty  = -2
	journal = -3
)

// Features of superblock 1 (include/uapi/linux/raid/md_p.h in Linux).
const (
	featureRecovery    = 1 << 1 // only a part of the device is in step
	featureReshape     = 1 << 2
	featureBadBlocks   = 1 << 3
	featureReplacement = 1 << 4
	featureRecoveryMap = 1 << 7 // it is brought into step by the bitmap
	featureJournal     = 1 << 9
	featureRaid0Layout = 1 << 12
	knownFeatures      = 1<<13 - 1
)

// superblock is what a device says of its array and of itself.
type superblock struct {
	version    string // "1.2"
	uuid       [16]byte
	name       string // of superblock 1: "host:name"
	minor      int    // of superblock 0.90: the number of /dev/md
	created    uint64
	events     uint64
	level      int
	layout     int
	chunk      int64 // bytes
	disks      int
	size       int64 // bytes that the array uses of a device, where all are of one size
	clean      int64 // bytes of each device from the start in which parity fits
	roles      map[int]int
	unreadable string // what keeps the array from being read

	number      int // of the device
	replacement bool
	dataOffset  int64 // bytes
	dataSize    int64
	inStep      int64 // bytes from the start of the data
	bad         []span
	badErr      error
}

// span is a range of bytes.
type span struct{ from, to int64 }

// readSuperblock returns the superblock of a device, nil if there is none. Of
// several the last one made counts, as for mdadm.
func readSuperblock(r io.ReaderAt, size int64) (*superblock, error) {
	var newest *superblock
	var errs []error
	for _, place := range []struct {
		off   int64
		parse func([]byte, int64, int64) (*superblock, error)
	}{
		{(size/sectorSize - 16) / 8 * 8 * sectorSize, parseOne},
		{0, parseOne},
		{4096, parseOne},
		{size/reserved*reserved - reserved, parseZero},
	} {
		if place.off < 0 || place.off > size-blockSize {
			continue
		}
		b := make([]byte, blockSize)
		if n, err := r.ReadAt(b, place.off); n < len(b) {
			errs = append(errs, fmt.Errorf("mdraid: read superblock: %w", err))
			continue
		}
		sb, err := place.parse(b, place.off, size)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if sb != nil && (newest == nil || sb.created > newest.created) {
			newest = sb
		}
	}
	if newest == nil {
		return nil, errors.Join(errs...)
	}
	newest.readBadBlocks(r)
	return newest, nil
}

// sum is the checksum of both formats: all words added, and what was carried.
func sum(b []byte, order binary.ByteOrder) uint32 {
	var n uint64
	for ; len(b) >= 4; b = b[4:] {
		n += uint64(order.Uint32(b))
	}
	if len(b) == 2 {
		n += uint64(order.Uint16(b))
	}
	return uint32(n) + uint32(n>>32)
}

// parseOne parses struct mdp_superblock_1, which says itself where it lies.
func parseOne(b []byte, off, size int64) (*superblock, error) {
	le := binary.LittleEndian
	if le.Uint32(b) != magic || le.Uint32(b[4:]) != 1 || le.Uint64(b[144:]) != uint64(off/sectorSize) {
		return nil, nil
	}
	count := int64(le.Uint32(b[220:]))
	if count > (blockSize-256)/2 {
		return nil, fmt.Errorf("mdraid: superblock with %d devices", count)
	}
	want := le.Uint32(b[216:])
	summed := append([]byte(nil), b[:256+count*2]...)
	clear(summed[216:220])
	if sum(summed, le) != want {
		return nil, errors.New("mdraid: the superblock's checksum does not match")
	}
	version := "1.0"
	switch off {
	case 0:
		version = "1.1"
	case 4096:
		version = "1.2"
	}
	features := le.Uint32(b[8:])
	name, _, _ := strings.Cut(string(b[32:64]), "\x00")
	sb := &superblock{
		version: version, uuid: [16]byte(b[16:32]), name: name, minor: -1, created: le.Uint64(b[64:]) & (1<<40 - 1), events: le.Uint64(b[200:]),
		level: int(int32(le.Uint32(b[72:]))), layout: int(int32(le.Uint32(b[76:]))), chunk: int64(le.Uint32(b[88:])) * sectorSize,
		disks: int(le.Uint32(b[92:])), size: fromSectors(le.Uint64(b[80:])), clean: fromSectors(le.Uint64(b[208:])),
		number: int(le.Uint32(b[160:])), replacement: features&featureReplacement != 0,
		dataOffset: fromSectors(le.Uint64(b[128:])), dataSize: fromSectors(le.Uint64(b[136:])), inStep: math.MaxInt64,
		roles: make(map[int]int),
	}
	switch {
	case features&^knownFeatures != 0:
		sb.unreadable = fmt.Sprintf("unknown features %#x", features&^knownFeatures)
	case features&featureReshape != 0:
		sb.unreadable = "a reshape is in progress"
	case features&featureJournal != 0:
		sb.unreadable = "it has a write journal"
	}
	if sb.level == raid.Level0 && features&featureRaid0Layout == 0 {
		sb.layout = -1 // older kernels left something there
	}
	switch {
	case features&featureRecoveryMap != 0:
		sb.inStep = 0
	case features&featureRecovery != 0:
		sb.inStep = fromSectors(le.Uint64(b[152:]))
	}
	for i := range int(count) {
		sb.roles[i] = role(le.Uint16(b[256+2*i:]))
	}
	if features&featureBadBlocks != 0 {
		at := off + int64(int32(le.Uint32(b[188:])))*sectorSize
		sb.bad = []span{{at, at + int64(le.Uint16(b[186:]))*sectorSize}, {int64(b[185]), 0}}
	}
	return sb, sb.validate(size)
}

func role(n uint16) int {
	switch n {
	case 0xffff:
		return spare
	case 0xfffe:
		return faulty
	case 0xfffd:
		return journal
	}
	return int(n)
}

// fromSectors is the bytes of a number of sectors, in which all ones stand for no end.
func fromSectors(sectors uint64) int64 {
	if sectors > math.MaxInt64/sectorSize {
		return math.MaxInt64
	}
	return int64(sectors) * sectorSize
}

// parseZero parses struct mdp_superblock_s, whose words have the byte order of
// the machine that made the array.
func parseZero(b []byte, off, size int64) (*superblock, error) {
	var order binary.ByteOrder = binary.LittleEndian
	if order.Uint32(b) != magic {
		order = binary.BigEndian
	}
	word := func(i int) uint32 { return order.Uint32(b[4*i:]) }
	if word(0) != magic || word(1) != 0 || word(2) < 90 || word(2) > 91 {
		return nil, nil
	}
	summed := append([]byte(nil), b...)
	clear(summed[38*4 : 39*4])
	if sum(summed, order) != word(38) {
		return nil, errors.New("mdraid: the superblock's checksum does not match")
	}
	low, high := 39, 40
	if order == binary.BigEndian {
		low, high = high, low
	}
	sb := &superblock{
		version: "0.90", minor: int(word(11)), created: uint64(word(6)), events: uint64(word(high))<<32 | uint64(word(low)),
		level: int(int32(word(7))), layout: int(int32(word(64))), chunk: int64(word(65)), disks: int(word(10)),
		size: int64(word(8)) * 1024, clean: math.MaxInt64, number: int(word(992)),
		dataSize: off, inStep: math.MaxInt64, roles: make(map[int]int),
	}
	for i, w := range []int{5, 13, 14, 15} {
		// mdadm and blkid print the words as they are stored on a little-endian machine.
		copy(sb.uuid[4*i:], b[4*w:4*w+4])
	}
	if word(2) == 91 {
		sb.unreadable = "a reshape is in progress"
	}
	const cleanFlag, isFaulty, isActive, isSync = 1, 1, 2, 4
	if word(33)&cleanFlag == 0 {
		sb.clean = 0
	}
	if sb.level == raid.Level0 {
		sb.layout = -1
	}
	for i := range 27 {
		disk := 128 + 32*i
		switch state := word(disk + 4); {
		case state&isFaulty != 0:
			sb.roles[i] = faulty
		case state&isSync != 0 && state&isActive != 0:
			sb.roles[i] = int(int32(word(disk + 3)))
		default:
			sb.roles[i] = spare
		}
	}
	return sb, sb.validate(size)
}

// validate refuses what cannot be, so that nothing has to be checked later.
func (sb *superblock) validate(size int64) error {
	switch {
	case sb.disks < 0 || sb.disks > 4096:
		return fmt.Errorf("mdraid: an array of %d devices", sb.disks)
	case sb.dataOffset > size || sb.dataSize < 0:
		return fmt.Errorf("mdraid: the data begin at byte %d of %d", sb.dataOffset, size)
	case sb.number < 0:
		return fmt.Errorf("mdraid: a device of number %d", sb.number)
	}
	return nil
}

// readBadBlocks replaces the place of the list of bad blocks by the list
// (super_1_load in drivers/md/md.c).
func (sb *superblock) readBadBlocks(r io.ReaderAt) {
	if sb.bad == nil {
		return
	}
	at, shift := sb.bad[0], sb.bad[1].from
	sb.bad = nil
	b := make([]byte, max(min(at.to-at.from, maxLog), 0))
	if n, err := r.ReadAt(b, at.from); n < len(b) {
		sb.badErr = fmt.Errorf("mdraid: read the list of bad blocks: %w", err)
		return
	}
	for ; len(b) >= 8; b = b[8:] {
		entry := binary.LittleEndian.Uint64(b)
		if entry == math.MaxUint64 {
			return
		}
		from, n := fromSectors(entry>>10<<shift), fromSectors(entry&0x3ff<<shift)
		sb.bad = append(sb.bad, span{from, from + min(n, math.MaxInt64-from)})
	}
}

// fills reports whether the superblock is of a device of this size, not of a
// partition at its end.
func (sb *superblock) fills(size int64) bool {
	switch sb.version {
	case "1.1", "1.2", "1.0":
		return true // it says where it is
	}
	return sb.level != raid.Linear && sb.size > sb.dataSize-max(sb.chunk, reserved) && sb.size <= size
}

func (sb *superblock) uuidString() string { return fstree.FormatUUID(sb.uuid) }
