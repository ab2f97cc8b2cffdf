package raid

import "fmt"

// Layouts of levels 5 and 6 (raid5.h in Linux). Those from 8 are of level 6
// alone; those from 16 are of level 5 with the second parity on a device of
// its own.
const (
	LeftAsymmetric  = 0
	RightAsymmetric = 1
	LeftSymmetric   = 2
	RightSymmetric  = 3
	ParityFirst     = 4
	ParityLast      = 5

	ZeroRestart = 8 // these three are DDF's
	NRestart    = 9
	NContinue   = 10

	LeftAsymmetric6  = 16
	RightAsymmetric6 = 17
	LeftSymmetric6   = 18
	RightSymmetric6  = 19
	ParityFirst6     = 20
)

// row is one chunk of each device, of which one or two have parity.
type row struct {
	p, q int   // devices; q is -1 at levels 4 and 5
	data int   // the device of the chunk that is asked for
	off  int64 // on each device, of the byte that is asked for
	ddf  bool  // parity counts the devices otherwise
}

// parity is raid5_compute_sector of raid5.c.
func (a *Array) parity() error {
	disks, chunk := len(a.devices), a.geometry.Chunk
	parities := 1
	if a.geometry.Level == Level6 {
		parities = 2
	}
	data := disks - parities
	if data < 1 {
		return fmt.Errorf("%d devices of level %d", disks, a.geometry.Level)
	}
	layout := a.geometry.Layout
	if a.geometry.Level == Level4 {
		layout = ParityLast
	}
	if layout < 0 || layout > ParityLast && (parities == 1 || layout < ZeroRestart || layout > NContinue && layout < LeftAsymmetric6 || layout > ParityFirst6) {
		return fmt.Errorf("%w layout %d of level %d", ErrUnknown, layout, a.geometry.Level)
	}
	a.size = a.geometry.Sizes[0] / chunk * chunk * int64(data)
	a.locate = func(off int64) place {
		inside, number := off%chunk, off/chunk
		stripe, index := number/int64(data), int(number%int64(data))
		var r row
		if parities == 1 {
			r = row5(layout, stripe, disks, index)
			r.q = -1
		} else {
			r = row6(layout, stripe, disks, index)
		}
		r.off = stripe*chunk + inside
		return place{contiguous: chunk - inside, copies: []spot{{r.data, r.off}}, row: &r}
	}
	return nil
}

// row5 places one parity and the data chunk of an index among disks devices.
func row5(layout int, stripe int64, disks, index int) row {
	turn := int(stripe % int64(disks))
	var r row
	switch layout {
	case LeftAsymmetric, LeftSymmetric:
		r.p = disks - 1 - turn
	case RightAsymmetric, RightSymmetric:
		r.p = turn
	case ParityFirst:
		r.p = 0
	case ParityLast:
		r.p = disks - 1
	}
	switch layout {
	case LeftSymmetric, RightSymmetric:
		r.data = (r.p + 1 + index) % disks
	default:
		r.data = after(index, r.p)
	}
	return r
}

// after is the device of an index where the one with parity is left out.
func after(index, parity int) int {
	if index >= parity {
		return index + 1
	}
	return index
}

func row6(layout int, stripe int64, disks, index int) row {
	if layout >= LeftAsymmetric6 {
		r := row5(layout-LeftAsymmetric6, stripe, disks-1, index)
		r.q = disks - 1
		return r
	}
	turn := int(stripe % int64(disks))
	r := row{ddf: layout >= ZeroRestart && layout <= NContinue}
	switch layout {
	case LeftAsymmetric, LeftSymmetric, NContinue:
		r.p = disks - 1 - turn
	case RightAsymmetric, RightSymmetric, ZeroRestart:
		r.p = turn
	case NRestart:
		r.p = disks - 1 - int((stripe+1)%int64(disks))
	case ParityFirst:
		r.p = 0
	case ParityLast:
		r.p = disks - 2
	}
	r.q = (r.p + 1) % disks
	switch layout {
	case LeftSymmetric, RightSymmetric:
		r.data = (r.p + 2 + index) % disks
	case NContinue:
		r.q = (r.p + disks - 1) % disks
		r.data = (r.p + 1 + index) % disks
	default:
		first, second := min(r.p, r.q), max(r.p, r.q)
		r.data = after(after(index, first), second)
	}
	return r
}

// order is which power of the generator the second parity has a device's chunk
// multiplied by (raid6_d0 and raid6_idx_to_slot of raid5.c): data are counted
// from the device after the second parity, or, by DDF, devices from the first.
func (r *row) order(device, disks int) int {
	if r.ddf {
		return device
	}
	n := 0
	for d := (r.q + 1) % disks; d != device; d = (d + 1) % disks {
		if d != r.p {
			n++
		}
	}
	return n
}

// none stands for no device.
const none = -1

// compute computes bytes of a row from the other devices, but one that is not to
// be used either, or none. failed is why they could not be read.
func (a *Array) compute(p []byte, at place, unused int, failed error) error {
	r := at.row
	switch {
	case len(p) > maxPiece:
		return failed // and is asked for in halves
	case r.off+int64(len(p)) > a.geometry.Clean:
		return ErrDirty
	}
	// What the devices that are there add to both parities leaves what
	// those add that are not.
	sumP, sumQ := make([]byte, len(p)), make([]byte, len(p))
	haveP, haveQ, other := true, r.q >= 0, none
	buf := make([]byte, len(p))
	for d := range a.devices {
		if d == r.data {
			continue
		}
		if d == unused || a.device(d, buf, r.off) != nil {
			switch {
			case d == r.p:
				haveP = false
			case d == r.q:
				haveQ = false
			case other < 0:
				other = d
			default:
				return failed
			}
			continue
		}
		if d != r.q {
			addTo(sumP, buf, 1)
		}
		switch {
		case d == r.q:
			addTo(sumQ, buf, 1)
		case d != r.p && r.q >= 0:
			addTo(sumQ, buf, power(r.order(d, len(a.devices))))
		}
	}
	switch {
	case other < 0 && haveP:
		copy(p, sumP)
	case other < 0 && haveQ:
		clear(p)
		addTo(p, sumQ, inverse(power(r.order(r.data, len(a.devices)))))
	case other >= 0 && haveP && haveQ:
		// D + E = P and xD + yE = Q, so that D = (Q + yP) / (x + y).
		x, y := power(r.order(r.data, len(a.devices))), power(r.order(other, len(a.devices)))
		addTo(sumQ, sumP, y)
		clear(p)
		addTo(p, sumQ, inverse(x^y))
	default:
		return failed
	}
	return nil
}
