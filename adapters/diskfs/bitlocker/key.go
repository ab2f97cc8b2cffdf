package bitlocker

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"regexp"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// candidates are what the bytes of a key may mean.
type candidates struct {
	password []byte // in UTF-16
	recovery []byte // 16 bytes
	startup  []byte
	id       guid // of the startup key
}

func (c candidates) clear() {
	clear(c.password)
	clear(c.recovery)
	clear(c.startup)
}

// maxText is the longest file, in bytes, that is searched for a recovery password.
const maxText = 64 << 10

func newCandidates(key []byte) candidates {
	var c candidates
	if c.id, c.startup = startupKey(key); c.startup != nil {
		return c
	}
	if utf8.Valid(key) {
		for _, r := range string(key) {
			for _, unit := range utf16.AppendRune(nil, r) {
				c.password = le.AppendUint16(c.password, unit)
			}
		}
	}
	if len(key) <= maxText {
		c.recovery = recoveryKey(key)
	}
	return c
}

var recoveryPattern = regexp.MustCompile(`(?:^|[^0-9-])([0-9]{6}(?:-[0-9]{6}){7})(?:[^0-9-]|$)`)

// recoveryKey finds a recovery password, which is the key in eight decimal numbers
// of 16 bits, each times 11. Windows saves it in a text in UTF-16.
func recoveryKey(text []byte) []byte {
	if bytes.HasPrefix(text, []byte{0xff, 0xfe}) {
		text = bytes.ReplaceAll(text[2:], []byte{0}, nil) // digits are what is looked for
	}
	found := recoveryPattern.FindSubmatch(text)
	if found == nil {
		return nil
	}
	var key []byte
	for group := range bytes.SplitSeq(found[1], []byte("-")) {
		n, err := strconv.ParseUint(string(group), 10, 32)
		if err != nil || n%11 != 0 || n/11 > 0xffff {
			clear(key)
			return nil
		}
		key = le.AppendUint16(key, uint16(n/11))
	}
	return key
}

// startupKey reads a startup key file: the header of metadata, then an entry that
// holds the key among others.
func startupKey(b []byte) (guid, []byte) {
	if len(b) < headerSize+entryHeader || int(le.Uint32(b)) != len(b) || le.Uint32(b[4:]) != 1 || le.Uint32(b[8:]) != headerSize {
		return guid{}, nil
	}
	for e, err := range entries(b[headerSize:]) {
		if err != nil {
			break
		}
		const identity = 24 // the key's, and a time
		if e.kind != entryStartupKey || e.value != valueExternalKey || len(e.data) < identity {
			continue
		}
		for sub, err := range entries(e.data[identity:]) {
			if err != nil {
				break
			}
			if sub.value == valueKey && len(sub.data) == keyMethod+32 {
				return guid(b[16:32]), bytes.Clone(sub.data[keyMethod:])
			}
		}
	}
	return guid{}, nil
}

// key makes the key of a protector.
func (l *lock) key(ctx context.Context, given candidates) ([]byte, error) {
	switch l.Kind {
	case ClearKey:
		if len(l.clear) == 0 {
			return nil, fmt.Errorf("it holds no key: %w", ErrDamaged)
		}
		return bytes.Clone(l.clear), nil
	case StartupKey:
		if given.startup == nil || given.id != l.id {
			return nil, ErrKey
		}
		return bytes.Clone(given.startup), nil
	case RecoveryPassword:
		if given.recovery == nil {
			return nil, ErrKey
		}
		return stretch(ctx, sha256.Sum256(given.recovery), l.salt)
	case Password:
		if given.password == nil {
			return nil, ErrKey
		}
		once := sha256.Sum256(given.password)
		return stretch(ctx, sha256.Sum256(once[:]), l.salt)
	}
	return nil, ErrUnsupported
}

// iterations of SHA-256 make a key of a password.
const iterations = 1 << 20

// stretch hashes, again and again, the last hash, the first one, the salt and a
// counter.
func stretch(ctx context.Context, first [32]byte, salt []byte) ([]byte, error) {
	if len(salt) != 16 {
		return nil, fmt.Errorf("it has no salt: %w", ErrDamaged)
	}
	var b [88]byte
	defer clear(b[:])
	copy(b[32:], first[:])
	copy(b[64:], salt)
	for i := range uint64(iterations) {
		if i&0xffff == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		le.PutUint64(b[80:], i)
		last := sha256.Sum256(b[:])
		copy(b[:], last[:])
	}
	return bytes.Clone(b[:32]), nil
}

// sealed is a key that is encrypted by AES-CCM (NIST SP 800-38C), with a nonce of 12
// bytes and a tag of 16.
type sealed struct {
	nonce, tag, data []byte
}

// open decrypts a key. It returns [ErrKey] if the tag is not right.
func (s *sealed) open(key []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("a key of %d bytes: %w", len(key), ErrDamaged)
	}
	var counter, stream, mac [16]byte
	defer clear(stream[:])
	counter[0] = 2 // a length takes 3 bytes, less 1
	copy(counter[1:], s.nonce)
	block.Encrypt(stream[:], counter[:])
	tag := make([]byte, 16)
	subtle.XORBytes(tag, s.tag, stream[:])

	mac = counter
	mac[0] |= 7 << 3 // the tag's length, (16-2)/2
	n := len(s.data)
	mac[13], mac[14], mac[15] = byte(n>>16), byte(n>>8), byte(n)
	block.Encrypt(mac[:], mac[:])
	plain := make([]byte, n)
	for at, i := 0, 1; at < n; at, i = at+16, i+1 {
		counter[13], counter[14], counter[15] = byte(i>>16), byte(i>>8), byte(i)
		block.Encrypt(stream[:], counter[:])
		part := plain[at:min(at+16, n)]
		subtle.XORBytes(part, s.data[at:], stream[:])
		subtle.XORBytes(mac[:], mac[:], part)
		block.Encrypt(mac[:], mac[:])
	}
	if subtle.ConstantTimeCompare(mac[:], tag) == 0 {
		clear(plain)
		return nil, ErrKey
	}
	// The key has a header that says how long it is with it.
	if n < sealedHeader || int(le.Uint16(plain)) != n {
		clear(plain)
		return nil, fmt.Errorf("a key that says to be of another length: %w", ErrDamaged)
	}
	out := bytes.Clone(plain[sealedHeader:])
	clear(plain)
	return out, nil
}

const sealedHeader = 12 // an entry's header, and what the key is for
