package raid

import "fmt"

// Ways is how many ways there are to get a byte: each of its copies, or, with
// parity, the byte itself and what is computed without it. Whoever has a
// checksum of the data tries them one after another.
func (a *Array) Ways() int {
	switch g := a.geometry; g.Level {
	case Level1:
		return len(a.devices)
	case Level4, Level5:
		return 2
	case Level6:
		// Besides the byte's own device another one may be wrong: each but the
		// second parity, which the first computation does not need.
		return len(a.devices)
	case Level10:
		return (g.Layout & 0xff) * (g.Layout >> 8 & 0xff)
	}
	return 1
}

// ReadWay reads as ReadAt does, in one of the ways alone. No other takes its
// place where it fails.
func (a *Array) ReadWay(way int, p []byte, off int64) error {
	if way < 0 || way >= a.Ways() || off < 0 || off > a.size || int64(len(p)) > a.size-off {
		return fmt.Errorf("bytes %d+%d in way %d of an array of %d bytes", off, len(p), way, a.size)
	}
	for len(p) > 0 {
		at := a.locate(off)
		n := int(min(int64(len(p)), at.contiguous, maxPiece))
		if err := a.tryWay(way, p[:n], at); err != nil {
			return err
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

func (a *Array) tryWay(way int, p []byte, at place) error {
	if way < len(at.copies) {
		return a.device(at.copies[way].device, p, at.copies[way].off)
	}
	also := none
	if way -= len(at.copies); way > 0 {
		also = at.row.another(way, len(a.devices))
	}
	return a.compute(p, at, also, ErrMissing)
}

// another is the device that the n-th way, from 1, to compute a byte does
// without, besides the byte's own: the first parity, and then each of the other
// data. Without the second parity it is the way that needs only the first.
func (r *row) another(n, devices int) int {
	if n == 1 {
		return r.p
	}
	d := r.q
	for range n - 1 {
		for d = (d + 1) % devices; d == r.p || d == r.data; {
			d = (d + 1) % devices
		}
	}
	return d
}

// Locate returns where the first copy that is there lies, and how many bytes of
// the array lie there in one piece; ok is false where there is none.
func (a *Array) Locate(off int64) (device int, at, contiguous int64, ok bool) {
	if off < 0 || off >= a.size {
		return 0, 0, 0, false
	}
	where := a.locate(off)
	for _, c := range where.copies {
		if a.devices[c.device] != nil {
			return c.device, c.off, where.contiguous, true
		}
	}
	return 0, 0, where.contiguous, false
}

// Device is the one that a way reads from; ok is false where it computes.
func (a *Array) Device(way int, off int64) (device int, ok bool) {
	if off < 0 || off >= a.size {
		return 0, false
	}
	if at := a.locate(off); way < len(at.copies) {
		return at.copies[way].device, true
	}
	return 0, false
}
