package luks

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/crypto/twofish" //nolint:staticcheck // volumes were made with it
	"golang.org/x/crypto/xts"
)

// decrypter decrypts sectors.
type decrypter struct {
	sector int // bytes
	// one decrypts a sector in place. n is its number, counted in 512 bytes
	// whatever its size (dm-crypt without iv_large_sectors).
	one func(b []byte, n uint64)
}

// decrypt decrypts whole sectors in place, of which the first has a number.
func (d *decrypter) decrypt(b []byte, n uint64) {
	for ; len(b) >= d.sector; b = b[d.sector:] {
		d.one(b[:d.sector], n)
		n += uint64(d.sector / 512)
	}
}

// newDecrypter sets up a cipher by its name as dm-crypt has it:
// CIPHER-MODE-IV[:HASH]. It keeps nothing of the key but what the cipher makes
// of it.
func newDecrypter(name string, key []byte, sector int) (*decrypter, error) {
	unsupported := fmt.Errorf("cipher %q: %w", name, ErrUnsupported)
	parts := strings.SplitN(name, "-", 3)
	if len(parts) != 3 {
		return nil, unsupported
	}
	newBlock := blockCipher(parts[0])
	if newBlock == nil {
		return nil, unsupported
	}
	iv, hashName, _ := strings.Cut(parts[2], ":")
	number := sectorNumber(iv)
	switch {
	case parts[1] == "xts" && number != nil && hashName == "":
		c, err := xts.NewCipher(newBlock, key)
		if err != nil {
			return nil, fmt.Errorf("a key of %d bytes for %q: %w", len(key), name, ErrDamaged)
		}
		return &decrypter{sector, func(b []byte, n uint64) { c.Decrypt(b, b, number(n)) }}, nil
	case parts[1] == "cbc" && (number != nil && hashName == "" || iv == "essiv"):
		block, err := newBlock(key)
		if err != nil {
			return nil, fmt.Errorf("a key of %d bytes for %q: %w", len(key), name, ErrDamaged)
		}
		salted, err := essiv(iv, hashName, newBlock, key)
		if err != nil {
			return nil, fmt.Errorf("cipher %q: %w", name, err)
		}
		return &decrypter{sector, func(b []byte, n uint64) {
			var iv [16]byte
			if salted != nil {
				binary.LittleEndian.PutUint64(iv[:], n)
				salted.Encrypt(iv[:], iv[:])
			} else {
				binary.LittleEndian.PutUint64(iv[:], number(n))
			}
			cipher.NewCBCDecrypter(block, iv[:]).CryptBlocks(b, b)
		}}, nil
	}
	return nil, unsupported
}

// checkCipher says whether a cipher can be set up with a key of a size.
func checkCipher(name string, keySize int64) error {
	if keySize < 1 || keySize > 512 {
		return fmt.Errorf("a key of %d bytes: %w", keySize, ErrDamaged)
	}
	_, err := newDecrypter(name, make([]byte, keySize), 512)
	return err
}

func blockCipher(name string) func([]byte) (cipher.Block, error) {
	switch name {
	case "aes":
		return aes.NewCipher
	case "twofish":
		return func(key []byte) (cipher.Block, error) { return twofish.NewCipher(key) }
	}
	return nil
}

// sectorNumber is how much of a sector's number an IV has: "plain" has the
// lower 32 bits, and repeats after 2 TiB. Others are nil.
func sectorNumber(iv string) func(uint64) uint64 {
	switch iv {
	case "plain":
		return func(n uint64) uint64 { return n & 0xffffffff }
	case "plain64":
		return func(n uint64) uint64 { return n }
	}
	return nil
}

// essiv is the cipher of IVs that are the encrypted numbers of sectors, by the
// hash of the key. It is nil for IVs that are not.
func essiv(iv, hashName string, newBlock func([]byte) (cipher.Block, error), key []byte) (cipher.Block, error) {
	if iv != "essiv" {
		return nil, nil
	}
	newHash, err := hashOf(hashName)
	if err != nil {
		return nil, err
	}
	h := newHash()
	h.Write(key)
	salt := h.Sum(nil)
	defer clear(salt)
	block, err := newBlock(salt)
	if err != nil {
		return nil, fmt.Errorf("%s makes no key for it: %w", hashName, ErrUnsupported)
	}
	return block, nil
}
