package imagefs

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/qedfs/qedfs/adapters/diskfs/bitlocker"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/luks"
)

// ErrLocked is matched by the error of [Volume.FS] for an encrypted volume of
// which no key was given. It matches [ErrUnsupported] and [fstree.ErrEncrypted] as
// well. A key that does not open the volume is [luks.ErrKey] or [bitlocker.ErrKey].
var ErrLocked error = locked{}

type locked struct{}

func (locked) Error() string { return "no key was given" }

func (locked) Is(target error) bool {
	return target == ErrUnsupported || target == fstree.ErrEncrypted || target == errors.ErrUnsupported
}

// unsupported is an error of package luks or bitlocker that is [ErrUnsupported], too.
type unsupported struct{ error }

func (u unsupported) Unwrap() error        { return u.error }
func (u unsupported) Is(target error) bool { return target == ErrUnsupported }

func asUnsupported(err error) error {
	if errors.Is(err, luks.ErrUnsupported) || errors.Is(err, bitlocker.ErrUnsupported) {
		return unsupported{err}
	}
	return err
}

// Encryption says how a volume was encrypted whose inside is shown.
type Encryption struct {
	Type string `json:"type"` // "LUKS1", "LUKS2", "BitLocker"

	// Info is what LUKS says of it. Of BitLocker it has what both have: the
	// cipher and its key, the UUID, the description as the label, the sizes.
	luks.Info

	BitLocker *bitlocker.Info `json:"bitlocker,omitempty"` // nil for LUKS
}

// KeyRequest asks for the key of an encrypted volume.
type KeyRequest struct {
	Volume     string // its name: "p3", "vg-home"
	Encryption        // of the volume
	Attempt    int    // 0, then one more each time that a key did not open it
}

// maxAttempts bounds how often a key is asked for that does not fit.
const maxAttempts = 16

// Header is a LUKS header that is kept apart from its volume.
type Header struct {
	Volume string // the name of the volume that it belongs to
	Reader io.ReaderAt
	Size   int64
}

// inside is what an encrypted volume holds, in the clear.
type inside interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// vault is an encrypted volume that can be opened.
type vault struct {
	name       string // "LUKS 2", "BitLocker"
	encryption Encryption
	notes      []string
	unlocked   bool // no key is needed
	unlock     func(key []byte) (inside, error)
}

func luksVault(data io.ReaderAt, size int64, opts *luks.Options) (*vault, error) {
	c, err := luks.Open(data, size, opts)
	if err != nil {
		return nil, err
	}
	info := c.Info()
	return &vault{
		name: fmt.Sprintf("LUKS %d", info.Version), notes: info.Notes,
		encryption: Encryption{Type: fmt.Sprintf("LUKS%d", info.Version), Info: info},
		unlock: func(key []byte) (inside, error) {
			v, err := c.Unlock(context.Background(), key)
			if err != nil {
				return nil, err // and not a nil *luks.Volume
			}
			return v, nil
		},
	}, nil
}

func bitLockerVault(data io.ReaderAt, size int64) (*vault, error) {
	c, err := bitlocker.Open(data, size)
	if err != nil {
		return nil, err
	}
	info := c.Info()
	common := luks.Info{
		Version: info.Version, UUID: info.UUID, Label: info.Description, Cipher: info.Cipher, KeySize: info.KeySize,
		SectorSize: info.SectorSize, Size: info.Size, Slots: []luks.Slot{},
	}
	if c.Suspended() {
		info.Notes = append(info.Notes, "BitLocker is suspended: the volume's key is stored in the clear, and no key is needed")
	}
	return &vault{
		name: bitLockerName, notes: info.Notes, unlocked: c.Suspended(),
		encryption: Encryption{Type: bitLockerName, Info: common, BitLocker: &info},
		unlock: func(key []byte) (inside, error) {
			v, err := c.Unlock(context.Background(), key)
			if err != nil {
				return nil, err
			}
			return v, nil
		},
	}, nil
}

const (
	bitLockerName = "BitLocker" // blkid's, too
	luksName      = "crypto_LUKS"
)

// Encrypted reports whether the volume is encrypted and not open: it has no files,
// and what it holds is not known.
func (v *Volume) Encrypted() bool {
	return v.Encryption == nil && (v.Filesystem == luksName || v.Filesystem == bitLockerName)
}

// encrypted says what a volume is encrypted with as blkid has it, "" for none, and
// how LUKS is opened: by its own header, or by one of those that were given.
func (c *contents) encrypted(v *Volume) (string, luks.Options) {
	opts := c.opts.LUKS
	for _, h := range c.opts.Headers {
		if h.Volume == v.Name {
			opts.Header, opts.HeaderSize = h.Reader, h.Size
			return luksName, opts
		}
	}
	if v.Filesystem == luksName || v.Filesystem == bitLockerName {
		return v.Filesystem, opts
	}
	return "", opts
}

// unlock replaces an encrypted volume by what it holds, if there is a key. A
// volume is what its bytes are: the name, the type of its partition and what is
// said of its place stay.
func (c *contents) unlock(v Volume) Volume {
	kind, opts := c.encrypted(&v)
	if kind == "" {
		return v
	}
	word := bitLockerName
	if kind == luksName {
		word = "LUKS"
	}
	if v.Encryption != nil { // or an image could be layers without end
		if v.Filesystem == kind {
			v.content.err = fmt.Errorf("encrypted (%s) within an encrypted volume: %w", word, ErrUnsupported)
		}
		return v
	}
	key := v.Name + " " + v.UUID
	if open, ok := c.unlocked[key]; ok {
		return open // in a round before; see assemble
	}
	if kind == luksName && c.opts.Key == nil {
		v.content.err = fmt.Errorf("encrypted (%s): %w", word, ErrLocked)
		return v
	}
	var locked *vault
	var err error
	if kind == luksName {
		locked, err = luksVault(v.data, v.Size, &opts)
	} else {
		locked, err = bitLockerVault(v.data, v.Size)
	}
	if err != nil {
		v.content.err = asUnsupported(err)
		return v
	}
	inside, err := c.ask(v.Name, locked)
	if err != nil {
		v.content.err = fmt.Errorf("encrypted (%s): %w", locked.name, asUnsupported(err))
		return v
	}
	open := v
	open.Offset, open.Size = -1, inside.Size()
	open.Encryption = &locked.encryption
	open = c.identify(open, inside)
	open.content.outer = append(open.content.outer, inside)
	open.content.remarks = append(open.content.remarks, locked.notes...)
	c.unlocked[key] = open
	return open
}

// ask asks for keys until one opens the volume.
func (c *contents) ask(name string, locked *vault) (inside, error) {
	if locked.unlocked {
		return locked.unlock(nil)
	}
	if c.opts.Key == nil {
		return nil, ErrLocked
	}
	request := KeyRequest{Volume: name, Encryption: locked.encryption}
	var wrong error = ErrLocked
	for ; request.Attempt < maxAttempts; request.Attempt++ {
		key, err := c.opts.Key(request)
		if errors.Is(err, ErrLocked) {
			return nil, wrong
		}
		if err != nil {
			return nil, err
		}
		v, err := locked.unlock(key)
		clear(key)
		if err == nil {
			return v, nil
		}
		wrong = err
		if !errors.Is(err, luks.ErrKey) && !errors.Is(err, bitlocker.ErrKey) {
			break
		}
	}
	return nil, wrong
}
