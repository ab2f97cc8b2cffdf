package bitlocker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/qedfs/qedfs/backend/errs"
)

var (
	// ErrNotThis is returned by [Open] when there is no BitLocker volume.
	ErrNotThis = errs.New("bitlocker", "no BitLocker volume", nil)

	// ErrKey is matched by the error of [Container.Unlock] when no protector
	// opens with the key.
	ErrKey = errs.New("bitlocker", "no protector opens with this key", nil)

	// ErrDamaged is matched by the errors of metadata that is not sound.
	ErrDamaged = errs.New("bitlocker", "damaged BitLocker metadata", nil)

	// ErrUnsupported is matched by the errors of what is recognised and not
	// read. It matches [errors.ErrUnsupported].
	ErrUnsupported = errs.New("bitlocker", "unsupported", errors.ErrUnsupported)
)

// What a protector protects the key by.
const (
	ClearKey         = "clear key" // nothing: protection is suspended
	Password         = "password"
	RecoveryPassword = "recovery password"
	StartupKey       = "startup key"
)

// Protector is one of the ways in which a volume may be opened.
type Protector struct {
	// ID is what Windows shows of it: the "key ID" of a recovery password, the
	// name of the file of a startup key.
	ID   string `json:"id"`
	Kind string `json:"kind"` // [Password], ..., or "TPM", "smart card", ...
	Name string `json:"name,omitempty"`
}

// Info describes a volume.
type Info struct {
	Version     int         `json:"version"` // of the metadata: 2
	UUID        string      `json:"uuid"`
	Description string      `json:"description,omitempty"` // the machine, the drive and the day
	Created     time.Time   `json:"created"`
	Cipher      string      `json:"cipher"`      // "aes-xts-plain64", as cryptsetup calls it
	KeySize     int         `json:"key_size"`    // bits
	SectorSize  int64       `json:"sector_size"` // bytes that are encrypted at a time
	Size        int64       `json:"size"`        // bytes
	Protectors  []Protector `json:"protectors"`
	// Notes are what a user should know: that a copy of the metadata was used.
	Notes []string `json:"-"`
}

// Container is an encrypted volume and its metadata.
type Container struct {
	data  io.ReaderAt
	info  Info
	place placement
	locks []lock
	key   sealed // of the data, by the master key
	mode  mode
}

// lock is how a protector is opened.
type lock struct {
	Protector
	id     guid
	salt   []byte
	clear  []byte // the key of a clear key
	master sealed
	sealed bool // master is there
}

// Open reads the metadata of the volume that is the first size bytes of r.
func Open(r io.ReaderAt, size int64) (*Container, error) {
	c := &Container{data: r}
	if err := c.readMetadata(size); err != nil {
		return nil, errs.Wrap("bitlocker", "", err)
	}
	for _, l := range c.locks {
		c.info.Protectors = append(c.info.Protectors, l.Protector)
	}
	return c, nil
}

// Info describes the volume.
func (c *Container) Info() Info {
	i := c.info
	i.Protectors, i.Notes = slices.Clone(i.Protectors), slices.Clone(i.Notes)
	return i
}

// Suspended reports whether protection is suspended: then every key opens the
// volume, and none.
func (c *Container) Suspended() bool {
	return slices.ContainsFunc(c.locks, func(l lock) bool { return l.Kind == ClearKey && len(l.clear) > 0 })
}

// maxTried is how many protectors are tried with a password.
const maxTried = 16

// Unlock opens the volume with a password in UTF-8, a recovery password, or the
// contents of a file that holds a startup key or a recovery password. The error
// matches [ErrKey] if no protector opens, and says of those that need something
// else what that is.
func (c *Container) Unlock(ctx context.Context, key []byte) (*Volume, error) {
	given := newCandidates(key)
	defer given.clear()
	err := ErrKey
	if len(c.locks) == 0 {
		err = fmt.Errorf("%w: there is none", ErrKey)
	}
	tried := 0
	for i := range c.locks {
		l := &c.locks[i]
		if l.stretched() {
			if tried++; tried > maxTried {
				err = fmt.Errorf("%w; more than %d are not tried", err, maxTried)
				break
			}
		}
		v, failed := c.try(ctx, l, given)
		if failed == nil {
			return v, nil
		}
		if ctx.Err() != nil {
			return nil, errs.Wrap("bitlocker", "", ctx.Err())
		}
		if !errors.Is(failed, ErrKey) {
			err = fmt.Errorf("%w; %s %s: %w", err, l.Kind, l.ID, failed)
		}
	}
	return nil, errs.Wrap("bitlocker", "", err)
}

// stretched reports whether the key of a protector is made of a password.
func (l *lock) stretched() bool { return l.Kind == Password || l.Kind == RecoveryPassword }

// try opens the volume by a protector.
func (c *Container) try(ctx context.Context, l *lock, given candidates) (*Volume, error) {
	key, err := l.key(ctx, given)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	if !l.sealed {
		return nil, fmt.Errorf("it holds no key: %w", ErrDamaged)
	}
	master, err := l.master.open(key)
	if err != nil {
		return nil, err
	}
	defer clear(master)
	data, err := c.key.open(master)
	if errors.Is(err, ErrKey) {
		return nil, fmt.Errorf("it does not open the key of the data: %w", ErrDamaged)
	}
	if err != nil {
		return nil, err
	}
	defer clear(data)
	return newVolume(c, data)
}
