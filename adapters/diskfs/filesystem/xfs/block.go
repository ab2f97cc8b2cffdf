package xfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// checksumOK verifies the CRC-32C of a structure whose own four bytes of
// checksum, little-endian at offset at, count as zeroes.
func checksumOK(b []byte, at int) bool {
	return checksum(b, at) == binary.LittleEndian.Uint32(b[at:])
}

func checksum(b []byte, at int) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	// The four zeroes are put in by hand: a slice of them would be allocated
	// for every inode that is looked at.
	sum := ^crc32.Update(0, table, b[:at])
	for range 4 {
		sum = table[byte(sum)] ^ sum>>8
	}
	return crc32.Update(^sum, table, b[at+4:])
}

// layout says where a kind of metadata block keeps what version 5 added: a
// checksum, the block's own address, the filesystem's UUID and the inode that
// owns it. Offsets are in bytes from the block's start.
type layout struct {
	crc, address, uuid, owner int
	size                      int // of the header with all of it
}

// The layouts of fs/xfs/libxfs/xfs_da_format.h and xfs_format.h.
func dirDataLayout() layout { return layout{crc: 4, address: 8, uuid: 24, owner: 40, size: 64} }
func daLayout() layout      { return layout{crc: 12, address: 16, uuid: 32, owner: 48, size: 64} }
func bmapLayout() layout    { return layout{crc: 64, address: 24, uuid: 40, owner: 56, size: 72} }
func remoteLayout() layout  { return layout{crc: 12, address: 40, uuid: 16, owner: 32, size: 56} }

// verify says what is wrong with the version 5 header of a block at off, or "".
// Blocks are logged without their checksum, which is made when they are written.
func (v *volume) verify(b []byte, off int64, owner uint64, at layout) string {
	be := binary.BigEndian
	switch {
	case !checksumOK(b, at.crc) && !v.replayed.touches(off, int64(len(b))):
		return "its checksum is wrong"
	case be.Uint64(b[at.address:]) != uint64(off/512):
		return fmt.Sprintf("it was written for sector %d", be.Uint64(b[at.address:]))
	case !bytes.Equal(b[at.uuid:at.uuid+16], v.sb.metaUUID[:]):
		return "it belongs to another filesystem"
	case be.Uint64(b[at.owner:]) != owner:
		return fmt.Sprintf("it belongs to inode %d", be.Uint64(b[at.owner:]))
	}
	return ""
}

// readError makes the failure to read a structure an error that names it. What
// lies outside the volume is damage; a failing disk is not.
func (v *volume) readError(err error, off int64, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &fstree.DamageError{FS: "xfs", Structure: what, Block: v.blockOf(off), Why: "it lies past the volume's end"}
	}
	return fmt.Errorf("xfs: reading %s: %w", what, err)
}

// blockOf is the unit that a DamageError counts in.
func (v *volume) blockOf(off int64) int64 { return off >> v.sb.blockLog }
