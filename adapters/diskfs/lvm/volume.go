package lvm

import (
	"errors"
	"fmt"
	"io"
	"sort"
)

// maxNesting bounds how volumes stand on volumes; a mirror on a moved volume
// has three levels.
const maxNesting = 8

// Open returns the volume's bytes. It fails with [ErrMissing] where a
// physical volume is not there and with [ErrUnsupported] for kinds of volumes
// that are not read.
func (v *Volume) Open() (*io.SectionReader, error) {
	o := opener{g: v.Group, open: map[*Volume]opened{}}
	r, err := o.volume(v, 0)
	if err != nil {
		return nil, err
	}
	return io.NewSectionReader(r, 0, v.Size), nil
}

// opener opens a volume and those that it stands on, each of them once,
// however often hostile metadata refers to it.
type opener struct {
	g    *Group
	open map[*Volume]opened
}

// opened is a volume's bytes, or why there are none.
type opened struct {
	r   io.ReaderAt
	err error
}

func (o opener) volume(v *Volume, depth int) (io.ReaderAt, error) {
	known, ok := o.open[v]
	if !ok {
		known.r, known.err = o.assemble(v, depth)
		o.open[v] = known
	}
	return known.r, known.err
}

func (o opener) assemble(v *Volume, depth int) (io.ReaderAt, error) {
	switch {
	case depth > maxNesting:
		return nil, fmt.Errorf("lvm: volume %s: volumes stand on each other too deeply", v.Name)
	case v.err != nil:
		return nil, v.err
	}
	m := make(mapped, 0, len(v.segments))
	for i := range v.segments {
		s := &v.segments[i]
		r, err := o.segment(s, depth)
		if err != nil {
			return nil, fmt.Errorf("volume %s: %w", v.Name, err)
		}
		m = append(m, run{s.start, s.length, r})
	}
	return m, nil
}

// segment returns a segment's bytes, from 0.
func (o opener) segment(s *segment, depth int) (io.ReaderAt, error) {
	switch {
	case s.zero:
		return zeroes{}, nil
	case s.mirror:
		return o.mirror(s, depth)
	case len(s.areas) == 0:
		return nil, errors.New("lvm: a segment without areas")
	}
	legs := make([]io.ReaderAt, len(s.areas))
	share := s.length / int64(len(s.areas))
	for i, a := range s.areas {
		var err error
		if legs[i], err = o.area(a, share, depth); err != nil {
			return nil, err
		}
	}
	if len(legs) == 1 {
		return legs[0], nil
	}
	return striped{legs, s.stripe}, nil
}

// mirror returns the first leg that is there, or what is wrong with the first.
// Legs that are out of step are not told apart: their state is kept outside the
// metadata.
func (o opener) mirror(s *segment, depth int) (io.ReaderAt, error) {
	var first error
	for _, a := range s.areas {
		leg, err := o.area(a, s.length, depth)
		if err == nil {
			return leg, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// area returns n bytes of an area, from 0.
func (o opener) area(a area, n int64, depth int) (io.ReaderAt, error) {
	if pv, ok := o.g.devices[a.name]; ok {
		size := pv.extents * o.g.ExtentSize
		switch {
		case pv.device.Reader == nil:
			return nil, fmt.Errorf("%w: %s", ErrMissing, pv.label)
		case n > size || a.off > size-n || pv.start > pv.device.Size || a.off > pv.device.Size-pv.start:
			return nil, fmt.Errorf("lvm: extents past the end of physical volume %s", a.name)
		}
		return io.NewSectionReader(pv.device.Reader, pv.start+a.off, n), nil
	}
	v := o.g.logical[a.name]
	if v == nil {
		return nil, fmt.Errorf("lvm: there is nothing named %s", a.name)
	}
	if n > v.Size || a.off > v.Size-n {
		return nil, fmt.Errorf("lvm: extents past the end of volume %s", a.name)
	}
	r, err := o.volume(v, depth+1)
	if err != nil {
		return nil, err
	}
	return io.NewSectionReader(r, a.off, n), nil
}

// mapped is a volume made of runs that follow each other.
type mapped []run

type run struct {
	start, length int64
	r             io.ReaderAt
}

func (m mapped) ReadAt(p []byte, off int64) (int, error) {
	i := sort.Search(len(m), func(i int) bool { return m[i].start+m[i].length > off })
	done := 0
	for ; i < len(m) && done < len(p); i++ {
		at := off + int64(done) - m[i].start
		n := int(min(int64(len(p)-done), m[i].length-at))
		if err := readFull(m[i].r, p[done:done+n], at); err != nil {
			return done, err
		}
		done += n
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// striped deals its bytes out to its legs in turn.
type striped struct {
	legs   []io.ReaderAt
	stripe int64
}

func (s striped) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		at := off + int64(done)
		row, col := at/s.stripe/int64(len(s.legs)), at/s.stripe%int64(len(s.legs))
		n := int(min(int64(len(p)-done), s.stripe-at%s.stripe))
		if err := readFull(s.legs[col], p[done:done+n], row*s.stripe+at%s.stripe); err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// zeroes is a volume of the type "zero".
type zeroes struct{}

func (zeroes) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}
