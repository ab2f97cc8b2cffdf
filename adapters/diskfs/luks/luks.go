package luks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/qedfs/qedfs/backend/errs"
)

var (
	// ErrNotThis is returned by [Open] when there is no LUKS header.
	ErrNotThis = errs.New("luks", "no LUKS header", nil)

	// ErrKey is matched by the error of [Container.Unlock] when no key slot
	// opens with the passphrase.
	ErrKey = errs.New("luks", "no key slot opens with this passphrase or key file", nil)

	// ErrDamaged is matched by the errors of headers that are not sound.
	ErrDamaged = errs.New("luks", "damaged LUKS header", nil)

	// ErrUnsupported is matched by the errors of what is recognised and not
	// read: a cipher, a reencryption in progress. It matches
	// [errors.ErrUnsupported].
	ErrUnsupported = errs.New("luks", "unsupported", errors.ErrUnsupported)

	// ErrTooCostly is matched by the error of a key slot whose key
	// derivation needs more memory or time than [Options] allow. It matches
	// [errors.ErrUnsupported].
	ErrTooCostly = errs.New("luks", "key derivation beyond the limit", errors.ErrUnsupported)
)

// Options say how a container is opened. The zero value, or nil, reads the
// header from the volume itself.
type Options struct {
	// Header is a detached header of HeaderSize bytes; the volume is then data
	// from where the header says, mostly its first byte.
	Header     io.ReaderAt
	HeaderSize int64

	// MaxMemory is how many bytes deriving a key from a passphrase may take.
	// 0 is 1 GiB, the most that cryptsetup uses unless told otherwise.
	MaxMemory int64

	// MaxWork is how much work one derivation may be: iterations of pbkdf2,
	// or passes of argon2 times its memory in KiB. 0 is 2^27, in the order of
	// a minute.
	MaxWork int64
}

const (
	defaultMemory = 1 << 30
	defaultWork   = 1 << 27
)

// Info describes a container.
type Info struct {
	Version    int    `json:"version"` // 1 or 2
	UUID       string `json:"uuid"`
	Label      string `json:"label,omitempty"`
	Subsystem  string `json:"subsystem,omitempty"`
	Cipher     string `json:"cipher"`      // "aes-xts-plain64"
	KeySize    int    `json:"key_size"`    // bits
	SectorSize int64  `json:"sector_size"` // bytes that are encrypted at a time
	Offset     int64  `json:"offset"`      // of the data in the volume, bytes
	Size       int64  `json:"size"`        // of the data, bytes
	Slots      []Slot `json:"slots"`
	// Notes are what a user should know: that the second header was used.
	Notes []string `json:"-"`
}

// Slot describes a key slot that is in use.
type Slot struct {
	Number     int    `json:"number"`
	KDF        string `json:"kdf"`               // "pbkdf2", "argon2i", "argon2id"
	Hash       string `json:"hash,omitempty"`    // of pbkdf2
	Iterations int64  `json:"iterations"`        // of pbkdf2; passes of argon2
	Memory     int64  `json:"memory,omitempty"`  // bytes, of argon2
	Threads    int    `json:"threads,omitempty"` // of argon2
	Priority   int    `json:"priority"`          // 2 is tried first, 0 last
	Unbound    bool   `json:"unbound,omitempty"` // its key is not this volume's
}

// Container is an encrypted volume and its header.
type Container struct {
	data, header io.ReaderAt
	headerSize   int64
	info         Info
	ivTweak      uint64 // added to the number of each sector
	slots        []slot
	digest       digest
	limits       limits
}

// slot is how a key slot is opened.
type slot struct {
	Slot
	kdf      kdf
	keySize  int64
	stripes  int64
	afHash   string
	area     int64 // where its key material lies in the header, bytes
	areaSize int64
	cipher   string // of the area
	areaKey  int64  // bytes
	err      error  // why it can't be opened, if that is known
}

// digest tells whether a key is the volume's.
type digest struct {
	kdf    kdf
	digest []byte
}

// Open reads the header of the volume that is the first size bytes of r.
func Open(r io.ReaderAt, size int64, opts *Options) (*Container, error) {
	if opts == nil {
		opts = &Options{}
	}
	c := &Container{data: r, header: r, headerSize: size, limits: newLimits(opts)}
	if opts.Header != nil {
		c.header, c.headerSize = opts.Header, opts.HeaderSize
	}
	if err := c.readHeader(); err != nil {
		return nil, errs.Wrap("luks", "", err)
	}
	if err := c.place(size); err != nil {
		return nil, errs.Wrap("luks", "", err)
	}
	for i := range c.slots {
		c.info.Slots = append(c.info.Slots, c.slots[i].Slot)
	}
	return c, nil
}

// place finds where the data ends: a size of 0 is all of the volume.
func (c *Container) place(size int64) error {
	i := &c.info
	if i.Offset < 0 || i.Offset > size {
		return fmt.Errorf("data at byte %d of a volume of %d: %w", i.Offset, size, ErrDamaged)
	}
	rest := size - i.Offset
	if i.Size == 0 {
		i.Size = rest &^ (i.SectorSize - 1)
	}
	if i.Size < 0 || i.Size > rest || i.Size%i.SectorSize != 0 {
		return fmt.Errorf("%d bytes of data where %d are left: %w", i.Size, rest, ErrDamaged)
	}
	return nil
}

// Info describes the container.
func (c *Container) Info() Info {
	i := c.info
	i.Slots, i.Notes = slices.Clone(i.Slots), slices.Clone(i.Notes)
	return i
}

// Unlock opens the volume with a passphrase, or with the contents of a key
// file. It tries one key slot after another, which may take seconds for each.
// The error matches [ErrKey] if none opens, and says of each slot that could
// not be tried why.
func (c *Container) Unlock(ctx context.Context, passphrase []byte) (*Volume, error) {
	var failed []error
	for i := range c.slots {
		s := &c.slots[i]
		key, err := c.open(ctx, s, passphrase)
		if err == nil {
			v, err := newVolume(c, key)
			clear(key)
			return v, errs.Wrap("luks", "", err)
		}
		if ctx.Err() != nil {
			return nil, errs.Wrap("luks", "", ctx.Err())
		}
		if !errors.Is(err, ErrKey) {
			failed = append(failed, fmt.Errorf("key slot %d: %w", s.Number, err))
		}
	}
	err := ErrKey
	if len(c.slots) == 0 {
		err = fmt.Errorf("%w: there is none", ErrKey)
	}
	for _, f := range failed {
		err = fmt.Errorf("%w; %w", err, f)
	}
	return nil, errs.Wrap("luks", "", err)
}

// open returns the volume key that a slot holds, or [ErrKey].
func (c *Container) open(ctx context.Context, s *slot, passphrase []byte) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	if err := c.limits.check(&s.kdf); err != nil {
		return nil, err
	}
	material, err := c.material(s)
	if err != nil {
		return nil, err
	}
	defer clear(material)
	areaKey, err := s.kdf.derive(ctx, passphrase, s.areaKey)
	if err != nil {
		return nil, err
	}
	defer clear(areaKey)
	d, err := newDecrypter(s.cipher, areaKey, 512)
	if err != nil {
		return nil, err
	}
	d.decrypt(material, 0)
	key, err := merge(material[:s.keySize*s.stripes], s.keySize, s.afHash)
	if err != nil {
		return nil, err
	}
	ok, err := c.verify(ctx, key)
	if err == nil && !ok {
		err = ErrKey
	}
	if err != nil {
		clear(key)
		return nil, err
	}
	return key, nil
}

// maxMaterial is the most bytes of a slot's key material: cryptsetup makes
// 4000 stripes of at most 64 bytes.
const maxMaterial = 1 << 20

// material reads the encrypted stripes of a slot's key, in whole sectors.
func (c *Container) material(s *slot) ([]byte, error) {
	n := (s.keySize*s.stripes + 511) &^ 511
	if s.keySize < 1 || s.keySize > 512 || s.stripes < 1 || s.stripes > maxMaterial || n > maxMaterial {
		return nil, fmt.Errorf("a key of %d bytes in %d stripes: %w", s.keySize, s.stripes, ErrDamaged)
	}
	if s.area < 0 || s.area > c.headerSize || n > c.headerSize-s.area || n > s.areaSize {
		return nil, fmt.Errorf("%d bytes at byte %d are outside its area: %w", n, s.area, ErrDamaged)
	}
	b := make([]byte, n)
	if m, err := c.header.ReadAt(b, s.area); m < len(b) {
		return nil, noEOF(err)
	}
	return b, nil
}

// verify reports whether a key is the volume's.
func (c *Container) verify(ctx context.Context, key []byte) (bool, error) {
	if err := c.limits.check(&c.digest.kdf); err != nil {
		return false, fmt.Errorf("digest: %w", err)
	}
	got, err := c.digest.kdf.derive(ctx, key, int64(len(c.digest.digest)))
	if err != nil {
		return false, fmt.Errorf("digest: %w", err)
	}
	defer clear(got)
	return slices.Equal(got, c.digest.digest), nil
}

// noEOF is for a read that must not end where it did.
func noEOF(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
