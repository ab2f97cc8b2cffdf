package raid

import (
	"fmt"
	"math"
	"slices"
	"sort"
)

// linear puts the devices one after the other.
func (a *Array) linear() {
	ends := make([]int64, len(a.devices))
	for i, size := range a.geometry.Sizes {
		a.size += size
		ends[i] = a.size
	}
	a.locate = func(off int64) place {
		i := sort.Search(len(ends), func(i int) bool { return ends[i] > off })
		start := ends[i] - a.geometry.Sizes[i]
		return place{contiguous: ends[i] - off, copies: []spot{{i, off - start}}}
	}
}

// Layouts of Level0 with devices of different sizes (raid0.h in Linux): by
// which chunk number the device of a zone is chosen.
const (
	Raid0Original  = 1 // that in the array, as before Linux 3.14
	Raid0Alternate = 2 // that in the zone
)

// zone is a part of a striped array with the same devices: where the smaller
// ones end, the others go on.
type zone struct {
	start, end int64 // bytes of the array
	devices    []int
	on         int64 // byte of each device
}

// striped is create_strip_zones of raid0.c.
func (a *Array) striped() error {
	chunk := a.geometry.Chunk
	sizes := slices.Clone(a.geometry.Sizes)
	for i := range sizes {
		sizes[i] -= sizes[i] % chunk
	}
	var zones []zone
	for from := int64(0); ; {
		z := zone{start: a.size, on: from}
		to := int64(math.MaxInt64)
		for i, size := range sizes {
			if size > from {
				z.devices = append(z.devices, i)
				to = min(to, size)
			}
		}
		if len(z.devices) == 0 {
			break
		}
		a.size += (to - from) * int64(len(z.devices))
		z.end = a.size
		zones, from = append(zones, z), to
	}
	original := false
	switch layout := a.geometry.Layout; {
	case len(zones) < 2:
	case layout == Raid0Original:
		original = true
	case layout != Raid0Alternate:
		return fmt.Errorf("devices of different sizes: %w layout %d", ErrUnknown, layout)
	}
	a.locate = func(off int64) place {
		z := &zones[sort.Search(len(zones), func(i int) bool { return zones[i].end > off })]
		n := int64(len(z.devices))
		number, inside := (off-z.start)/chunk, off%chunk
		turn := number
		if original {
			turn = off / chunk
		}
		return place{
			contiguous: chunk - inside,
			copies:     []spot{{z.devices[turn%n], z.on + number/n*chunk + inside}},
		}
	}
	return nil
}

// mirrored has everything on each device.
func (a *Array) mirrored() {
	a.size = a.geometry.Sizes[0]
	a.locate = func(off int64) place {
		at := place{contiguous: a.size - off}
		for i := range a.devices {
			at.copies = append(at.copies, spot{i, off})
		}
		return at
	}
}

// spread is setup_geo and __raid10_find_phys of raid10.c: a layout has the
// number of near copies in its lowest byte, that of far ones in the next, and
// above that whether these are in the next row.
func (a *Array) spread() error {
	layout, chunk, disks := a.geometry.Layout, a.geometry.Chunk, int64(len(a.devices))
	near, far := int64(layout&0xff), int64(layout>>8&0xff)
	nextRow := layout&(1<<16) != 0
	// No tool makes near and far copies at once.
	if layout>>17 != 0 || near == 0 || far == 0 || near > 1 && far > 1 || near*far > disks {
		return fmt.Errorf("%w layout %#x of level 10", ErrUnknown, layout)
	}
	// calc_sectors: the array has as many chunks as fit with all their copies.
	rows := a.geometry.Sizes[0] / chunk / far
	if rows > math.MaxInt64/chunk/disks/far/near {
		return fmt.Errorf("devices of %d bytes", a.geometry.Sizes[0])
	}
	perCopy := rows * disks / near
	used := (perCopy*near*far + disks - 1) / disks
	stride := used / far * chunk
	if nextRow {
		stride = chunk
	}
	a.size = used / far * disks / near * chunk
	a.locate = func(off int64) place {
		inside, number := off%chunk, off/chunk*near
		stripe, dev := number/disks, number%disks
		if nextRow {
			stripe *= far
		}
		at := place{contiguous: chunk - inside, copies: make([]spot, 0, near*far)}
		on := stripe*chunk + inside
		for range near {
			d, o := dev, on
			at.copies = append(at.copies, spot{int(d), o})
			for f := int64(1); f < far; f++ {
				d, o = (d+1)%disks, o+stride
				at.copies = append(at.copies, spot{int(d), o})
			}
			if dev++; dev == disks {
				dev, on = 0, on+chunk
			}
		}
		return at
	}
	return nil
}
