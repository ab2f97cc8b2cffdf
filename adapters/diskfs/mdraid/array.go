package mdraid

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/internal/raid"
)

var (
	// ErrMissing is returned for an array of which so many devices are
	// missing that its bytes cannot be computed from the others.
	ErrMissing = errors.New("mdraid: devices are missing")

	// ErrUnsupported is returned for an array that this package does not
	// read; the error that wraps it says why. It is a [fstree.ErrUnsupported].
	ErrUnsupported = fmt.Errorf("mdraid: %w", fstree.ErrUnsupported)
)

// Device is something that may be a member of an array.
type Device struct {
	Name   string // for messages
	Reader io.ReaderAt
	Size   int64 // bytes
}

// Array is an array, of which some members may be missing.
type Array struct {
	Name    string // as mdadm was told: "root", "0"; "" where it was not
	Host    string // on which it was made
	UUID    string
	Version string   // of the superblock: "1.2"
	Level   string   // "raid5"
	Size    int64    // bytes
	Devices []string // names of the members that are used, in no order
	Missing []int    // numbers of the array's devices that are not there
	notes   []string
	names   map[int]string // of the members, by their numbers
	minor   int
	newest  *superblock
	members []io.ReaderAt // nil where missing
	sizes   []int64
	array   *raid.Array
	err     error // why there is none
}

// Scan finds the arrays whose members are among the devices. Devices that are
// no members are passed over. The error reports damage; what could be read is
// returned all the same.
func Scan(devices []Device) ([]*Array, error) {
	var errs []error
	sets := make(map[string][]candidate)
	var order []string
	for _, d := range devices {
		sb, err := readSuperblock(d.Reader, d.Size)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", d.Name, err))
			continue
		}
		if sb == nil {
			continue
		}
		key := sb.uuidString() + sb.version[:1]
		if sets[key] == nil {
			order = append(order, key)
		}
		sets[key] = append(sets[key], candidate{d, sb})
	}
	var arrays []*Array
	for _, key := range order {
		a, err := newArray(sets[key])
		if err != nil {
			errs = append(errs, err)
		}
		arrays = append(arrays, a)
	}
	return arrays, errors.Join(errs...)
}

// IsMember reports whether a device as a whole, not a partition at its end,
// is a member of an array.
func IsMember(r io.ReaderAt, size int64) bool {
	sb, err := readSuperblock(r, size)
	return err == nil && sb != nil && sb.fills(size)
}

// candidate is a device whose superblock names an array.
type candidate struct {
	Device
	sb *superblock
}

// newArray puts the devices of one array together. The device that has seen
// the most events says what each device is.
func newArray(set []candidate) (*Array, error) {
	newest := set[0].sb
	for _, c := range set[1:] {
		if c.sb.events > newest.events {
			newest = c.sb
		}
	}
	host, name, ok := strings.Cut(newest.name, ":")
	if !ok {
		host, name = "", newest.name
	}
	a := &Array{
		Name: name, Host: host, UUID: newest.uuidString(), Version: newest.version, Level: levelName(newest.level),
		minor: newest.minor, newest: newest, members: make([]io.ReaderAt, newest.disks), sizes: make([]int64, newest.disks),
		names: make(map[int]string),
	}
	for i := range a.sizes {
		a.sizes[i] = newest.size
	}
	var errs []error
	for _, replacement := range []bool{false, true} {
		for _, c := range set {
			if c.sb.replacement == replacement {
				errs = append(errs, a.addMember(c))
			}
		}
	}
	if len(a.Devices) == 0 { // all of them are spare or stale
		a.Devices = []string{set[0].Name}
	}
	a.open()
	return a, errors.Join(errs...)
}

// addMember finds out what a device is in the array (super_1_validate and
// super_90_validate in drivers/md/md.c, and Assemble.c of mdadm, which lets a
// device be behind by one event).
func (a *Array) addMember(c candidate) error {
	sb := c.sb
	n, known := a.newest.roles[sb.number]
	switch {
	case sb.events+1 < a.newest.events && n != spare && n != journal:
		a.note("%s is left out: it has missed changes (event %d of %d)", c.Name, sb.events, a.newest.events)
		return nil
	case !known || n == faulty:
		a.note("%s is left out: the array does not use it any more", c.Name)
		return nil
	case n == spare || n == journal:
		return nil
	case n < 0 || n >= len(a.members):
		return fmt.Errorf("mdraid: %s: device %d of an array of %d", c.Name, n, len(a.members))
	case a.members[n] != nil && sb.replacement:
		return nil
	case a.members[n] != nil:
		return fmt.Errorf("mdraid: %s says that it is device %d of array %s, as another does that is used", c.Name, n, a.DeviceName())
	}
	m := &member{r: c.Reader, data: span{sb.dataOffset, sb.dataOffset + min(sb.dataSize, math.MaxInt64-sb.dataOffset)}, inStep: sb.inStep, bad: sb.bad, size: c.Size}
	switch {
	case sb.badErr != nil:
		return fmt.Errorf("%s: %w", c.Name, sb.badErr)
	case m.data.to > c.Size:
		a.note("%s is cut off: it has %d bytes, and its data end at %d", c.Name, c.Size, m.data.to)
	}
	if sb.inStep != math.MaxInt64 {
		a.note("%s is used for its first %d bytes: the rest was not rebuilt yet", c.Name, min(sb.inStep, sb.dataSize))
	}
	if len(sb.bad) > 0 {
		a.note("%s has %d ranges of bad blocks", c.Name, len(sb.bad))
	}
	a.members[n], a.names[n] = m, c.Name
	a.Devices = append(a.Devices, c.Name)
	if a.newest.level == raid.Level0 || a.newest.level == raid.Linear {
		a.sizes[n] = sb.dataSize
		if a.newest.level == raid.Linear && a.newest.chunk > 0 {
			a.sizes[n] -= sb.dataSize % a.newest.chunk
		}
	}
	return nil
}

// Notes are what is worth knowing of the array, and what loses nothing: that a
// device is missing, or could not be read somewhere so far.
func (a *Array) Notes() []string {
	notes := slices.Clone(a.notes)
	if a.array == nil {
		return notes
	}
	failed := a.array.Failed()
	for _, n := range slices.Sorted(maps.Keys(failed)) {
		notes = append(notes, fmt.Sprintf("%s could not be read everywhere (%v); it is computed from the others", a.names[n], failed[n]))
	}
	return notes
}

func (a *Array) note(format string, args ...any) {
	a.notes = append(a.notes, fmt.Sprintf(format, args...))
}

func levelName(level int) string {
	switch level {
	case raid.Linear:
		return "linear"
	case -4:
		return "multipath"
	}
	return "raid" + strconv.Itoa(level)
}

// DeviceName is the array's name in /dev, as far as its superblock says:
// "md0", or "md-NAME" for /dev/md/NAME.
func (a *Array) DeviceName() string {
	_, err := strconv.ParseUint(a.Name, 10, 16)
	switch {
	case a.minor >= 0:
		return fmt.Sprintf("md%d", a.minor)
	case err == nil:
		return "md" + a.Name
	case a.Name != "":
		return "md-" + a.Name
	}
	return "md-" + a.UUID[:8]
}

// open lays the array out, or finds why it cannot be.
func (a *Array) open() {
	for i, m := range a.members {
		if m == nil {
			a.Missing = append(a.Missing, i)
		}
	}
	sb := a.newest
	g := raid.Geometry{Level: sb.level, Layout: sb.layout, Chunk: sb.chunk, Sizes: a.sizes, Clean: sb.clean}
	array, err := raid.New(g, a.members)
	if err == nil {
		a.Size = array.Size()
	}
	switch {
	case sb.unreadable != "":
		a.err = fmt.Errorf("%w: array %s: %s", ErrUnsupported, a.DeviceName(), sb.unreadable)
	case errors.Is(err, raid.ErrUnknown):
		a.err = fmt.Errorf("%w: array %s of %s: %w", ErrUnsupported, a.DeviceName(), a.Level, err)
	case err != nil:
		a.err = fmt.Errorf("mdraid: array %s: %w", a.DeviceName(), err)
	case !array.Enough():
		a.err = fmt.Errorf("%w: array %s of %s: %s", ErrMissing, a.DeviceName(), a.Level, a.missing())
	}
	if a.err != nil {
		return
	}
	if len(a.Missing) > 0 {
		a.note("%s; what it held is computed from the others", a.missing())
	}
	if sb.clean < sb.size && array.Redundant() {
		a.note("the array was in use when it was last seen, and its devices may differ from each other")
	}
	a.array = array
}

// missing says which devices are.
func (a *Array) missing() string {
	list := make([]string, len(a.Missing))
	for i, n := range a.Missing {
		list[i] = strconv.Itoa(n)
	}
	if len(list) == 1 {
		return fmt.Sprintf("device %s of %d is missing", list[0], a.newest.disks)
	}
	return fmt.Sprintf("devices %s of %d are missing", strings.Join(list, ", "), a.newest.disks)
}

// Open returns the array's bytes. It fails with [ErrMissing] where too many
// devices are not there, and with [ErrUnsupported] for arrays that are not
// read.
func (a *Array) Open() (*io.SectionReader, error) {
	if a.err != nil {
		return nil, a.err
	}
	return io.NewSectionReader(a.array, 0, a.Size), nil
}

// member is a device's part of an array, as far as it can be relied on.
type member struct {
	r      io.ReaderAt
	data   span   // of the device
	inStep int64  // bytes
	bad    []span // of the device
	size   int64  // of the device
}

var (
	errNotRebuilt = fmt.Errorf("mdraid: not rebuilt yet: %w", raid.ErrUnavailable)
	errBadBlock   = fmt.Errorf("mdraid: a bad block: %w", raid.ErrUnavailable)
	errCutOff     = fmt.Errorf("mdraid: %w: %w", io.ErrUnexpectedEOF, raid.ErrUnavailable)
)

func (m *member) ReadAt(p []byte, off int64) (int, error) {
	from := m.data.from + off
	to := from + int64(len(p))
	switch {
	case off+int64(len(p)) > m.inStep:
		return 0, errNotRebuilt
	case to > min(m.data.to, m.size):
		return 0, errCutOff
	}
	for _, b := range m.bad {
		if b.from < to && from < b.to {
			return 0, errBadBlock
		}
	}
	return m.r.ReadAt(p, from)
}
