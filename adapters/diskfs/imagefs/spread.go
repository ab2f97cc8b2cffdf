package imagefs

import (
	"fmt"
	"slices"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/btrfs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// spread puts filesystems together that lie on several volumes. Such a filesystem
// is no device that could be a member of something else, so this is done once,
// when there are no more volumes to come. Its files are those of the first of its
// volumes; the others say which that is.
func (c *contents) spread() {
	var devices []btrfs.Device
	at := make(map[string]int)
	for i := range c.volumes {
		if v := &c.volumes[i]; v.Filesystem == "btrfs" && v.content.err == nil {
			devices = append(devices, btrfs.Device{Name: v.Name, Reader: v.data, Size: v.Size})
			at[v.Name] = i
		}
	}
	opts := &btrfs.Options{IgnoreDataChecksums: c.opts.IgnoreDataChecksums}
	for _, d := range devices {
		c.volumes[at[d.Name]].content.open = func() (*fstree.FS, error) {
			return btrfs.OpenDevices([]btrfs.Device{{Reader: d.Reader, Size: d.Size}}, opts)
		}
	}
	if len(devices) < 2 {
		return // if it is one of several, that is told by whoever opens it
	}
	// A superblock that is damaged is the error of its own volume.
	found, _ := btrfs.Scan(devices)
	for _, f := range found {
		if f.Total == 1 { // another with its UUID is a copy of it
			continue
		}
		first := &c.volumes[at[f.Devices[0].Name]]
		first.content.open = func() (*fstree.FS, error) { return f.Open(opts) }
		for _, d := range f.Devices[1:] {
			v := &c.volumes[at[d.Name]]
			v.MemberOf = first.Name
			v.content.err = fmt.Errorf("a device of the filesystem in %s: %w", first.Name, ErrNoFiles)
		}
	}
}

// Whole returns the volume that has the files of a filesystem on several ones,
// for any of these; for any other volume that itself.
func Whole(volumes []Volume, v *Volume) *Volume {
	i := slices.IndexFunc(volumes, func(other Volume) bool { return v.MemberOf != "" && other.Name == v.MemberOf })
	if i < 0 {
		return v
	}
	return &volumes[i]
}
