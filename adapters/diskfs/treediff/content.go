package treediff

import (
	"bytes"
	"iter"
	"math"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend"
)

const bufferSize = 256 << 10 // bytes

// sameContent compares two regular files. What is a hole in both is not read:
// a file may be nothing but one of many terabytes.
func (c *comparer) sameContent(x, y *File) (bool, error) {
	if x.Stat.Size != y.Stat.Size {
		return false, nil
	}
	a, err := open(c.a, x.Path)
	if err != nil {
		return false, onFirst(err)
	}
	defer a.Close()
	b, err := open(c.b, y.Path)
	if err != nil {
		return false, onSecond(err)
	}
	defer b.Close()
	for i := range c.bufs {
		if c.bufs[i] == nil {
			c.bufs[i] = make([]byte, bufferSize)
		}
	}
	holesA, holesB := newHoles(a), newHoles(b)
	defer holesA.stop()
	defer holesB.stop()
	for off := int64(0); off < x.Stat.Size; {
		skipA, err := holesA.at(off)
		if err != nil {
			return false, onFirst(err)
		}
		skipB, err := holesB.at(off)
		if err != nil {
			return false, onSecond(err)
		}
		if n := min(skipA, skipB); n > 0 {
			off += n
			continue
		}
		n := min(x.Stat.Size-off, bufferSize)
		p, q := c.bufs[0][:n], c.bufs[1][:n]
		if _, err := backend.ReadFull(a, p, off); err != nil {
			return false, onFirst(err)
		}
		if _, err := backend.ReadFull(b, q, off); err != nil {
			return false, onSecond(err)
		}
		if !bytes.Equal(p, q) {
			return false, nil
		}
		off += n
	}
	return true, nil
}

func open(tree fstree.Walker, path string) (fstree.File, error) {
	f, err := tree.Open(path)
	if err != nil {
		return nil, err
	}
	return f.(fstree.File), nil
}

// holes finds the holes of a file, from its begin to its end.
type holes struct {
	next func() (fstree.Extent, error, bool)
	stop func()
	run  fstree.Extent
	done bool
}

func newHoles(f fstree.File) *holes {
	next, stop := iter.Pull2(f.Extents(0, math.MaxInt64))
	return &holes{next: next, stop: stop}
}

// at returns how many bytes from off on lie in one hole.
func (h *holes) at(off int64) (int64, error) {
	for !h.done && off >= h.run.Start+h.run.Length {
		run, err, ok := h.next()
		if err != nil {
			return 0, err
		}
		h.run, h.done = run, !ok
	}
	if h.done || !h.run.Hole {
		return 0, nil
	}
	return h.run.Start + h.run.Length - off, nil
}
