package guest

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

// Device finds the volume that a guest means by the name of a device: UUID=,
// LABEL=, PARTUUID= and PARTLABEL= as in fstab(5), the links in /dev/disk,
// /dev/sda2 and the like, /dev/vg/lv, /dev/mapper/vg-lv. Partitions are those of
// the first disk.
func Device(volumes []imagefs.Volume, name string) (*imagefs.Volume, bool) {
	return devices{volumes: volumes}.find(name)
}

// devices are the volumes under the names that a guest has for them.
type devices struct {
	volumes []imagefs.Volume
	disk    string // what the guest calls the disk: "sda"; "" for the first of any kind

	// encrypted are the names in crypttab, with the devices that they are of.
	encrypted map[string]string
}

// find finds the volume with the files that mounting a device shows.
func (d devices) find(name string) (*imagefs.Volume, bool) {
	v, ok := d.lookup(name)
	if ok {
		v = imagefs.Whole(d.volumes, v)
	}
	return v, ok
}

func (d devices) lookup(name string) (*imagefs.Volume, bool) {
	tag, value, found := strings.Cut(name, "=")
	if rest, ok := strings.CutPrefix(name, "/dev/disk/by-"); ok {
		if mapper, ok := strings.CutPrefix(rest, "id/dm-name-"); ok {
			return d.mapper(mapper)
		}
		tag, value, found = strings.Cut(rest, "/")
		value = unescapeUdev(value)
	}
	if found {
		return d.first(tagMatcher(strings.ToUpper(tag), value))
	}
	device, ok := strings.CutPrefix(name, "/dev/")
	if !ok || device == "" {
		return nil, false
	}
	if array, ok := strings.CutPrefix(device, "md"); ok {
		return d.array(array)
	}
	if mapper, ok := strings.CutPrefix(device, "mapper/"); ok {
		return d.mapper(mapper)
	}
	if group, lv, ok := strings.Cut(device, "/"); ok {
		return d.named(doubleHyphens(group) + "-" + doubleHyphens(lv))
	}
	return d.partition(device)
}

func (d devices) first(match func(*imagefs.Volume) bool) (*imagefs.Volume, bool) {
	for i := range d.volumes {
		if match(&d.volumes[i]) {
			return &d.volumes[i], true
		}
	}
	return nil, false
}

// tagMatcher is what blkid's tags mean. A tag without a value matches nothing.
func tagMatcher(tag, value string) func(*imagefs.Volume) bool {
	return func(v *imagefs.Volume) bool {
		switch p := v.Partition; {
		case value == "":
			return false
		case tag == "UUID":
			return strings.EqualFold(v.UUID, value)
		case tag == "LABEL":
			return v.Label == value
		case tag == "PARTUUID" && p != nil:
			return strings.EqualFold(p.UUID, value)
		case tag == "PARTLABEL" && p != nil:
			return p.Name == value
		}
		return false
	}
}

// mapper finds what has a name in /dev/mapper: a logical volume, or an encrypted
// one, which has its name from crypttab, or by default from its UUID.
func (d devices) mapper(name string) (*imagefs.Volume, bool) {
	if v, ok := d.named(name); ok {
		return v, true
	}
	device, ok := d.encrypted[name]
	if !ok {
		uuid, ok := strings.CutPrefix(name, "luks-")
		if !ok {
			return nil, false
		}
		device = "UUID=" + uuid
	}
	if uuid, ok := strings.CutPrefix(device, "UUID="); ok {
		return d.first(func(v *imagefs.Volume) bool { return luksUUID(v) != "" && strings.EqualFold(luksUUID(v), uuid) })
	}
	return devices{volumes: d.volumes, disk: d.disk}.find(device) // names of names end here
}

// luksUUID is the UUID of an encrypted volume, open or locked, and not of what
// it holds.
func luksUUID(v *imagefs.Volume) string {
	switch {
	case v.Encryption != nil:
		return v.Encryption.UUID
	case v.Filesystem == "crypto_LUKS":
		return v.UUID
	}
	return ""
}

func (d devices) named(mapper string) (*imagefs.Volume, bool) {
	name := fstree.EscapeName(mapper)
	return d.first(func(v *imagefs.Volume) bool { return v.Kind == imagefs.LogicalVolume && v.Name == name })
}

// array finds an array, or a partition of one, by what follows "md": "0", "0p1",
// "/NAME".
func (d devices) array(name string) (*imagefs.Volume, bool) {
	name, ok := strings.CutPrefix(name, "/")
	names := []string{"md" + name}
	if ok {
		names = append(names, fstree.EscapeName("md-"+name))
	}
	return d.first(func(v *imagefs.Volume) bool {
		return (v.Kind == imagefs.ArrayVolume || v.Partition != nil && v.Offset < 0) && slices.Contains(names, v.Name)
	})
}

// doubleHyphens is a name's part of one in /dev/mapper.
func doubleHyphens(s string) string { return strings.ReplaceAll(s, "-", "--") }

// partitionName is a kernel's name for a disk or a partition.
var partitionName = regexp.MustCompile(`^((?:sd|hd|vd|xvd|ubd)[a-z]{1,3}|(?:nvme[0-9]{1,3}n|mmcblk|nbd|loop|pmem)[0-9]{1,3})(?:(p?)([0-9]{1,3}))?$`)

// splitPartition splits the name of a partition; a disk has the number 0.
func splitPartition(device string) (disk string, number int, ok bool) {
	m := partitionName.FindStringSubmatch(device)
	if m == nil {
		return "", 0, false
	}
	// A name that ends with a digit has a p before the number, others have not.
	if digit := m[1][len(m[1])-1] <= '9'; m[3] != "" && digit != (m[2] == "p") {
		return "", 0, false
	}
	number, _ = strconv.Atoi(m[3])
	return m[1], number, true
}

func (d devices) partition(device string) (*imagefs.Volume, bool) {
	disk, number, ok := splitPartition(device)
	index, known := d.diskNumber(disk)
	if !ok || !known {
		return nil, false
	}
	return d.first(func(v *imagefs.Volume) bool {
		switch _, on := v.OnDisk(); {
		case v.Offset < 0 || on != index:
			return false
		case number == 0:
			return v.Kind == imagefs.WholeDisk
		}
		return v.Partition != nil && v.Partition.Number == number
	})
}

var diskName = regexp.MustCompile(`^(?:(?:sd|hd|vd|xvd|ubd)([a-z])|nvme([0-9]+)n1|(?:mmcblk|nbd|loop|pmem)([0-9]+))$`)

// diskNumber is which of the disks a guest means, from 0: those of one kind have
// their letters and numbers in the order in which they are found.
func (d devices) diskNumber(disk string) (int, bool) {
	if d.disk != "" && disk == d.disk {
		return 0, true
	}
	m := diskName.FindStringSubmatch(disk)
	if m == nil {
		return 0, false
	}
	n := 0
	if m[1] != "" {
		n = int(m[1][0] - 'a')
	} else {
		n, _ = strconv.Atoi(m[2] + m[3])
	}
	return n, n > 0 || d.disk == ""
}
