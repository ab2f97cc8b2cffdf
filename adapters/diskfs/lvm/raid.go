package lvm

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/internal/raid"
)

// raidSet is a segment that dm-raid lays out: an image, and a small volume of
// metadata, for each device.
type raidSet struct {
	level, layout int
	chunk         int64
	spread        int64 // how many devices' bytes make up the segment, times copies
	copies        int64
	images, metas []string
}

// raidTypes are levels and layouts of raid_types in drivers/md/dm-raid.c.
var raidTypes = map[string][2]int{
	"raid0_meta": {raid.Level0, raid.Raid0Alternate},
	"raid1":      {raid.Level1, 0},
	"raid4":      {raid.Level5, raid.ParityFirst},
	"raid5":      {raid.Level5, raid.LeftSymmetric},
	"raid5_0":    {raid.Level5, raid.ParityFirst},
	"raid5_n":    {raid.Level5, raid.ParityLast},
	"raid5_ls":   {raid.Level5, raid.LeftSymmetric},
	"raid5_rs":   {raid.Level5, raid.RightSymmetric},
	"raid5_la":   {raid.Level5, raid.LeftAsymmetric},
	"raid5_ra":   {raid.Level5, raid.RightAsymmetric},
	"raid6":      {raid.Level6, raid.ZeroRestart},
	"raid6_zr":   {raid.Level6, raid.ZeroRestart},
	"raid6_nr":   {raid.Level6, raid.NRestart},
	"raid6_nc":   {raid.Level6, raid.NContinue},
	"raid6_0_6":  {raid.Level6, raid.ParityFirst6},
	"raid6_n_6":  {raid.Level6, raid.ParityLast},
	"raid6_ls_6": {raid.Level6, raid.LeftSymmetric6},
	"raid6_rs_6": {raid.Level6, raid.RightSymmetric6},
	"raid6_la_6": {raid.Level6, raid.LeftAsymmetric6},
	"raid6_ra_6": {raid.Level6, raid.RightAsymmetric6},
	"raid10":     {raid.Level10, 0},
}

func newRaid(kind string, seg *section) (layout, error) {
	known, ok := raidTypes[kind]
	if !ok {
		return nil, fmt.Errorf("%w: a volume of type %q", ErrUnsupported, kind)
	}
	for _, name := range []string{"reshape_count", "delta_disks", "data_offset"} {
		if seg.values[name] != nil {
			return nil, fmt.Errorf("%w: a volume of type %q while it is reshaped", ErrUnsupported, kind)
		}
	}
	r := &raidSet{level: known[0], layout: known[1], copies: 1}
	list := seg.values["raids"]
	if list == nil {
		list = seg.values["raid0_lvs"]
	}
	areas, err := readAreas(list, 0)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(areas); i += 2 {
		r.metas, r.images = append(r.metas, areas[i].name), append(r.images, areas[i+1].name)
	}
	if len(areas)%2 != 0 || len(areas) == 0 {
		return nil, fmt.Errorf("lvm: %d volumes make up images and their metadata", len(areas))
	}
	r.spread = int64(len(r.images))
	switch r.level {
	case raid.Level1:
		r.spread = 1
	case raid.Level5:
		r.spread--
	case raid.Level6:
		r.spread -= 2
	case raid.Level10:
		if seg.values["data_copies"] == nil {
			r.copies = 2
		} else if r.copies, err = seg.number("data_copies", r.spread); err != nil || r.copies == 0 {
			return nil, fmt.Errorf("lvm: copies: %w", err)
		}
		r.layout = 1<<8 | int(r.copies) // near
	}
	if r.spread < 1 {
		return nil, fmt.Errorf("lvm: %d images of type %s", len(r.images), kind)
	}
	if r.level != raid.Level1 {
		r.chunk, err = bytesOf(seg, "stripe_size")
	}
	return r, err
}

func (r *raidSet) open(o *opener, length int64, depth int) (io.ReaderAt, error) {
	if length > math.MaxInt64/max(r.copies, 1)-r.spread {
		return nil, fmt.Errorf("lvm: %d bytes", length)
	}
	size := (length*r.copies + r.spread - 1) / r.spread
	g := raid.Geometry{Level: r.level, Layout: r.layout, Chunk: r.chunk, Clean: math.MaxInt64}
	legs := make([]io.ReaderAt, len(r.images))
	failed := make([]error, len(r.images))
	for i, name := range r.images {
		g.Sizes = append(g.Sizes, size)
		legs[i], failed[i] = o.area(area{name: name}, size, depth)
		if failed[i] != nil {
			legs[i] = nil
		}
	}
	state, err := r.readState(o, depth)
	if err != nil {
		return nil, err
	}
	g.Clean = state.clean
	for i, d := range state.devices {
		switch {
		case legs[i] == nil:
		case d.why != "":
			legs[i], failed[i] = nil, fmt.Errorf("lvm: %s is left out: %s", r.images[i], d.why)
		case d.inStep < size:
			o.note("%s is used for its first %d bytes: the rest was not rebuilt yet", r.images[i], d.inStep)
			legs[i] = raid.Limit(legs[i], d.inStep)
		}
	}
	array, err := newArray(g, legs, length)
	if err != nil {
		return nil, err
	}
	var reasons []string
	for _, err := range failed {
		if err == nil {
			continue
		}
		if !array.Enough() {
			return nil, err
		}
		reasons = append(reasons, err.Error())
	}
	if len(reasons) > 0 {
		o.note("computed from the other images: %s", strings.Join(reasons, "; "))
	}
	if state.clean < size && array.Redundant() {
		o.note("its images were not in step everywhere when it was last seen")
	}
	o.watch(array, r.images)
	return array, nil
}

// raidState is what the metadata of the devices say together.
type raidState struct {
	clean   int64 // bytes of each device in which parity fits
	devices []deviceState
}

type deviceState struct {
	why    string // it cannot be used, "" if it can
	inStep int64  // bytes
}

// raidMeta is struct dm_raid_superblock of drivers/md/dm-raid.c.
type raidMeta struct {
	number   int
	events   uint64
	failed   []byte // a bit for each device
	inStep   int64
	clean    int64
	reshaped bool
}

func parseRaidMeta(b []byte) *raidMeta {
	if string(b[:4]) != "DmRd" && le.Uint32(b) != 0x64526d44 {
		return nil
	}
	m := &raidMeta{
		number: int(int32(le.Uint32(b[12:]))), events: le.Uint64(b[16:]),
		inStep: fromSectors(le.Uint64(b[32:])), clean: fromSectors(le.Uint64(b[40:])),
	}
	m.failed = append(append(m.failed, b[24:32]...), b[120:144]...)
	const extended, reshape = 1, 1
	m.reshaped = le.Uint32(b[4:])&extended != 0 && le.Uint32(b[60:])&reshape != 0
	return m
}

// fromSectors is the bytes of a number of sectors, in which all ones stand for
// no end.
func fromSectors(n uint64) int64 {
	if n > math.MaxInt64/sectorSize {
		return math.MaxInt64
	}
	return int64(n) * sectorSize
}

// readState reads what the devices say of each other. The one with the most
// events knows best (super_load and super_init_validation).
func (r *raidSet) readState(o *opener, depth int) (raidState, error) {
	state := raidState{clean: math.MaxInt64, devices: make([]deviceState, len(r.images))}
	metas := make([]*raidMeta, len(r.images))
	var newest *raidMeta
	for i, name := range r.metas {
		state.devices[i].inStep = math.MaxInt64
		m, err := o.area(area{name: name}, 4096, depth)
		if err != nil {
			state.devices[i].why = err.Error()
			continue
		}
		b := make([]byte, 512)
		if err := readFull(m, b, 0); err != nil {
			state.devices[i].why = err.Error()
			continue
		}
		if metas[i] = parseRaidMeta(b); metas[i] != nil && (newest == nil || metas[i].events > newest.events) {
			newest = metas[i]
		}
	}
	if newest == nil || r.level == raid.Level0 {
		for i := range state.devices { // it was never used
			state.devices[i].why = ""
		}
		return state, nil
	}
	if newest.reshaped {
		return state, fmt.Errorf("%w: a reshape is in progress", ErrUnsupported)
	}
	state.clean = newest.clean
	for i, m := range metas {
		d := &state.devices[i]
		switch {
		case d.why != "":
		case m == nil:
			d.why = "its metadata were not written yet"
		case i/8 < len(newest.failed) && newest.failed[i/8]>>(i%8)&1 != 0:
			d.why = "it had failed"
		case m.events+1 < newest.events:
			d.why = fmt.Sprintf("it has missed changes (event %d of %d)", m.events, newest.events)
		case m.number != i:
			d.why = fmt.Sprintf("its metadata are those of device %d", m.number)
		default:
			d.inStep = m.inStep
		}
	}
	return state, nil
}
