package imagefs

import (
	"errors"
	"fmt"
	"slices"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/lvm"
	"github.com/qedfs/qedfs/adapters/diskfs/mdraid"
	"github.com/qedfs/qedfs/adapters/diskfs/partition"
)

// makers put volumes together from those that are their members, by the type
// that probe gives these.
var makers = []struct {
	member string
	make   func(c *contents, members []Volume)
}{
	{"linux_raid_member", (*contents).addArrays},
	{"LVM2_member", (*contents).addLogical},
}

// maxRounds bounds how often what was put together is found to be a member of
// something else: a group on an encrypted volume on an array takes three.
const maxRounds = 8

// assemble adds the volumes that are made of others. Each round puts together
// everything anew from the members that the round before has found, so that
// an array whose last member comes late is never one without it.
func (c contents) assemble() contents {
	members := c.members()
	if len(members) == 0 {
		return c
	}
	for range maxRounds {
		next := contents{
			volumes: slices.Clone(c.volumes), table: c.table,
			notes: slices.Clone(c.notes), problems: slices.Clone(c.problems), opts: c.opts, unlocked: c.unlocked,
			beneath: slices.Clone(c.beneath),
		}
		for _, m := range makers {
			var of []Volume
			for _, v := range members {
				if v.Filesystem == m.member {
					of = append(of, v)
				}
			}
			if len(of) > 0 {
				m.make(&next, of)
			}
		}
		found := next.members()
		if slices.EqualFunc(found, members, sameMember) {
			return next
		}
		members = found
	}
	c.problems = append(c.problems, fmt.Errorf("imagefs: volumes stand on each other in more than %d levels", maxRounds))
	return c
}

func sameMember(a, b Volume) bool {
	return a.Name == b.Name && a.Filesystem == b.Filesystem && a.UUID == b.UUID && a.Size == b.Size
}

// members are the volumes that others are made of.
func (c *contents) members() []Volume {
	var list []Volume
	for _, v := range c.volumes {
		for _, m := range makers {
			if v.Filesystem == m.member {
				list = append(list, v)
			}
		}
	}
	return list
}

// diskOf is the disk of the first of some volumes that are named.
func diskOf(members []Volume, name string) string {
	for _, v := range members {
		if v.Name == name {
			return v.Disk
		}
	}
	return ""
}

// addArrays adds the arrays of the software RAID of Linux, and the partitions
// in them.
func (c *contents) addArrays(members []Volume) {
	devices := make([]mdraid.Device, len(members))
	for i, v := range members {
		devices[i] = mdraid.Device{Name: v.Name, Reader: v.data, Size: v.Size}
	}
	arrays, err := mdraid.Scan(devices)
	if err != nil {
		c.problems = append(c.problems, err)
	}
	for _, a := range arrays {
		v := Volume{Name: fstree.EscapeName(a.DeviceName()), Kind: ArrayVolume, Disk: diskOf(members, a.Devices[0]), Offset: -1, Size: a.Size}
		r, err := a.Open()
		c.beneath = append(c.beneath, source{a.DeviceName(), a.Notes})
		if err != nil {
			c.problems = append(c.problems, err)
			c.add(v, func(v Volume) Volume { return v.holding(unreadable{err}, err) })
			continue
		}
		table, err := partition.Read(r, a.Size, nil)
		if err != nil {
			// Without a table, or with one that cannot be read, it is a volume.
			if !errors.Is(err, partition.ErrNoTable) {
				c.problems = append(c.problems, fmt.Errorf("%s: %w", a.DeviceName(), err))
			}
			c.add(v, func(v Volume) Volume { return c.identify(v, r) })
			continue
		}
		for _, note := range table.Notes {
			c.notes = append(c.notes, a.DeviceName()+": "+note)
		}
		for _, p := range table.Problems {
			c.problems = append(c.problems, fmt.Errorf("%s: %w", a.DeviceName(), p))
		}
		c.addPartitions(table, v, v.Name+"p", r)
	}
}

// addLogical adds the logical volumes of the groups whose physical volumes are
// members, however many a group is spread over. Damage there is no reason not
// to show the rest; it is one of the problems.
func (c *contents) addLogical(members []Volume) {
	devices := make([]lvm.Device, len(members))
	for i, v := range members {
		devices[i] = lvm.Device{Name: v.Name, Reader: v.data, Size: v.Size}
	}
	groups, err := lvm.Scan(devices)
	if err != nil {
		c.problems = append(c.problems, err)
	}
	for _, g := range groups {
		disk := ""
		if len(g.Devices) > 0 {
			disk = diskOf(members, g.Devices[0])
		}
		lost := false
		for _, lv := range g.Volumes {
			v := Volume{Name: fstree.EscapeName(lv.MapperName()), Kind: LogicalVolume, Disk: disk, Offset: -1, Size: lv.Size}
			c.add(v, func(v Volume) Volume {
				v = c.logicalVolume(v, lv)
				lost = lost || errors.Is(v.content.err, lvm.ErrMissing)
				return v
			})
		}
		switch missing := g.MissingError(); {
		case missing == nil:
		case lost:
			c.problems = append(c.problems, missing)
		default:
			c.notes = append(c.notes, missing.Error())
		}
	}
}

// logicalVolume opens a logical volume. One that can't be read is listed too,
// and says why when it is.
func (c *contents) logicalVolume(v Volume, lv *lvm.Volume) Volume {
	r, err := lv.Open()
	if err == nil {
		v = c.identify(v, r)
		v.content.beneath = lv.Notes
		return v
	}
	if errors.Is(err, lvm.ErrPool) {
		return v.holding(unreadable{err}, fmt.Errorf("a pool of logical volumes: %w", ErrNoFiles))
	}
	return v.holding(unreadable{err}, err)
}
