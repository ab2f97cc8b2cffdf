package xfs

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"

	"github.com/qedfs/qedfs/backend"
)

const (
	sectorSize = 512 // the unit of disk addresses and of the log, whatever the device's sectors are

	// maxOverlay bounds the sectors that a replayed log may change, 128 MiB.
	// Kernels keep much less than a log's length unwritten.
	maxOverlay = 256 << 10
)

var errOverlayFull = errors.New("the log changes too much to be held in memory")

// overlay is a volume with some sectors replaced: what the log's replay would
// write. It is changed by one goroutine, and safe for many once frozen.
type overlay struct {
	r       io.ReaderAt
	sectors map[int64]*[sectorSize]byte
	order   []int64 // the numbers of the sectors, ascending
}

func newOverlay(r io.ReaderAt) *overlay {
	return &overlay{r: r, sectors: map[int64]*[sectorSize]byte{}}
}

// change returns a sector to be written to.
func (o *overlay) change(n int64) (*[sectorSize]byte, error) {
	if s := o.sectors[n]; s != nil {
		return s, nil
	}
	if len(o.sectors) >= maxOverlay {
		return nil, errOverlayFull
	}
	s := new([sectorSize]byte)
	if got, err := o.r.ReadAt(s[:], n*sectorSize); got < sectorSize {
		return nil, fmt.Errorf("reading sector %d: %w", n, err)
	}
	o.sectors[n] = s
	return s, nil
}

// write replaces bytes of the volume.
func (o *overlay) write(b []byte, off int64) error {
	for len(b) > 0 {
		s, err := o.change(off / sectorSize)
		if err != nil {
			return err
		}
		n := copy(s[off%sectorSize:], b)
		b, off = b[n:], off+int64(n)
	}
	return nil
}

// load reads n bytes as they are by now.
func (o *overlay) load(off int64, n int) ([]byte, error) {
	b := make([]byte, n)
	if got, err := o.r.ReadAt(b, off); got < n {
		return nil, fmt.Errorf("reading %d bytes at %d: %w", n, off, err)
	}
	for i := off / sectorSize; i*sectorSize < off+int64(n); i++ {
		if s := o.sectors[i]; s != nil {
			patch(b, off, s, i)
		}
	}
	return b, nil
}

// freeze ends the changes.
func (o *overlay) freeze() {
	for n := range o.sectors {
		o.order = append(o.order, n)
	}
	slices.Sort(o.order)
}

// ReadAt reads the volume as the replay left it.
func (o *overlay) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.r.ReadAt(p, off)
	for _, i := range o.within(off, int64(n)) {
		patch(p[:n], off, o.sectors[i], i)
	}
	return n, err
}

// touches tells whether the replay changed any of n bytes. No overlay changes none.
func (o *overlay) touches(off, n int64) bool { return o != nil && len(o.within(off, n)) > 0 }

// within returns the changed sectors of n bytes.
func (o *overlay) within(off, n int64) []int64 {
	first := sort.Search(len(o.order), func(i int) bool { return (o.order[i]+1)*sectorSize > off })
	rest := o.order[first:]
	return rest[:sort.Search(len(rest), func(i int) bool { return rest[i]*sectorSize >= off+n })]
}

// patch puts a sector over bytes that were read at off.
func patch(p []byte, off int64, s *[sectorSize]byte, n int64) {
	at := n*sectorSize - off
	if at < 0 {
		copy(p, s[-at:])
		return
	}
	copy(p[at:], s[:])
}

// Prefetch implements [backend.Prefetcher]. What was replaced comes along.
func (o *overlay) Prefetch(ranges []backend.Range) { backend.Prefetch(o.r, ranges) }

// Prefetches implements [backend.Prefetcher].
func (o *overlay) Prefetches() bool { return backend.Prefetches(o.r) }
