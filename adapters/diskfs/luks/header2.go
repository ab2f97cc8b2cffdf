package luks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/qedfs/qedfs/backend/errs"
)

// Fields of the binary header of LUKS 2 (LUKS2 On-Disk Format Specification
// 1.1.1, section 2); numbers are big-endian.
const (
	magicCopy    = "SKUL\xba\xbe"
	binarySize   = 4096
	checksumAt   = 448
	checksumSize = 64
	minHeader    = 16 << 10
	maxHeader    = 4 << 20
)

// header2 is one of the two headers.
type header2 struct {
	sequence               uint64
	uuid, label, subsystem string
	json                   []byte
}

// readHeader2 reads both headers and takes the newer of those that are sound.
func (c *Container) readHeader2() error {
	first, firstErr := c.readCopy(0, magic)
	second, secondErr := c.findSecond(first)
	h := first
	switch {
	case firstErr != nil && secondErr != nil:
		return firstErr
	case firstErr != nil:
		h = second
		c.info.Notes = append(c.info.Notes, fmt.Sprintf("the second LUKS header is used: the first: %s", message(firstErr)))
	case secondErr == nil && second.sequence > first.sequence:
		h = second
		c.info.Notes = append(c.info.Notes, "the second LUKS header is used: it is newer than the first")
	case secondErr != nil:
		c.info.Notes = append(c.info.Notes, fmt.Sprintf("the second LUKS header cannot be used: %s", message(secondErr)))
	}
	i := &c.info
	i.Version, i.UUID, i.Label, i.Subsystem = 2, h.uuid, h.label, h.subsystem
	var m metadata
	if err := json.Unmarshal(bytes.TrimRight(h.json, "\x00"), &m); err != nil {
		return fmt.Errorf("its JSON: %w: %w", err, ErrDamaged)
	}
	return c.parse2(&m)
}

// message is an error as a part of a note.
func message(err error) string {
	return strings.TrimSuffix(errs.Message(err), ": "+errs.Message(ErrDamaged))
}

// findSecond reads the second header: after the first one, or where the first
// does not tell its size, wherever it can be.
func (c *Container) findSecond(first *header2) (*header2, error) {
	if first != nil {
		return c.readCopy(int64(binarySize+len(first.json)), magicCopy)
	}
	var failed error = ErrNotThis
	for at := int64(minHeader); at <= maxHeader; at *= 2 {
		h, err := c.readCopy(at, magicCopy)
		if err == nil {
			return h, nil
		}
		if !errors.Is(err, ErrNotThis) {
			failed = err
		}
	}
	return nil, failed
}

// readCopy reads a header and verifies its checksum.
func (c *Container) readCopy(at int64, want string) (*header2, error) {
	b := make([]byte, binarySize)
	if at > c.headerSize-binarySize {
		return nil, ErrNotThis
	}
	if n, err := c.header.ReadAt(b, at); n < len(b) {
		return nil, noEOF(err)
	}
	if string(b[:6]) != want {
		return nil, ErrNotThis
	}
	if v := be.Uint16(b[6:]); v != 2 {
		return nil, fmt.Errorf("version %d: %w", v, ErrUnsupported)
	}
	size := be.Uint64(b[8:])
	if size < minHeader || size > maxHeader || size&(size-1) != 0 {
		return nil, fmt.Errorf("%d bytes: %w", size, ErrDamaged)
	}
	if where := be.Uint64(b[256:]); where != uint64(at) {
		return nil, fmt.Errorf("at byte %d, says that it lies at %d: %w", at, where, ErrDamaged)
	}
	if int64(size) > c.headerSize-at {
		return nil, fmt.Errorf("ends outside the volume: %w", ErrDamaged)
	}
	area := make([]byte, size-binarySize) // at most 4 MiB
	if n, err := c.header.ReadAt(area, at+binarySize); n < len(area) {
		return nil, noEOF(err)
	}
	newHash, err := hashOf(text(b[72:104]))
	if err != nil {
		return nil, fmt.Errorf("checksum: %w", err)
	}
	sum := slices.Clone(b[checksumAt : checksumAt+checksumSize])
	clear(b[checksumAt : checksumAt+checksumSize])
	h := newHash()
	h.Write(b)
	h.Write(area)
	if got := h.Sum(nil); !bytes.Equal(got, sum[:min(len(got), len(sum))]) {
		return nil, fmt.Errorf("wrong checksum: %w", ErrDamaged)
	}
	return &header2{
		sequence: be.Uint64(b[16:]), label: text(b[24:72]), uuid: text(b[168:208]), subsystem: text(b[208:256]),
		json: area,
	}, nil
}

// metadata is the JSON of a header (section 3 of the specification). Numbers
// of 64 bits are strings of decimal digits.
type metadata struct {
	Keyslots map[string]keyslot     `json:"keyslots"`
	Segments map[string]segment     `json:"segments"`
	Digests  map[string]digestEntry `json:"digests"`
	Config   struct {
		Requirements struct {
			Mandatory []string `json:"mandatory"`
		} `json:"requirements"`
	} `json:"config"`
}

type keyslot struct {
	Type    string `json:"type"`
	KeySize int64  `json:"key_size"`
	AF      struct {
		Type    string `json:"type"`
		Stripes int64  `json:"stripes"`
		Hash    string `json:"hash"`
	} `json:"af"`
	Area struct {
		Type       string `json:"type"`
		Offset     number `json:"offset"`
		Size       number `json:"size"`
		Encryption string `json:"encryption"`
		KeySize    int64  `json:"key_size"`
	} `json:"area"`
	KDF struct {
		Type       string `json:"type"`
		Hash       string `json:"hash"`
		Iterations int64  `json:"iterations"`
		Time       int64  `json:"time"`
		Memory     int64  `json:"memory"` // KiB
		CPUs       int64  `json:"cpus"`
		Salt       []byte `json:"salt"`
	} `json:"kdf"`
	Priority *int `json:"priority"`
}

type segment struct {
	Type       string          `json:"type"`
	Offset     number          `json:"offset"`
	Size       string          `json:"size"` // a number, or "dynamic"
	IVTweak    number          `json:"iv_tweak"`
	Encryption string          `json:"encryption"`
	SectorSize int64           `json:"sector_size"`
	Integrity  json.RawMessage `json:"integrity"`
	Flags      []string        `json:"flags"`
}

type digestEntry struct {
	Type       string   `json:"type"`
	Keyslots   []string `json:"keyslots"`
	Segments   []string `json:"segments"`
	Hash       string   `json:"hash"`
	Iterations int64    `json:"iterations"`
	Salt       []byte   `json:"salt"`
	Digest     []byte   `json:"digest"`
}

// number is a number of 63 bits in a JSON string.
type number int64

func (n *number) UnmarshalJSON(b []byte) error {
	s, err := strconv.Unquote(string(b))
	if err != nil {
		return fmt.Errorf("%s is no number in a string", b)
	}
	v, err := strconv.ParseUint(s, 10, 63)
	*n = number(v)
	return err
}

func (c *Container) parse2(m *metadata) error {
	if err := m.refused(); err != nil {
		return err
	}
	segment := m.Segments["0"] // refused has looked: there is no other
	i := &c.info
	i.Cipher, i.SectorSize, i.Offset = segment.Encryption, segment.SectorSize, int64(segment.Offset)
	c.ivTweak = uint64(segment.IVTweak)
	switch i.SectorSize {
	case 512, 1024, 2048, 4096:
	default:
		return fmt.Errorf("sectors of %d bytes: %w", i.SectorSize, ErrDamaged)
	}
	if segment.Size != "dynamic" {
		size, err := strconv.ParseInt(segment.Size, 10, 64)
		if err != nil || size <= 0 {
			return fmt.Errorf("%q bytes of data: %w", segment.Size, ErrDamaged)
		}
		i.Size = size
	}
	bound, err := c.setDigest(m)
	if err != nil {
		return err
	}
	for name, k := range m.Keyslots {
		n, err := strconv.ParseUint(name, 10, 8)
		if err != nil {
			return fmt.Errorf("a key slot named %q: %w", name, ErrDamaged)
		}
		c.slots = append(c.slots, k.slot(int(n), slices.Contains(bound, name)))
	}
	slices.SortFunc(c.slots, func(a, b slot) int {
		if a.Priority != b.Priority {
			return b.Priority - a.Priority
		}
		return a.Number - b.Number
	})
	for _, s := range c.slots {
		if !s.Unbound && s.err == nil {
			i.KeySize = int(s.keySize) * 8
			return checkCipher(i.Cipher, s.keySize)
		}
	}
	return nil
}

// refused says what there is that is not read.
func (m *metadata) refused() error {
	if all := m.Config.Requirements.Mandatory; len(all) > 0 {
		r := strings.Join(all, ", ")
		if strings.Contains(r, "reencrypt") {
			return fmt.Errorf("a reencryption that is not finished (%s): %w", r, ErrUnsupported)
		}
		return fmt.Errorf("requirement %q: %w", r, ErrUnsupported)
	}
	for _, k := range m.Keyslots {
		if k.Type == "reencrypt" {
			return fmt.Errorf("a reencryption that is not finished: %w", ErrUnsupported)
		}
	}
	s, ok := m.Segments["0"]
	if !ok || len(m.Segments) != 1 {
		return fmt.Errorf("%d segments, where the first alone is known: %w", len(m.Segments), ErrUnsupported)
	}
	switch {
	case s.Type != "crypt":
		return fmt.Errorf("a segment of type %q: %w", s.Type, ErrUnsupported)
	case len(s.Integrity) > 0:
		return fmt.Errorf("integrity tags (dm-integrity): %w", ErrUnsupported)
	case len(s.Flags) > 0:
		return fmt.Errorf("a segment with the flag %q: %w", s.Flags[0], ErrUnsupported)
	}
	return nil
}

// setDigest finds the digest of the data's key, and the slots that hold it.
func (c *Container) setDigest(m *metadata) (slots []string, err error) {
	for _, d := range m.Digests {
		if !slices.Contains(d.Segments, "0") {
			continue
		}
		if d.Type != "pbkdf2" {
			return nil, fmt.Errorf("a digest of type %q: %w", d.Type, ErrUnsupported)
		}
		if len(d.Digest) < 16 || len(d.Digest) > 64 || c.digest.digest != nil {
			return nil, fmt.Errorf("no single digest of the key: %w", ErrDamaged)
		}
		c.digest = digest{kdf{kind: d.Type, hash: d.Hash, salt: d.Salt, iterations: d.Iterations}, d.Digest}
		slots = d.Keyslots
	}
	if c.digest.digest == nil {
		return nil, fmt.Errorf("no digest of the key: %w", ErrDamaged)
	}
	return slots, nil
}

// slot turns an entry into what opens it.
func (k *keyslot) slot(number int, bound bool) slot {
	s := slot{
		Slot:    Slot{Number: number, KDF: k.KDF.Type, Iterations: k.KDF.Time, Priority: 1, Unbound: !bound},
		keySize: k.KeySize, stripes: k.AF.Stripes, afHash: k.AF.Hash,
		area: int64(k.Area.Offset), areaSize: int64(k.Area.Size), cipher: k.Area.Encryption, areaKey: k.Area.KeySize,
	}
	if k.Priority != nil {
		s.Priority = max(0, min(*k.Priority, 2))
	}
	switch s.KDF {
	case "pbkdf2":
		s.Hash, s.Iterations = k.KDF.Hash, k.KDF.Iterations
	case "argon2i", "argon2id":
		// Too much to be multiplied is too much for every limit.
		s.Memory, s.Threads = min(max(k.KDF.Memory, 0), 1<<40)<<10, int(max(0, min(k.KDF.CPUs, 1<<16)))
	}
	s.kdf = kdf{kind: s.KDF, hash: s.Hash, salt: k.KDF.Salt, iterations: s.Iterations, memory: s.Memory, threads: s.Threads}
	switch {
	case !bound:
		s.err = ErrKey // of another volume than this, or of none
	case k.Type != "luks2":
		s.err = fmt.Errorf("type %q: %w", k.Type, ErrUnsupported)
	case k.Area.Type != "raw" || k.AF.Type != "luks1":
		s.err = fmt.Errorf("key material of type %q and %q: %w", k.Area.Type, k.AF.Type, ErrUnsupported)
	case s.areaKey < 1 || s.areaKey > 512:
		s.err = fmt.Errorf("an area key of %d bytes: %w", s.areaKey, ErrDamaged)
	}
	return s
}
