package lvm

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sort"

	"github.com/qedfs/qedfs/adapters/diskfs/internal/raid"
)

// maxNesting bounds how volumes stand on volumes; a mirror on a moved volume
// has three levels.
const maxNesting = 8

// Open returns the volume's bytes. It fails with [ErrMissing] where a
// physical volume is not there and with [ErrUnsupported] for kinds of volumes
// that are not read.
func (v *Volume) Open() (*io.SectionReader, error) {
	v.once.Do(func() {
		o := &opener{g: v.Group, open: map[*Volume]opened{}}
		v.opened.r, v.opened.err = o.volume(v, 0)
		v.notes, v.watched = o.notes, o.watched
	})
	if v.opened.err != nil {
		return nil, v.opened.err
	}
	return io.NewSectionReader(v.opened.r, 0, v.Size), nil
}

// Notes are what is worth knowing of a volume that has been opened, and what
// loses nothing: that a part of it is computed from the others, or could not be
// read somewhere so far.
func (v *Volume) Notes() []string {
	notes := slices.Clone(v.notes)
	for _, w := range v.watched {
		failed := w.array.Failed()
		for _, i := range slices.Sorted(maps.Keys(failed)) {
			notes = append(notes, fmt.Sprintf("%s could not be read everywhere (%v); it is computed from the others", w.names[i], failed[i]))
		}
	}
	return notes
}

// watched is an array that the volume stands on.
type watched struct {
	array *raid.Array
	names []string // of its devices
}

func (o *opener) watch(a *raid.Array, names []string) {
	o.watched = append(o.watched, watched{a, names})
}

// opener opens a volume and those that it stands on, each of them once,
// however often hostile metadata refers to it.
type opener struct {
	g     *Group
	open  map[*Volume]opened
	notes []string

	watched []watched
}

func (o *opener) note(format string, args ...any) {
	o.notes = append(o.notes, fmt.Sprintf(format, args...))
}

// opened is a volume's bytes, or why there are none.
type opened struct {
	r   io.ReaderAt
	err error
}

func (o *opener) volume(v *Volume, depth int) (io.ReaderAt, error) {
	known, ok := o.open[v]
	if !ok {
		known.r, known.err = o.assemble(v, depth)
		if known.err == nil && v.snapshot != nil {
			known.r, known.err = v.snapshot.open(o, v, known.r, depth)
		}
		o.open[v] = known
	}
	return known.r, known.err
}

// assemble returns what the volume's segments hold.
func (o *opener) assemble(v *Volume, depth int) (io.ReaderAt, error) {
	switch {
	case depth > maxNesting:
		return nil, fmt.Errorf("lvm: volume %s: volumes stand on each other too deeply", v.Name)
	case v.err != nil:
		return nil, v.err
	}
	m := make(mapped, 0, len(v.segments))
	for _, s := range v.segments {
		r, err := s.layout.open(o, s.length, depth)
		if err != nil {
			return nil, fmt.Errorf("volume %s: %w", v.Name, err)
		}
		m = append(m, run{s.start, s.length, r})
	}
	return m, nil
}

// named returns all the bytes of another volume, and how many these are.
func (o *opener) named(name string, depth int) (io.ReaderAt, int64, error) {
	v := o.g.logical[name]
	if v == nil {
		return nil, 0, fmt.Errorf("lvm: there is nothing named %s", name)
	}
	r, err := o.volume(v, depth+1)
	return r, v.Size, err
}

// area returns n bytes of an area, from 0.
func (o *opener) area(a area, n int64, depth int) (io.ReaderAt, error) {
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
