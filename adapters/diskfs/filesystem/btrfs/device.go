package btrfs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// ErrMissing is matched by the error for what lies on devices that were not
// given, and of which there is no copy on others. The error names the devices.
var ErrMissing = errors.New("btrfs: devices are missing")

// Device is one of the devices that a filesystem may lie on.
type Device struct {
	Name   string // for messages
	Reader io.ReaderAt
	Size   int64 // bytes
}

// deviceID is how chunks name a device. The number alone is not enough: a device
// that replaced another has its number, and a seed has numbers of its own.
type deviceID struct {
	number uint64
	uuid   [16]byte
}

func (id deviceID) String() string {
	return fmt.Sprintf("device %d (UUID %s)", id.number, fstree.FormatUUID(id.uuid))
}

func (id deviceID) compare(other deviceID) int {
	if c := cmp.Compare(id.number, other.number); c != 0 {
		return c
	}
	return bytes.Compare(id.uuid[:], other.uuid[:])
}

// device is a Device with the superblock that makes it one.
type device struct {
	Device
	sb     *superblock
	failed atomic.Pointer[error] // the first reason why another copy was taken
}

// fail remembers why the device's copy of something was not used.
func (d *device) fail(err error) { d.failed.CompareAndSwap(nil, &err) }

func (d *device) String() string {
	if d.Name == "" {
		return d.sb.device.String()
	}
	return fmt.Sprintf("%s (%s)", d.Name, d.sb.device)
}

// stripe is a device's part of a chunk.
type stripe struct {
	*device
	base      int64 // of the device
	redundant bool
}

func (s stripe) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.Reader.ReadAt(p, s.base+off)
	if n < len(p) && s.redundant {
		s.fail(fmt.Errorf("byte %d: %w", s.base+off+int64(n), orCutOff(err)))
	}
	return n, err
}

// orCutOff is the error of a read that was short.
func orCutOff(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// deviceItem is what the chunk tree says of a device (struct btrfs_dev_item).
type deviceItem struct {
	id   deviceID
	size uint64   // bytes
	fsid [16]byte // that of the seed for one of a seed
}

const deviceItemSize = 98

func parseDevice(b []byte) deviceItem {
	return deviceItem{
		id:   deviceID{number: le.Uint64(b), uuid: [16]byte(b[66:82])},
		size: le.Uint64(b[8:]), fsid: [16]byte(b[82:98]),
	}
}

// stale reports whether a device was not there when the filesystem was last
// written. A seed is never written.
func (v *volume) stale(d *device) bool {
	return d.sb.fsid == v.sb.fsid && d.sb.generation < v.sb.generation
}

// deviceNotes are what is to be known of the devices, and what hides nothing:
// reading what no device holds is an error.
func (v *volume) deviceNotes() (notes []string) {
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	for _, d := range v.members {
		_, known := v.items[d.sb.device]
		switch chosen := v.devices[d.sb.device]; {
		case d.sb.device.number == 0:
			note("%s is left out: it was about to replace another device", d)
		case !known:
			note("%s is left out: the filesystem does not use it any more", d)
		case chosen != d:
			note("%s is left out: %s is the same device", d, chosen)
		}
	}
	for _, d := range v.used {
		if v.stale(d) {
			note("%s has missed changes (generation %d of %d)", d, d.sb.generation, v.sb.generation)
		}
		if size := v.items[d.sb.device].size; size > uint64(d.Size) && len(v.items) > 1 {
			note("%s is cut off: %d of %d bytes are there", d, d.Size, size)
		}
		if err := d.failed.Load(); err != nil {
			note("%s is not as it should be everywhere (%v); another copy is read there", d, *err)
		}
	}
	return notes
}

// missingDevices says which devices are.
func missingDevices(ids []deviceID) string {
	if len(ids) == 1 {
		return ids[0].String() + " is missing"
	}
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = id.String()
	}
	return strings.Join(names, ", ") + " are missing"
}

// missingError is ErrMissing with the names of the devices.
type missingError struct{ devices []deviceID }

func (e *missingError) Error() string        { return "btrfs: " + missingDevices(e.devices) }
func (e *missingError) Is(target error) bool { return target == ErrMissing }
