package guest

import "github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"

// Location says where a file of a guest lies.
type Location struct {
	FS    *fstree.FS // the filesystem, or the part of one that is mounted
	Path  string     // in FS
	Mount MountID
}

// MountID tells what is mounted somewhere in a guest from everything else that is,
// the same filesystem at another place included. It can be the key of a map.
type MountID struct{ mount *mounted }

// Locate says where the file of a path lies. A symbolic link is located itself.
func (r *Root) Locate(name string) (Location, error) {
	at, _, err := r.resolve("open", name, false)
	if err != nil {
		return Location{}, err
	}
	return Location{at.m.fsys, at.rel, MountID{at.m}}, nil
}
