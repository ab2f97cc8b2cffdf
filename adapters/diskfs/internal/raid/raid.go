package raid

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync/atomic"

	"github.com/qedfs/qedfs/backend"
)

// Levels of arrays, as md numbers them.
const (
	Linear = -1
	Level0 = 0
	Level1 = 1
	Level4 = 4
	Level5 = 5
	Level6 = 6
	// Level10 has copies at the same place of the next devices (near), at
	// other places of other devices (far), or in the next row (offset).
	Level10 = 10
)

var (
	// ErrMissing is returned where too many devices are missing for a byte to
	// be known.
	ErrMissing = errors.New("too many devices are missing")

	// ErrDirty is returned where a byte would have to be computed from
	// parity that may not be that of the data.
	ErrDirty = errors.New("the array was in use when it was last seen, and its parity may not fit its data")

	// ErrUnavailable is what a device returns for bytes that are known not to be
	// usable. It is no news that is worth a note; see [Array.Failed].
	ErrUnavailable = errors.New("not usable")

	// ErrUnknown is matched by the error for a level or layout that is not read.
	// It is an [errors.ErrUnsupported].
	ErrUnknown error = unknown("unknown")
)

type unknown string

func (u unknown) Error() string        { return string(u) }
func (u unknown) Is(target error) bool { return target == errors.ErrUnsupported }

// Geometry is how an array is laid out.
type Geometry struct {
	Level  int
	Layout int   // as md numbers those of the level
	Chunk  int64 // bytes; not used at level 1
	// Sizes are what the array uses of each device, in bytes. They differ at
	// Level0 and Linear alone.
	Sizes []int64
	// Clean is up to which byte of each device parity is known to fit the
	// data; math.MaxInt64 for all of it.
	Clean int64
}

const (
	sector     = 512
	maxDevices = 4096
	maxPiece   = 64 << 10 // bytes that are computed from parity at once
)

// Array is an array's bytes.
type Array struct {
	geometry Geometry
	devices  []io.ReaderAt
	size     int64
	locate   func(off int64) place
	failed   []atomic.Pointer[error] // the first error of each device
}

// place is where some bytes of an array lie.
type place struct {
	contiguous int64 // bytes from there that lie in one piece
	copies     []spot
	row        *row // of parity, or nil
}

// spot is a byte of a device.
type spot struct {
	device int
	off    int64
}

// New returns the array of some devices, nil for one that is missing.
func New(g Geometry, devices []io.ReaderAt) (*Array, error) {
	if len(devices) == 0 || len(devices) != len(g.Sizes) || len(devices) > maxDevices {
		return nil, fmt.Errorf("%d devices", len(devices))
	}
	total := int64(0)
	for _, size := range g.Sizes {
		if size < 0 || size > math.MaxInt64-total {
			return nil, fmt.Errorf("a device of %d bytes", size)
		}
		if total += size; g.Level != Level0 && g.Level != Linear && size != g.Sizes[0] {
			return nil, errors.New("devices of different sizes")
		}
	}
	if g.Level != Level1 && g.Level != Linear && (g.Chunk < sector || g.Chunk%sector != 0 || g.Chunk > math.MaxInt32) {
		return nil, fmt.Errorf("chunks of %d bytes", g.Chunk)
	}
	a := &Array{geometry: g, devices: devices, failed: make([]atomic.Pointer[error], len(devices))}
	var err error
	switch g.Level {
	case Linear:
		a.linear()
	case Level0:
		err = a.striped()
	case Level1:
		a.mirrored()
	case Level4, Level5, Level6:
		err = a.parity()
	case Level10:
		err = a.spread()
	default:
		err = fmt.Errorf("%w level %d", ErrUnknown, g.Level)
	}
	return a, err
}

// Size is the array's size in bytes.
func (a *Array) Size() int64 { return a.size }

// ReadAt implements [io.ReaderAt].
func (a *Array) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("offset %d", off)
	}
	done := 0
	for done < len(p) && off+int64(done) < a.size {
		at := off + int64(done)
		n := int(min(int64(len(p)-done), a.locate(at).contiguous))
		if k, err := a.piece(p[done:done+n], at); err != nil {
			return done + k, err
		}
		done += n
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// piece reads what lies in one piece; if it cannot be read at once, then in
// halves, so that each sector comes from a device that has it.
func (a *Array) piece(p []byte, off int64) (int, error) {
	err := a.try(p, off)
	if err == nil {
		return len(p), nil
	}
	half := (off+int64(len(p))/2)/sector*sector - off
	if half <= 0 {
		return 0, err
	}
	n, err := a.piece(p[:half], off)
	if err != nil {
		return n, err
	}
	n, err = a.piece(p[half:], off+half)
	return int(half) + n, err
}

func (a *Array) try(p []byte, off int64) error {
	at := a.locate(off)
	err := ErrMissing
	for _, c := range at.copies {
		if a.devices[c.device] == nil {
			continue
		}
		if err = a.device(c.device, p, c.off); err == nil {
			return nil
		}
	}
	if at.row == nil {
		return err
	}
	return a.compute(p, at, none, err)
}

// device reads a part of a device.
func (a *Array) device(d int, p []byte, off int64) error {
	if a.devices[d] == nil {
		return ErrMissing
	}
	_, err := backend.ReadFull(a.devices[d], p, off)
	if err != nil && !errors.Is(err, ErrUnavailable) {
		err = fmt.Errorf("byte %d: %w", off, err)
		a.failed[d].CompareAndSwap(nil, &err)
	}
	return err
}

// Failed says which of the devices that are there could not be read somewhere,
// so far, and why. What they hold was read or computed from the others, unless
// ReadAt said otherwise.
func (a *Array) Failed() map[int]error {
	failed := make(map[int]error)
	for d := range a.failed {
		if err := a.failed[d].Load(); err != nil {
			failed[d] = *err
		}
	}
	return failed
}

// Limit is the first n bytes of a device; the rest is not usable.
func Limit(r io.ReaderAt, n int64) io.ReaderAt { return limited{r, n} }

type limited struct {
	io.ReaderAt
	n int64
}

func (l limited) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > l.n {
		return 0, ErrUnavailable
	}
	return l.ReaderAt.ReadAt(p, off)
}

// Redundant reports whether the array has more than its data.
func (a *Array) Redundant() bool { return a.geometry.Level >= Level1 }

// Enough reports whether all of the array can be read from the devices that
// are there, if these have no bad sectors.
func (a *Array) Enough() bool {
	missing := 0
	for _, d := range a.devices {
		if d == nil {
			missing++
		}
	}
	switch a.geometry.Level {
	case Level1:
		return missing < len(a.devices)
	case Level4, Level5:
		return missing <= 1
	case Level6:
		return missing <= 2
	case Level10:
		// Which devices have the copies repeats after as many chunks.
		for i := range int64(len(a.devices)) {
			if !slices.ContainsFunc(a.locate(i*a.geometry.Chunk).copies, func(c spot) bool { return a.devices[c.device] != nil }) {
				return false
			}
		}
		return true
	}
	return missing == 0
}
