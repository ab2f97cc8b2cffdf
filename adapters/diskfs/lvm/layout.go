package lvm

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/internal/raid"
)

// segment is a run of a volume's extents that are laid out in one way.
type segment struct {
	start, length int64 // bytes of the volume
	layout        layout
}

// layout is how the bytes of a segment are found.
type layout interface {
	// open returns at least length bytes, from the segment's first.
	open(o *opener, length int64, depth int) (io.ReaderAt, error)
}

// area is where the extents of a segment lie: in a physical volume, or in
// another logical volume.
type area struct {
	name string
	off  int64 // bytes from the first extent
}

// layOut reads how a segment's extents are laid out. The types are those of
// lib/segtype.
func (g *Group) layOut(seg *section) (layout, error) {
	kind, _, _ := strings.Cut(seg.str("type"), "+") // flags follow
	switch kind {
	case "striped", "linear":
		return newStriped(seg, "stripes", g.ExtentSize)
	case "raid0":
		return newStriped(seg, "raid0_lvs", 0)
	case "mirror":
		areas, err := readAreas(seg.values["mirrors"], g.ExtentSize)
		return mirror(areas), err
	case "zero":
		return zeroes{}, nil
	case "thin":
		return newThin(seg)
	case "cache":
		return newCache(seg)
	case "writecache":
		return newWritecache(seg)
	case "thin-pool", "cache-pool", "vdo-pool":
		return newPool(kind, seg)
	}
	if strings.HasPrefix(kind, "raid") {
		return newRaid(kind, seg)
	}
	return nil, fmt.Errorf("%w: a volume of type %q", ErrUnsupported, kind)
}

// readAreas reads a list of areas: pairs of a name and a first extent, or,
// where step is 0, names alone.
func readAreas(list []any, step int64) ([]area, error) {
	var areas []area
	for i := 0; i < len(list); i++ {
		name, ok := list[i].(string)
		if !ok {
			return nil, fmt.Errorf("lvm: area %v has no name", list[i])
		}
		a := area{name: name}
		if step > 0 {
			if i++; i == len(list) {
				return nil, fmt.Errorf("lvm: area %s has no first extent", name)
			}
			first, ok := list[i].(int64)
			if !ok || first < 0 || first > math.MaxInt64/step {
				return nil, fmt.Errorf("lvm: area %s begins at extent %v", name, list[i])
			}
			a.off = first * step
		}
		areas = append(areas, a)
	}
	if len(areas) == 0 {
		return nil, errors.New("lvm: it has no areas")
	}
	return areas, nil
}

// striped deals its bytes out to its areas in turn.
type striped struct {
	areas  []area
	stripe int64 // bytes in one area before the next has its turn
}

func newStriped(seg *section, list string, step int64) (layout, error) {
	areas, err := readAreas(seg.values[list], step)
	if err != nil {
		return nil, err
	}
	s := striped{areas: areas}
	if len(areas) > 1 {
		s.stripe, err = bytesOf(seg, "stripe_size")
	}
	return s, err
}

// bytesOf is the bytes of a number of sectors that is not 0.
func bytesOf(seg *section, name string) (int64, error) {
	sectors, err := seg.number(name, math.MaxInt64/sectorSize)
	if err == nil && sectors == 0 {
		err = errors.New("is 0")
	}
	if err != nil {
		return 0, fmt.Errorf("lvm: %s: %w", strings.ReplaceAll(name, "_", " "), err)
	}
	return sectors * sectorSize, nil
}

func (s striped) open(o *opener, length int64, depth int) (io.ReaderAt, error) {
	share := length / int64(len(s.areas))
	if len(s.areas) == 1 {
		return o.area(s.areas[0], share, depth)
	}
	g := raid.Geometry{Level: raid.Level0, Layout: raid.Raid0Alternate, Chunk: s.stripe}
	legs := make([]io.ReaderAt, len(s.areas))
	for i, a := range s.areas {
		var err error
		if legs[i], err = o.area(a, share, depth); err != nil {
			return nil, err
		}
		g.Sizes = append(g.Sizes, share)
	}
	return newArray(g, legs, length)
}

// newArray is an array of at least length bytes.
func newArray(g raid.Geometry, devices []io.ReaderAt, length int64) (*raid.Array, error) {
	a, err := raid.New(g, devices)
	switch {
	case errors.Is(err, raid.ErrUnknown):
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	case err != nil:
		return nil, fmt.Errorf("lvm: %w", err)
	case a.Size() < length:
		return nil, fmt.Errorf("lvm: the stripes hold %d bytes; %d are needed", a.Size(), length)
	}
	return a, nil
}

// mirror has all its bytes in each area.
type mirror []area

// open reads the first area that has the bytes: it is the one that the others
// are brought into step with. What is known of their state is in the mirror's
// log, which may be nowhere but in memory.
func (m mirror) open(o *opener, length int64, depth int) (io.ReaderAt, error) {
	legs := make([]io.ReaderAt, len(m))
	var errs []error
	for i, a := range m {
		leg, err := o.area(a, length, depth)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		legs[i] = leg
	}
	if len(errs) == len(m) {
		return nil, errs[0]
	}
	if legs[0] == nil {
		o.note("the first copy cannot be read, and the others may be older: %v", errs[0])
	}
	g := raid.Geometry{Level: raid.Level1}
	var names []string
	for _, a := range m {
		g.Sizes, names = append(g.Sizes, length), append(names, a.name)
	}
	array, err := newArray(g, legs, length)
	if err == nil {
		o.watch(array, names)
	}
	return array, err
}

// zeroes is a segment that is nothing else.
type zeroes struct{}

func (z zeroes) open(*opener, int64, int) (io.ReaderAt, error) { return z, nil }

func (zeroes) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

// pool is where other volumes of the group lie.
type pool struct {
	kind, data, metadata string
	chunk                int64  // bytes
	mode                 string // of a cache
}

func newPool(kind string, seg *section) (layout, error) {
	p := pool{kind: kind, data: seg.str("pool"), metadata: seg.str("metadata"), mode: seg.str("cache_mode")}
	if kind == "vdo-pool" {
		return p, nil
	}
	if kind == "cache-pool" {
		p.data = seg.str("data")
	}
	var err error
	p.chunk, err = bytesOf(seg, "chunk_size")
	return p, err
}

func (p pool) open(*opener, int64, int) (io.ReaderAt, error) {
	return nil, fmt.Errorf("%w: a volume of type %q", ErrPool, p.kind)
}

// pool returns what the only segment of a volume says, which others lie in.
func (g *Group) pool(name, kind string) (pool, error) {
	v := g.logical[name]
	if v == nil {
		return pool{}, fmt.Errorf("lvm: there is nothing named %s", name)
	}
	if v.err != nil {
		return pool{}, v.err
	}
	if len(v.segments) == 1 {
		if p, ok := v.segments[0].layout.(pool); ok && p.kind == kind {
			return p, nil
		}
	}
	return pool{}, fmt.Errorf("lvm: volume %s is no %s", name, kind)
}
