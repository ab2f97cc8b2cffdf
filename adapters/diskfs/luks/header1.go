package luks

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Fields of the header of LUKS 1 (LUKS On-Disk Format Specification 1.2.3,
// section 4); numbers are big-endian.
const (
	magic       = "LUKS\xba\xbe"
	header1Size = 592
	slots1      = 8
	slot1Size   = 48
	slot1Begin  = 208
	slot1Active = 0x00AC71F3
	digest1Size = 20
)

var be = binary.BigEndian

// readHeader reads the header, of whichever version.
func (c *Container) readHeader() error {
	b := make([]byte, header1Size)
	n, err := c.header.ReadAt(b, 0)
	if n < 8 || int64(n) > c.headerSize {
		if c.headerSize < header1Size {
			return ErrNotThis
		}
		return noEOF(err)
	}
	version := be.Uint16(b[6:])
	switch {
	case string(b[:6]) != magic:
		return c.readHeader2() // its first header may be lost
	case version == 1 && n < len(b):
		return noEOF(err)
	case version == 1:
		return c.parse1(b)
	case version == 2:
		return c.readHeader2()
	}
	return fmt.Errorf("LUKS version %d: %w", version, ErrUnsupported)
}

// text is a field of bytes that ends with the first NUL.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

func (c *Container) parse1(b []byte) error {
	hash := text(b[72:104])
	keySize := int64(be.Uint32(b[108:]))
	c.info = Info{
		Version: 1, UUID: text(b[168:208]), SectorSize: 512,
		Cipher:  text(b[8:40]) + "-" + text(b[40:72]),
		Offset:  int64(be.Uint32(b[104:])) * 512,
		KeySize: int(keySize) * 8,
	}
	if err := checkCipher(c.info.Cipher, keySize); err != nil {
		return err
	}
	c.digest = digest{
		kdf:    kdf{kind: "pbkdf2", hash: hash, salt: b[132:164], iterations: int64(be.Uint32(b[164:]))},
		digest: b[112 : 112+digest1Size],
	}
	for i := range slots1 {
		f := b[slot1Begin+i*slot1Size:][:slot1Size]
		if be.Uint32(f) != slot1Active {
			continue
		}
		s := slot{
			Slot:    Slot{Number: i, KDF: "pbkdf2", Hash: hash, Iterations: int64(be.Uint32(f[4:])), Priority: 1},
			keySize: keySize, stripes: int64(be.Uint32(f[44:])), afHash: hash,
			area: int64(be.Uint32(f[40:])) * 512, areaSize: maxMaterial,
			cipher: c.info.Cipher, areaKey: keySize,
		}
		s.kdf = kdf{kind: s.KDF, hash: hash, salt: f[8:40], iterations: s.Iterations}
		c.slots = append(c.slots, s)
	}
	return nil
}
