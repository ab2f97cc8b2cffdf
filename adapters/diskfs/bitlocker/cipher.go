package bitlocker

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"fmt"
	"math/bits"

	"golang.org/x/crypto/xts"
)

// mode is how the data is encrypted.
type mode struct {
	key      int // bytes of AES's key
	xts      bool
	diffused bool
}

func (c *Container) setMode(method uint16) error {
	switch method {
	case 0x8000, 0x8001:
		c.mode, c.info.Cipher = mode{diffused: true}, "aes-cbc-elephant"
	case 0x8002, 0x8003:
		c.mode, c.info.Cipher = mode{}, "aes-cbc-eboiv"
	case 0x8004, 0x8005:
		c.mode, c.info.Cipher = mode{xts: true}, "aes-xts-plain64"
	default:
		return fmt.Errorf("encryption method %#x: %w", method, ErrUnsupported)
	}
	c.mode.key = 16 << (method & 1)
	c.info.KeySize = c.mode.key * 8
	return nil
}

// decrypter decrypts a sector in place that lies at a byte of the volume.
type decrypter func(b []byte, at int64)

// newDecrypter sets up the cipher. Of the diffuser there are always 64 bytes of key:
// the second half begins that of the sectors.
func (m mode) newDecrypter(key []byte, sector int64) (decrypter, error) {
	want := m.key
	switch {
	case m.xts:
		want *= 2
	case m.diffused:
		want = 64
	}
	if len(key) != want {
		return nil, fmt.Errorf("a key of %d bytes for the data: %w", len(key), ErrDamaged)
	}
	if m.xts {
		c, err := xts.NewCipher(aes.NewCipher, key)
		if err != nil {
			return nil, err
		}
		return func(b []byte, at int64) { c.Decrypt(b, b, uint64(at/sector)) }, nil
	}
	block, err := aes.NewCipher(key[:m.key])
	if err != nil {
		return nil, err
	}
	cbc := func(b []byte, at int64) {
		var iv [16]byte
		le.PutUint64(iv[:], uint64(at))
		block.Encrypt(iv[:], iv[:])
		cipher.NewCBCDecrypter(block, iv[:]).CryptBlocks(b, b)
	}
	if !m.diffused {
		return cbc, nil
	}
	tweak, err := aes.NewCipher(key[32 : 32+m.key])
	if err != nil {
		return nil, err
	}
	return func(b []byte, at int64) {
		cbc(b, at)
		undiffuse(b)
		mask := sectorKey(tweak, at)
		for ; len(b) > 0; b = b[len(mask):] {
			subtle.XORBytes(b, b[:len(mask)], mask[:])
		}
	}, nil
}

// sectorKey is added to each 32 bytes of a sector that is diffused.
func sectorKey(tweak cipher.Block, at int64) (key [32]byte) {
	le.PutUint64(key[:], uint64(at))
	le.PutUint64(key[16:], uint64(at))
	key[31] = 0x80
	tweak.Encrypt(key[:16], key[:16])
	tweak.Encrypt(key[16:], key[16:])
	return key
}

// undiffuse undoes the Elephant diffusers B and A (Ferguson, AES-CBC + Elephant
// diffuser, 2006, section 4).
func undiffuse(b []byte) {
	var words [1024]uint32 // of the longest sector
	n := len(b) / 4
	word := words[:n]
	for i := range word {
		word[i] = le.Uint32(b[4*i:])
	}
	wrap := func(i int) int { // not by %, which takes most of the time
		if i >= n {
			return i - n
		}
		return i
	}
	turnB, turnA := [4]int{0, 10, 0, 25}, [4]int{9, 0, 13, 0}
	for range 3 {
		for i := range word {
			word[i] += word[wrap(i+2)] ^ bits.RotateLeft32(word[wrap(i+5)], turnB[i&3])
		}
	}
	for range 5 {
		for i := range word {
			word[i] += word[wrap(i+n-2)] ^ bits.RotateLeft32(word[wrap(i+n-5)], turnA[i&3])
		}
	}
	for i, w := range word {
		le.PutUint32(b[4*i:], w)
	}
}
