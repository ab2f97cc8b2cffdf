package btrfs

import (
	"errors"
	"fmt"
	"slices"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Filesystem is one that was found on some devices, of which some may be missing.
type Filesystem struct {
	UUID    string
	Label   string
	Total   uint64   // devices that it lies on, those of its seeds included
	Devices []Device // those that say they are of it, without seeds; at least one

	members []*device // the same
	others  []*device // of other filesystems, which may be its seeds
}

// Scan finds the filesystems of some devices, in the order of their first ones. A
// device is passed over that has no superblock. The error tells of those whose
// superblock can't be read; what was found is returned all the same.
func Scan(devices []Device) ([]*Filesystem, error) {
	known, errs := identify(devices)
	errs = slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, fstree.ErrNotThis) })
	return group(known), errors.Join(errs...)
}

// identify reads the superblocks of devices, with an error for each that cannot
// be read.
func identify(devices []Device) (known []*device, errs []error) {
	for _, d := range devices {
		sb, err := readSuperblock(d.Reader, d.Size)
		switch {
		case err == nil:
			known = append(known, &device{Device: d, sb: sb})
		case d.Name != "":
			errs = append(errs, fmt.Errorf("%s: %w", d.Name, err))
		default:
			errs = append(errs, err)
		}
	}
	return known, errs
}

// group puts the devices together that are of one filesystem.
func group(devices []*device) (found []*Filesystem) {
	for _, d := range devices {
		i := slices.IndexFunc(found, func(f *Filesystem) bool { return f.members[0].sb.fsid == d.sb.fsid })
		if i < 0 {
			i = len(found)
			found = append(found, &Filesystem{UUID: fstree.FormatUUID(d.sb.fsid)})
		}
		found[i].members = append(found[i].members, d)
		found[i].Devices = append(found[i].Devices, d.Device)
	}
	for _, f := range found {
		sb := newest(f.members)
		f.Label, f.Total = sb.label, sb.devices
		for _, d := range devices {
			if d.sb.fsid != sb.fsid {
				f.others = append(f.others, d)
			}
		}
	}
	return found
}

// newest is the superblock that was written last, from which the kernel mounts.
func newest(members []*device) *superblock {
	sb := members[0].sb
	for _, d := range members[1:] {
		if d.sb.generation > sb.generation {
			sb = d.sb
		}
	}
	return sb
}

// Open opens the filesystem, as far as it can be read from the devices that are
// there. Its [fstree.Info] names those that are missing; what cannot be read
// without them fails with [ErrMissing].
func (f *Filesystem) Open(opts *Options) (*fstree.FS, error) {
	v := newVolume(newest(f.members), opts)
	v.addDevices(f.members, f.others)
	if err := v.open(); err != nil {
		return nil, err
	}
	return fstree.Open(v)
}

// addDevices chooses the devices by which chunks are read. Of two that are the
// same, a copy of an image perhaps, the kernel takes the one that was written
// last.
func (v *volume) addDevices(members, others []*device) {
	v.members = members
	v.devices = make(map[deviceID]*device)
	for _, d := range slices.Concat(members, others) {
		id := d.sb.device
		if known := v.devices[id]; known == nil || known.sb.generation < d.sb.generation {
			v.devices[id] = d
		}
	}
}
