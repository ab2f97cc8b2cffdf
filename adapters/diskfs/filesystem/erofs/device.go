package erofs

import (
	"bytes"
	"fmt"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// device is one of the devices besides the first that a volume may be spread over.
type device struct {
	name   string
	start  int64 // byte at which it lies in an image of all devices, 0: it is in none
	length int64
}

const deviceSize = 128

// readDevices reads the table of the other devices.
func (e *engine) readDevices(count, slot int64) error {
	if !e.has(incompatDevices) {
		return nil // or the bit is for a second compression, and the count 0
	}
	for i := range count {
		b, err := e.cache.Bytes((slot+i)*deviceSize, deviceSize)
		if err != nil {
			return fmt.Errorf("erofs: table of devices: %w", err)
		}
		start, length := uint64(le.Uint32(b[68:])), uint64(le.Uint32(b[64:]))
		if e.has(incompat48Bit) {
			start |= uint64(le.Uint16(b[74:])) << 32
			length |= uint64(le.Uint16(b[72:])) << 32
		}
		tag, _, _ := bytes.Cut(b[:64], []byte{0})
		e.devices = append(e.devices, device{string(tag), e.byteOf(start), e.byteOf(length)})
	}
	return nil
}

// onDevice says where a byte of a device lies on the volume. The devices are
// numbered from 1; as many low bits of a number count as they need
// (erofs_scan_devices).
func (e *engine) onDevice(number int, at int64) (int64, error) {
	mask := 1
	for mask < len(e.devices)+1 {
		mask <<= 1
	}
	switch number &= mask - 1; {
	case number == 0:
		return at, e.missing(at)
	case number > len(e.devices):
		return 0, damage("a file", -1, fmt.Sprintf("on device %d of %d", number, len(e.devices)))
	}
	d := e.devices[number-1]
	if d.start == 0 {
		return 0, fmt.Errorf("erofs: on device %d %q, whose place in the image is not known: %w", number, d.name, fstree.ErrUnsupported)
	}
	return d.start + at, e.missing(d.start + at) // each is at most half of what fits
}

// missing returns an error for a byte of another device that is not part of this
// image.
func (e *engine) missing(at int64) error {
	for i, d := range e.devices {
		if d.start > 0 && at >= max(d.start, e.size) && at-d.start < d.length {
			return fmt.Errorf("erofs: on device %d %q, which is not part of the image: %w", i+1, d.name, fstree.ErrUnsupported)
		}
	}
	return nil
}
