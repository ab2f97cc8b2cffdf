package imagefs

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/luks"
)

// ErrLocked is matched by the error of [Volume.FS] for an encrypted volume of
// which no key was given. It matches [ErrUnsupported] and [fstree.ErrEncrypted] as
// well. A key that does not open the volume is [luks.ErrKey].
var ErrLocked error = locked{}

type locked struct{}

func (locked) Error() string { return "no key was given" }

func (locked) Is(target error) bool {
	return target == ErrUnsupported || target == fstree.ErrEncrypted || target == errors.ErrUnsupported
}

// unsupported is an error of package luks that is [ErrUnsupported], too.
type unsupported struct{ error }

func (u unsupported) Unwrap() error        { return u.error }
func (u unsupported) Is(target error) bool { return target == ErrUnsupported }

func asUnsupported(err error) error {
	if errors.Is(err, luks.ErrUnsupported) {
		return unsupported{err}
	}
	return err
}

// Encryption says how a volume was encrypted whose inside is shown.
type Encryption struct {
	Type string `json:"type"` // "LUKS1", "LUKS2"
	luks.Info
}

// KeyRequest asks for the key of an encrypted volume.
type KeyRequest struct {
	Volume  string // its name: "p3", "vg-home"
	Info    luks.Info
	Attempt int // 0, then one more each time that a key did not open it
}

// maxAttempts bounds how often a key is asked for that does not fit.
const maxAttempts = 16

// Header is a LUKS header that is kept apart from its volume.
type Header struct {
	Volume string // the name of the volume that it belongs to
	Reader io.ReaderAt
	Size   int64
}

// encrypted says whether a volume is one, and how it is opened: by its own
// header, or by one of those that were given.
func (c *contents) encrypted(v *Volume) (luks.Options, bool) {
	opts := c.opts.LUKS
	for _, h := range c.opts.Headers {
		if h.Volume == v.Name {
			opts.Header, opts.HeaderSize = h.Reader, h.Size
			return opts, true
		}
	}
	return opts, v.Filesystem == "crypto_LUKS"
}

// unlock replaces an encrypted volume by what it holds, if there is a key. A
// volume is what its bytes are: the name, the type of its partition and what is
// said of its place stay.
func (c *contents) unlock(v Volume) Volume {
	opts, ok := c.encrypted(&v)
	if !ok {
		return v
	}
	if v.Encryption != nil { // or an image could be layers without end
		if v.Filesystem == "crypto_LUKS" {
			v.content.err = fmt.Errorf("encrypted (LUKS) within an encrypted volume: %w", ErrUnsupported)
		}
		return v
	}
	key := v.Name + " " + v.UUID
	if open, ok := c.unlocked[key]; ok {
		return open // in a round before; see assemble
	}
	if c.opts.Key == nil {
		v.content.err = fmt.Errorf("encrypted (LUKS): %w", ErrLocked)
		return v
	}
	container, err := luks.Open(v.data, v.Size, &opts)
	if err != nil {
		v.content.err = asUnsupported(err)
		return v
	}
	info := container.Info()
	inside, err := c.ask(v.Name, container)
	if err != nil {
		v.content.err = fmt.Errorf("encrypted (LUKS %d): %w", info.Version, asUnsupported(err))
		return v
	}
	open := v
	open.Offset, open.Size = -1, inside.Size()
	open.Encryption = &Encryption{Type: fmt.Sprintf("LUKS%d", info.Version), Info: info}
	open = c.identify(open, inside)
	open.content.outer = append(open.content.outer, inside)
	open.content.remarks = append(open.content.remarks, info.Notes...)
	c.unlocked[key] = open
	return open
}

// ask asks for keys until one opens the volume.
func (c *contents) ask(name string, container *luks.Container) (*luks.Volume, error) {
	request := KeyRequest{Volume: name, Info: container.Info()}
	var wrong error = ErrLocked
	for ; request.Attempt < maxAttempts; request.Attempt++ {
		key, err := c.opts.Key(request)
		if errors.Is(err, ErrLocked) {
			return nil, wrong
		}
		if err != nil {
			return nil, err
		}
		v, err := container.Unlock(context.Background(), key)
		clear(key)
		if err == nil {
			return v, nil
		}
		wrong = err
		if !errors.Is(err, luks.ErrKey) {
			break
		}
	}
	return nil, wrong
}
