package lvm

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

var (
	// ErrMissing is returned for a logical volume when a physical volume
	// that it needs is not among the devices.
	ErrMissing = errors.New("lvm: a physical volume is missing")

	// ErrUnsupported is returned for a logical volume of a kind that this
	// package does not read; the error that wraps it names the kind. It is
	// a [fstree.ErrUnsupported].
	ErrUnsupported = fmt.Errorf("lvm: %w", fstree.ErrUnsupported)

	// ErrPool is the [ErrUnsupported] of a pool, in which other volumes of
	// the group lie and which has no contents of its own.
	ErrPool = fmt.Errorf("%w: a pool", ErrUnsupported)
)

// Device is something that may be a physical volume.
type Device struct {
	Name   string // for messages
	Reader io.ReaderAt
	Size   int64 // bytes
}

// Group is a volume group.
type Group struct {
	Name       string
	UUID       string
	ExtentSize int64     // bytes
	Volumes    []*Volume // those that lvs lists, in the order of the metadata
	Devices    []string  // names of the devices that are there
	Missing    []string  // UUIDs of physical volumes that are not there, or were not when the group changed

	devices map[string]physical // by the name that the metadata uses
	missing []string            // those that are missing, for people
	logical map[string]*Volume  // hidden ones too
}

// MissingError says which physical volumes are missing, if any are. It matches
// [ErrMissing].
func (g *Group) MissingError() error {
	if len(g.missing) == 0 {
		return nil
	}
	return fmt.Errorf("%w: of group %s: %s", ErrMissing, g.Name, strings.Join(g.missing, ", "))
}

// physical is a physical volume of a group. Its reader is nil if it is missing.
type physical struct {
	label   string // for people
	device  Device
	start   int64 // bytes, where its extents begin
	extents int64
}

// Scan finds the volume groups whose physical volumes are among the devices.
// Other devices are ignored. The error reports damage; what could be read is
// returned with it.
func Scan(devices []Device) ([]*Group, error) {
	var errs []error
	byID := map[string]Device{}
	newest := map[string]*section{} // by the group's UUID
	var order []string
	for _, d := range devices {
		l, err := readLabel(d.Reader, d.Size)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", d.Name, err))
		}
		if l == nil {
			continue
		}
		if _, twice := byID[l.id]; twice {
			errs = append(errs, fmt.Errorf("lvm: %s has the UUID of another physical volume", d.Name))
			continue
		}
		byID[l.id] = d
		for _, area := range l.areas {
			vg, err := readGroup(d, area)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", d.Name, err))
			}
			if vg == nil {
				continue
			}
			id := vg.str("id")
			if newest[id] == nil {
				order = append(order, id)
			}
			if newest[id] == nil || seqno(vg) > seqno(newest[id]) {
				newest[id] = vg
			}
		}
	}
	var groups []*Group
	for _, id := range order {
		g, err := newGroup(newest[id], byID)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		groups = append(groups, g)
	}
	return groups, errors.Join(errs...)
}

// readGroup returns the section of the one volume group that a metadata area
// describes, with its name as the value "name".
func readGroup(d Device, area extent) (*section, error) {
	text, err := readArea(d.Reader, d.Size, area)
	if text == nil {
		return nil, err
	}
	root, err := parseText(text)
	if err != nil {
		return nil, err
	}
	for _, name := range root.names {
		vg := root.sections[name]
		if vg.str("id") != "" && vg.sections["physical_volumes"] != nil {
			vg.values["name"] = []any{name}
			return vg, nil
		}
	}
	return nil, errors.New("lvm: the metadata describes no volume group")
}

func seqno(vg *section) int64 {
	n, _ := vg.number("seqno", math.MaxInt64)
	return n
}

// newGroup builds a group from its section and the devices that were found,
// by the identifier on their label.
func newGroup(vg *section, byID map[string]Device) (*Group, error) {
	g := &Group{
		Name: vg.str("name"), UUID: vg.str("id"),
		devices: map[string]physical{}, logical: map[string]*Volume{},
	}
	sectors, err := vg.number("extent_size", math.MaxInt64/sectorSize)
	if err != nil || sectors == 0 {
		return nil, fmt.Errorf("lvm: volume group %s: extent size: %w", g.Name, err)
	}
	g.ExtentSize = sectors * sectorSize
	pvs := vg.section("physical_volumes")
	for _, name := range pvs.names {
		if err := g.addPhysical(name, pvs.sections[name], byID); err != nil {
			return nil, fmt.Errorf("lvm: volume group %s: physical volume %s: %w", g.Name, name, err)
		}
	}
	g.addLogical(vg.section("logical_volumes"))
	return g, nil
}

// addLogical adds the logical volumes. What the metadata calls a snapshot is
// none, but ties two to each other: the origin, and the one that stores what
// differs and has the name by which users know the snapshot.
func (g *Group) addLogical(lvs *section) {
	shown := map[string]bool{}
	var snapshots []*section
	for _, name := range lvs.names {
		lv := lvs.sections[name]
		if seg := lv.section("segment1"); seg.str("type") == "snapshot" {
			snapshots = append(snapshots, seg)
			continue
		}
		g.logical[name] = newVolume(g, name, lv)
		shown[name] = lv.has("status", "VISIBLE")
	}
	for _, seg := range snapshots {
		if merging := seg.str("merging_store"); merging != "" {
			g.refuse(merging, "a snapshot that is being merged")
			g.refuse(seg.str("origin"), "not yet what the snapshot held that is being merged into it")
			continue
		}
		store := seg.str("cow_store")
		shown[store] = true
		g.addSnapshot(store, seg)
	}
	for _, name := range lvs.names {
		if v := g.logical[name]; v != nil && shown[name] {
			g.Volumes = append(g.Volumes, v)
		}
	}
}

// refuse makes a volume unreadable that is not what its extents hold.
func (g *Group) refuse(name, why string) {
	if v := g.logical[name]; v != nil {
		v.err = fmt.Errorf("%w: volume %s is %s", ErrUnsupported, name, why)
	}
}

func (g *Group) addPhysical(name string, pv *section, byID map[string]Device) error {
	id := pv.str("id")
	start, err := pv.number("pe_start", math.MaxInt64/sectorSize)
	if err != nil {
		return err
	}
	count, err := pv.number("pe_count", math.MaxInt64/g.ExtentSize)
	if err != nil {
		return err
	}
	d, ok := byID[strings.ReplaceAll(id, "-", "")]
	// One that came back may have missed writes: LVM does not use it either
	// before vgextend --restoremissing.
	label := fmt.Sprintf("%s with the UUID %s", name, id)
	if last := pv.str("device"); last != "" {
		label += ", last seen as " + last
	}
	if !ok || pv.has("flags", "MISSING") {
		d, g.Missing, g.missing = Device{}, append(g.Missing, id), append(g.missing, label)
	} else {
		g.Devices = append(g.Devices, d.Name)
	}
	g.devices[name] = physical{label, d, start * sectorSize, count}
	return nil
}

// Volume is a logical volume.
type Volume struct {
	Group *Group
	Name  string
	UUID  string
	Size  int64 // bytes

	segments []segment
	snapshot *snapshot // what it is one of, if it is
	err      error     // why it cannot be read

	once   sync.Once
	opened opened
	notes  []string

	watched []watched
}

// MapperName is the name under /dev/mapper: group and volume joined by a
// hyphen, hyphens inside of either doubled.
func (v *Volume) MapperName() string {
	double := func(s string) string { return strings.ReplaceAll(s, "-", "--") }
	return double(v.Group.Name) + "-" + double(v.Name)
}

func newVolume(g *Group, name string, lv *section) *Volume {
	v := &Volume{Group: g, Name: name, UUID: lv.str("id")}
	count, err := lv.number("segment_count", int64(len(lv.names)))
	if err != nil {
		v.err = fmt.Errorf("lvm: volume %s: %w", name, err)
		return v
	}
	for i := range count {
		s, err := v.addSegment(lv.section(fmt.Sprintf("segment%d", i+1)))
		if err != nil && v.err == nil {
			v.err = fmt.Errorf("volume %s: segment %d: %w", name, i+1, err)
		}
		v.segments = append(v.segments, s)
	}
	return v
}

func (v *Volume) addSegment(seg *section) (segment, error) {
	start, err := seg.number("start_extent", math.MaxInt64/v.Group.ExtentSize)
	if err != nil {
		return segment{}, err
	}
	count, err := seg.number("extent_count", math.MaxInt64/v.Group.ExtentSize-start)
	if err != nil {
		return segment{}, err
	}
	s := segment{start: start * v.Group.ExtentSize, length: count * v.Group.ExtentSize}
	if s.start != v.Size {
		return s, errors.New("lvm: it does not begin where the one before ends")
	}
	v.Size += s.length
	s.layout, err = v.Group.layOut(seg)
	return s, err
}
