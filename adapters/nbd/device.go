package nbd

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/qedfs/qedfs/qedfile"
)

// discarder is a disk that can give space back.
type discarder interface {
	Discard(off, n int64) error
}

// device is an export that was checked. Its offsets count from the export's
// start; callers keep to its size.
type device struct {
	name, description string
	disk              qedfile.Disk
	base, size        int64

	writable qedfile.WritableDisk // nil: read-only
	discards discarder            // nil: trim does nothing
	mapper   qedfile.Mapper       // nil: all is data
	depth    bool                 // offer the allocation depth
	layers   int                  // of the backing chain
}

func newDevice(e *Export) (*device, error) {
	fail := func(why string) (*device, error) {
		return nil, fmt.Errorf("%w: %q: %s", ErrExport, e.Name, why)
	}
	if e.Disk == nil {
		return fail("no disk")
	}
	if len(e.Name) > maxString || len(e.Description) > maxString {
		return fail("a name or description is longer than 4096 bytes")
	}
	d := &device{
		name: e.Name, description: e.Description, disk: e.Disk, base: e.Offset, size: e.Length,
		depth: e.AllocationDepth, layers: layers(e.Disk),
	}
	total := e.Disk.Size()
	if d.base < 0 || d.base > total {
		return fail(fmt.Sprintf("offset %d is outside the disk of %d bytes", d.base, total))
	}
	if d.size == 0 {
		d.size = total - d.base
	}
	if d.size < 0 || d.size > total-d.base {
		return fail(fmt.Sprintf("%d bytes at %d are outside the disk of %d bytes", d.size, d.base, total))
	}
	d.mapper, _ = e.Disk.(qedfile.Mapper)
	if e.Writable {
		var ok bool
		if d.writable, ok = e.Disk.(qedfile.WritableDisk); !ok {
			return fail("the disk cannot be written")
		}
		if e.Discard {
			d.discards, _ = e.Disk.(discarder)
		}
	}
	return d, nil
}

// layers is how many disks a chain is made of.
func layers(d qedfile.Disk) int {
	n := 1
	for n < 64 { // more than a chain can have
		image, ok := d.(interface{ Backing() qedfile.Disk })
		if !ok {
			break
		}
		if d = image.Backing(); d == nil {
			break
		}
		n++
	}
	return n
}

// multiConn is how many connections a server must have room for to tell
// clients that they may make several: one that makes more than are accepted
// waits for ever. nbdcopy makes four.
const multiConn = 4

// flags are the transmission flags of an export.
func (s *server) flags(d *device, structured bool) uint16 {
	f := transHasFlags | transSendFlush | transSendFUA | transSendCache
	if s.opts.MaxClients >= multiConn {
		f |= transCanMultiConn
	}
	if structured {
		f |= transSendDF
	}
	if d.writable == nil {
		return uint16(f | transReadOnly)
	}
	f |= transSendTrim | transSendWriteZeroes
	if d.mapper != nil {
		f |= transSendFastZero
	}
	return uint16(f)
}

// contexts are the metadata contexts that the device has. A context's number
// is its place in the list.
func (d *device) contexts() []string {
	if d.depth {
		return []string{contextAllocation, contextDepth}
	}
	return []string{contextAllocation}
}

// holds reports whether n bytes at off lie on the device.
func (d *device) holds(off, n uint64) bool {
	size := uint64(d.size)
	return off <= size && n <= size-off
}

func (d *device) read(p []byte, off int64) error {
	n, err := d.disk.ReadAt(p, d.base+off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (d *device) write(p []byte, off int64) error {
	_, err := d.writable.WriteAt(p, d.base+off)
	return err
}

// extents are the runs of n bytes at off.
func (d *device) extents(off, n int64) iter.Seq2[qedfile.Extent, error] {
	return func(yield func(qedfile.Extent, error) bool) {
		if d.mapper == nil {
			yield(qedfile.Extent{Start: off, Length: n, Kind: qedfile.Data, Offset: -1}, nil)
			return
		}
		for e, err := range d.mapper.Extents(d.base+off, n) {
			e.Start -= d.base
			if !yield(e, err) {
				return
			}
		}
	}
}

var errSlow = fmt.Errorf("nbd: data would have to be overwritten: %w", errors.ErrUnsupported)

// mustBeFast returns an error where data would have to be overwritten to zero
// n bytes at off.
func (d *device) mustBeFast(off, n int64) error {
	for e, err := range d.extents(off, n) {
		if err != nil {
			return err
		}
		if e.Kind == qedfile.Data && e.Depth == 0 {
			return errSlow
		}
	}
	return nil
}

// errnoOf is what a client is told of an error of the disk.
func errnoOf(err error) errno {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errors.ErrUnsupported):
		return eNotSup
	case isNoSpace(err):
		return eNoSpace
	}
	return eIO
}
