package ext4

import (
	"encoding/binary"
	"fmt"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// The journal's format is jbd2's (include/linux/jbd2.h), big-endian. It is a
// ring of blocks: a transaction is descriptors, each followed by the blocks
// that it describes, and revocations, ended by a commit.
const (
	journalMagic = 0xC03B3998

	blockDescriptor = 1
	blockCommit     = 2
	blockSuperV1    = 3
	blockSuperV2    = 4
	blockRevoke     = 5

	journalHeader = 12 // magic, type, sequence

	minJournalBlocks = 1024 // that fast commits leave
)

// Features of the journal.
const (
	journalChecksum    featureSet = 0x1 // compatible: version 1
	journalRevoke      featureSet = 0x1
	journal64Bit       featureSet = 0x2
	journalAsyncCommit featureSet = 0x4
	journalChecksumV2  featureSet = 0x8
	journalChecksumV3  featureSet = 0x10
	journalFastCommit  featureSet = 0x20

	journalKnown = journalRevoke | journal64Bit | journalAsyncCommit |
		journalChecksumV2 | journalChecksumV3 | journalFastCommit
)

var be = binary.BigEndian

// journal is a journal inside its filesystem, which is seen as it lies on the
// volume.
type journal struct {
	e *engine
	m mapping

	first, end       uint64 // the ring: blocks [first, end) of the journal
	length           uint64 // blocks of the journal, with the fast commits
	start            uint64 // first block in use, 0 if there is nothing to replay
	sequence         uint32 // of the first transaction
	compat, incompat featureSet
	seed             uint32 // begins the checksums
}

func damagedJournal(block int64, format string, args ...any) error {
	return &fstree.DamageError{FS: "ext4", Structure: "journal", Block: block, Why: fmt.Sprintf(format, args...)}
}

// openJournal reads the superblock of the journal.
func (e *engine) openJournal() (*journal, error) {
	if e.sb.journalIno == 0 || uint64(e.sb.journalIno) > e.sb.inodes {
		return nil, damagedJournal(-1, "inode %d", e.sb.journalIno)
	}
	in, err := e.anyInode(uint64(e.sb.journalIno))
	if err != nil {
		return nil, err
	}
	if !in.isType(modeRegular) || in.has(flagInlineData) {
		return nil, damagedJournal(-1, "inode %d is no regular file", in.num)
	}
	j := &journal{e: e, length: uint64(in.size) >> e.sb.blockBits}
	if j.m, err = e.mapping(in); err != nil {
		return nil, err
	}
	b, _, err := j.block(0)
	if err != nil {
		return nil, err
	}
	return j, j.parseSuperblock(b)
}

// parseSuperblock follows journal_load_superblock (fs/jbd2/journal.c).
func (j *journal) parseSuperblock(b []byte) error {
	magic, kind := be.Uint32(b), be.Uint32(b[4:])
	if magic != journalMagic || kind != blockSuperV1 && kind != blockSuperV2 {
		return damagedJournal(-1, "its superblock has magic %08x, type %d", magic, kind)
	}
	if size := be.Uint32(b[0x0C:]); int64(size) != j.e.sb.blockSize {
		return damagedJournal(-1, "blocks of %d bytes", size)
	}
	length := uint64(be.Uint32(b[0x10:]))
	j.first = uint64(be.Uint32(b[0x14:]))
	j.sequence = be.Uint32(b[0x18:])
	j.start = uint64(be.Uint32(b[0x1C:]))
	if kind == blockSuperV2 {
		j.compat, j.incompat = featureSet(be.Uint32(b[0x24:])), featureSet(be.Uint32(b[0x28:]))
	}
	if unknown := j.incompat &^ journalKnown; unknown != 0 {
		return fmt.Errorf("ext4: journal with feature 0x%x: %w", unknown, fstree.ErrUnsupported)
	}
	if j.hasTailChecksums() {
		const field = 0xFC
		want, got := be.Uint32(b[field:]), crc32cWithout(^uint32(0), b[:1024], field, 4)
		if want != got {
			return damagedJournal(-1, "its superblock has checksum %08x, not %08x", got, want)
		}
	}
	j.seed = crc32c(^uint32(0), b[0x30:0x40])
	if length > j.length {
		return damagedJournal(-1, "%d blocks in %d", length, j.length)
	}
	j.length, j.end = length, length
	if fast := j.fastBlocks(b); j.incompat.has(journalFastCommit) && length >= fast+minJournalBlocks {
		j.end -= fast
	}
	if j.first == 0 || j.first >= j.end || j.start != 0 && (j.start < j.first || j.start >= j.end) {
		return damagedJournal(-1, "start %d in blocks [%d, %d)", j.start, j.first, j.end)
	}
	return nil
}

// fastBlocks is how many blocks after the ring are for fast commits.
func (j *journal) fastBlocks(super []byte) uint64 {
	if n := be.Uint32(super[0x54:]); n != 0 {
		return uint64(n)
	}
	return 256
}

// hasTailChecksums reports checksums of version 2 or 3, which metadata blocks
// of the journal have at their end.
func (j *journal) hasTailChecksums() bool {
	return j.incompat.has(journalChecksumV2 | journalChecksumV3)
}

// block returns a block of the journal and where it lies on the volume.
func (j *journal) block(n uint64) ([]byte, uint64, error) {
	if n >= j.length {
		return nil, 0, damagedJournal(-1, "block %d of %d", n, j.length)
	}
	r, err := j.m.run(n)
	if err != nil {
		return nil, 0, err
	}
	if !r.stored {
		return nil, 0, damagedJournal(-1, "block %d is a hole", n)
	}
	b, err := j.e.block(r.physical)
	return b, r.physical, err
}

// next is the block after n in the ring.
func (j *journal) next(n uint64) uint64 {
	if n+1 >= j.end {
		return j.first
	}
	return n + 1
}

// tailIsValid verifies the checksum at the end of a descriptor or a revoke
// block, if it has one.
func (j *journal) tailIsValid(b []byte) bool {
	if !j.hasTailChecksums() {
		return true
	}
	end := len(b) - 4
	return be.Uint32(b[end:]) == crc32cWithout(j.seed, b, end, 4)
}

// tagged is a block of a transaction.
type tagged struct {
	block    uint64 // on the volume, where it belongs
	at       uint64 // in the journal
	sequence uint32
	checksum uint32
	escaped  bool
}

// tags decodes the tags of a descriptor at block n of the journal, and
// returns the block after those that they describe.
func (j *journal) tags(b []byte, sequence uint32, n uint64) ([]tagged, uint64) {
	const (
		escaped, sameUUID, last = 1, 2, 8
		uuidSize                = 16
	)
	size, space := j.tagSize(), len(b)
	if j.hasTailChecksums() {
		space -= 4
	}
	var list []tagged
	for off := journalHeader; off+size <= space; {
		t := tagged{block: uint64(be.Uint32(b[off:])), at: n, sequence: sequence}
		var flags uint32
		if j.incompat.has(journalChecksumV3) {
			flags, t.checksum = be.Uint32(b[off+4:]), be.Uint32(b[off+12:])
		} else {
			t.checksum, flags = uint32(be.Uint16(b[off+4:])), uint32(be.Uint16(b[off+6:]))
		}
		if j.incompat.has(journal64Bit) {
			t.block |= uint64(be.Uint32(b[off+8:])) << 32
		}
		t.escaped = flags&escaped != 0
		list = append(list, t)
		n = j.next(n)
		off += size
		if flags&sameUUID == 0 {
			off += uuidSize
		}
		if flags&last != 0 {
			break
		}
	}
	return list, n
}

// tagSize is how many bytes a tag has (journal_tag_bytes).
func (j *journal) tagSize() int {
	switch {
	case j.incompat.has(journalChecksumV3):
		return 16
	case j.incompat.has(journal64Bit) && j.incompat.has(journalChecksumV2):
		return 14
	case j.incompat.has(journal64Bit):
		return 12
	case j.incompat.has(journalChecksumV2):
		return 10
	}
	return 8
}

// revoked decodes the blocks that a revoke block names.
func (j *journal) revoked(b []byte) ([]uint64, error) {
	space := len(b)
	if j.hasTailChecksums() {
		space -= 4
	}
	used := int64(be.Uint32(b[journalHeader:]))
	if used > int64(space) {
		return nil, damagedJournal(-1, "revocations of %d bytes", used)
	}
	size := 4
	if j.incompat.has(journal64Bit) {
		size = 8
	}
	var list []uint64
	for off := journalHeader + 4; off+size <= int(used); off += size {
		if size == 8 {
			list = append(list, be.Uint64(b[off:]))
		} else {
			list = append(list, uint64(be.Uint32(b[off:])))
		}
	}
	return list, nil
}
