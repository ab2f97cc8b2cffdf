package bitlocker

import (
	"encoding/binary"
	"fmt"
	"iter"
)

var le = binary.LittleEndian

// guid is an identity as it is stored: the first three numbers little-endian.
type guid [16]byte

func (g guid) String() string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", le.Uint32(g[:]), le.Uint16(g[4:]), le.Uint16(g[6:]), g[8:10], g[10:])
}

// An entry of the metadata is its length, what it is for, what it holds and a
// version, each in two bytes, then what it holds.
const entryHeader = 8

// What entries are for.
const (
	entryMasterKey   = 2
	entryDataKey     = 3
	entryStartupKey  = 6
	entryDescription = 7
	entryHeaderBlock = 15
)

// What entries hold.
const (
	valueKey         = 1 // a method in 4 bytes, and the key
	valueString      = 2 // in UTF-16
	valueStretchKey  = 3 // a method in 4 bytes, and a salt
	valueSealedKey   = 5
	valueMasterKey   = 8
	valueExternalKey = 9
	valueRange       = 15 // an offset and a size

	keyMethod = 4
)

type entry struct {
	kind, value uint16
	data        []byte
}

// entries are those in b, up to one whose length is 0.
func entries(b []byte) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		for len(b) >= entryHeader {
			n := int(le.Uint16(b))
			if n == 0 {
				return
			}
			if n < entryHeader || n > len(b) {
				yield(entry{}, fmt.Errorf("an entry of %d bytes where %d are left: %w", n, len(b), ErrDamaged))
				return
			}
			if !yield(entry{le.Uint16(b[2:]), le.Uint16(b[4:]), b[entryHeader:n:n]}, nil) {
				return
			}
			b = b[n:]
		}
	}
}

// sealedKey reads a key that is encrypted.
func (e entry) sealedKey() (sealed, error) {
	const nonce, tag = 12, 16
	if len(e.data) < nonce+tag {
		return sealed{}, fmt.Errorf("an encrypted key of %d bytes: %w", len(e.data), ErrDamaged)
	}
	return sealed{e.data[:nonce], e.data[nonce : nonce+tag], e.data[nonce+tag:]}, nil
}
