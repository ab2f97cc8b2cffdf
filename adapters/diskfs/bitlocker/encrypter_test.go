package bitlocker

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"math/bits"
	"math/rand/v2"
	"testing"
	"unicode/utf16"

	"golang.org/x/crypto/xts"
)

// encrypter makes volumes as Windows does, as far as a reader can tell.
type encrypter struct {
	method uint16
	toGo   bool
	sector int // bytes, 0 is 512
	used   int // bytes from which on sectors of zeroes stay as they are: only used space is encrypted

	password, recovery string
	startup            []byte // a key of 32 bytes
	suspended          bool
	others             []uint16 // protectors that need something else

	metadata    [3]int64
	headerBlock int64
	state       uint16 // 0: 4

	rng *rand.Rand
}

const firstSectors = 8 << 10

var startupID = guid{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

func (w *encrypter) random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(w.rng.Uint32())
	}
	return b
}

// seal encrypts a key by AES-CCM.
func (w *encrypter) seal(tb testing.TB, key, secret []byte, method uint16) []byte {
	tb.Helper()
	plain := append([]byte{byte(len(secret) + 12), 0, 0, 0, 1, 0, 1, 0, byte(method), byte(method >> 8), 0, 0}, secret...)
	block, err := aes.NewCipher(key)
	if err != nil {
		tb.Fatal(err)
	}
	nonce := w.random(12)
	first := append(append([]byte{2}, nonce...), 0, 0, 0)
	mac := append(append([]byte{0x3a}, nonce...), 0, 0, byte(len(plain)))
	block.Encrypt(mac, mac)
	for at := 0; at < len(plain); at += 16 {
		part := plain[at:min(at+16, len(plain))]
		subtle.XORBytes(mac, mac, part)
		block.Encrypt(mac, mac)
	}
	both := append(mac, plain...)
	cipher.NewCTR(block, first).XORKeyStream(both, both)
	return append(nonce, both...)
}

func item(kind, value uint16, data ...[]byte) []byte {
	b := make([]byte, 8)
	for _, d := range data {
		b = append(b, d...)
	}
	le.PutUint16(b, uint16(len(b)))
	le.PutUint16(b[2:], kind)
	le.PutUint16(b[4:], value)
	le.PutUint16(b[6:], 1)
	return b
}

func words(s string) (b []byte) {
	for _, u := range append(utf16.Encode([]rune(s)), 0) {
		b = le.AppendUint16(b, u)
	}
	return b
}

// protectors are the entries of the protectors of a master key.
func (w *encrypter) protectors(tb testing.TB, master []byte) (list []byte) {
	tb.Helper()
	add := func(id guid, kind uint16, name string, entries ...[]byte) {
		head := append(id[:len(id):len(id)], make([]byte, 10)...)
		head = le.AppendUint16(head, kind)
		entries = append([][]byte{head, item(0, valueString, words(name))}, entries...)
		list = append(list, item(entryMasterKey, valueMasterKey, entries...)...)
	}
	stretched := func(first [32]byte) (salted, key []byte) {
		salt := w.random(16)
		key, err := stretch(context.Background(), first, salt)
		if err != nil {
			tb.Fatal(err)
		}
		return item(0, valueStretchKey, []byte{0, 0x10, 0, 0}, salt, item(0, valueSealedKey, w.seal(tb, key, key, 0x2000))), key
	}
	for i, kind := range w.others {
		add(guid{byte(i), 0xff}, kind, "Other", item(0, 6, w.random(40)), item(0, valueSealedKey, w.random(72)))
	}
	if w.password != "" {
		text := words(w.password)
		once := sha256.Sum256(text[:len(text)-2])
		salted, key := stretched(sha256.Sum256(once[:]))
		add(guid{0xaa}, 0x2000, "DiskPassword", salted, item(0, valueSealedKey, w.seal(tb, key, master, 0x2003)))
	}
	if w.recovery != "" {
		salted, key := stretched(sha256.Sum256(recoveryKey([]byte(w.recovery))))
		add(guid{0xbb}, 0x0800, "DiskPassword", salted, item(0, 21, make([]byte, 8)), item(0, valueSealedKey, w.seal(tb, key, master, 0x2003)))
	}
	if w.startup != nil {
		add(startupID, 0x0200, "ExternalKey", item(0, 4, make([]byte, 16)), item(0, valueSealedKey, w.seal(tb, w.startup, master, 0x2003)))
	}
	if w.suspended {
		key := w.random(32)
		add(guid{0xcc}, 0, "Clear", item(0, valueKey, []byte{0, 0x20, 0, 0}, key), item(0, valueSealedKey, w.seal(tb, key, master, 0x2003)))
	}
	return list
}

// startupFile is what Windows writes to a .BEK file.
func (w *encrypter) startupFile() []byte {
	e := item(entryStartupKey, valueExternalKey, startupID[:], make([]byte, 8), item(0, valueString, words("ExternalKey")), item(0, valueKey, []byte{2, 0x20, 0, 0}, w.startup))
	b := make([]byte, headerSize)
	le.PutUint32(b, uint32(headerSize+len(e)))
	le.PutUint32(b[4:], 1)
	le.PutUint32(b[8:], headerSize)
	le.PutUint32(b[12:], uint32(headerSize+len(e)))
	copy(b[16:], startupID[:])
	return append(b, e...)
}

// block is a copy of the metadata.
func (w *encrypter) block(tb testing.TB, size int64, data []byte) []byte {
	tb.Helper()
	master := w.random(32)
	list := item(entryDescription, valueString, words("MACHINE drive 1/2/2026"))
	list = append(list, w.protectors(tb, master)...)
	list = append(list, item(entryDataKey, valueSealedKey, w.seal(tb, master, data, w.method))...)
	place := le.AppendUint64(le.AppendUint64(nil, uint64(w.headerBlock)), firstSectors)
	list = append(list, item(entryHeaderBlock, valueRange, place)...)
	b := make([]byte, metadataSize)
	copy(b, signature)
	state := w.state
	if state == 0 {
		state = stateNormal
	}
	length := (blockHeader + headerSize + len(list) + 15) &^ 15
	le.PutUint16(b[8:], uint16(length/16))
	le.PutUint16(b[10:], 2)
	le.PutUint16(b[12:], state)
	le.PutUint16(b[14:], state)
	le.PutUint64(b[16:], uint64(size))
	le.PutUint32(b[28:], uint32(firstSectors/w.sector))
	for i, at := range w.metadata {
		le.PutUint64(b[32+8*i:], uint64(at))
	}
	le.PutUint64(b[56:], uint64(w.headerBlock))
	h := b[blockHeader:]
	le.PutUint32(h, uint32(headerSize+len(list)))
	le.PutUint32(h[4:], 1)
	le.PutUint32(h[8:], headerSize)
	le.PutUint32(h[12:], uint32(headerSize+len(list)))
	copy(h[16:], "0123456789abcdef")
	le.PutUint16(h[36:], w.method)
	le.PutUint16(h[38:], w.method)
	le.PutUint64(h[40:], 132537600000000000) // 2020-12-30
	copy(h[headerSize:], list)
	le.PutUint16(b[length:], uint16(metadataSize-length))
	le.PutUint16(b[length+2:], 2)
	fix(b)
	return b
}

// encrypt makes a volume of what it is to hold.
func (w *encrypter) encrypt(tb testing.TB, content []byte) []byte {
	tb.Helper()
	if w.sector == 0 {
		w.sector = 512
	}
	w.rng = rand.New(rand.NewPCG(uint64(w.method), 1))
	m := Container{}
	if err := m.setMode(w.method); err != nil {
		tb.Fatal(err)
	}
	n := m.mode.key
	if m.mode.xts {
		n *= 2
	} else if m.mode.diffused {
		n = 64
	}
	data := w.random(n)
	image := append([]byte(nil), content...)
	enc := m.mode.encrypter(tb, data, w.sector)
	for at := 0; at < len(image); at += w.sector {
		b := image[at : at+w.sector]
		if w.used > 0 && at >= w.used && subtle.ConstantTimeCompare(b, make([]byte, w.sector)) == 1 {
			continue
		}
		enc(b, int64(at))
	}
	first := append([]byte(nil), content[:firstSectors]...)
	for at := 0; at < firstSectors; at += w.sector {
		enc(first[at:at+w.sector], w.headerBlock+int64(at))
	}
	copy(image[w.headerBlock:], first)
	clear(image[:firstSectors])
	w.header(image)
	block := w.block(tb, int64(len(content)), data)
	for _, at := range w.metadata {
		copy(image[at:], block)
	}
	return image
}

// header writes the first sector.
func (w *encrypter) header(image []byte) {
	copy(image, "\xeb\x58\x90"+signature)
	at := 160
	if w.toGo {
		copy(image[3:], "MSWIN4.1")
		at = 424
	}
	le.PutUint16(image[11:], uint16(w.sector))
	image[13] = 1
	copy(image[at:], kindNormal[:])
	for i, m := range w.metadata {
		le.PutUint64(image[at+16+8*i:], uint64(m))
	}
	copy(image[510:], "\x55\xaa")
}

// encrypter is the inverse of newDecrypter.
func (m mode) encrypter(tb testing.TB, key []byte, sector int) func(b []byte, at int64) {
	tb.Helper()
	if m.xts {
		c, err := xts.NewCipher(aes.NewCipher, key)
		if err != nil {
			tb.Fatal(err)
		}
		return func(b []byte, at int64) { c.Encrypt(b, b, uint64(at)/uint64(sector)) }
	}
	block, err := aes.NewCipher(key[:m.key])
	if err != nil {
		tb.Fatal(err)
	}
	return func(b []byte, at int64) {
		if m.diffused {
			tweak, err := aes.NewCipher(key[32 : 32+m.key])
			if err != nil {
				tb.Fatal(err)
			}
			mask := sectorKey(tweak, at)
			for i := range b {
				b[i] ^= mask[i%32]
			}
			diffuse(b)
		}
		var iv [16]byte
		le.PutUint64(iv[:], uint64(at))
		block.Encrypt(iv[:], iv[:])
		cipher.NewCBCEncrypter(block, iv[:]).CryptBlocks(b, b)
	}
}

func diffuse(b []byte) {
	n := len(b) / 4
	get := func(i int) uint32 { return le.Uint32(b[4*((i+n)%n):]) }
	for i := 5*n - 1; i >= 0; i-- {
		k := i % n
		le.PutUint32(b[4*k:], get(k)-(get(k-2)^bits.RotateLeft32(get(k-5), [4]int{9, 0, 13, 0}[k%4])))
	}
	for i := 3*n - 1; i >= 0; i-- {
		k := i % n
		le.PutUint32(b[4*k:], get(k)-(get(k+2)^bits.RotateLeft32(get(k+5), [4]int{0, 10, 0, 25}[k%4])))
	}
}
