package btrfs

import (
	"bytes"
	"crypto/sha256"
	"hash/crc32"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/crypto/blake2b"
)

// checksum is one of the ways to protect nodes and data (BTRFS_CSUM_TYPE_*).
type checksum struct {
	size int // bytes of each, as it is stored for data
	// fits reports whether what is stored is the checksum of b. It may be
	// longer, as in nodes, where all have the same room.
	fits func(b, stored []byte) bool
}

func checksumOf(kind uint16) (checksum, error) {
	switch kind {
	case 0:
		table := crc32.MakeTable(crc32.Castagnoli)
		return checksum{4, func(b, stored []byte) bool { return crc32.Checksum(b, table) == le.Uint32(stored) }}, nil
	case 1:
		return checksum{8, func(b, stored []byte) bool { return xxhash.Sum64(b) == le.Uint64(stored) }}, nil
	case 2:
		return checksum{sha256.Size, func(b, stored []byte) bool {
			s := sha256.Sum256(b)
			return bytes.Equal(s[:], stored[:len(s)])
		}}, nil
	case 3:
		return checksum{blake2b.Size256, func(b, stored []byte) bool {
			s := blake2b.Sum256(b)
			return bytes.Equal(s[:], stored[:len(s)])
		}}, nil
	}
	return checksum{}, unsupported("checksum type %d", kind)
}
